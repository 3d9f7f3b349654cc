"""``sidecar contract``: validate contracts, show one as a table, tell what one demands beyond another."""

import argparse
import contextlib
import shutil
import sys
from typing import TYPE_CHECKING

from sidecar.report import ExitCode

if TYPE_CHECKING:
    from sidecar.model import Contract

MAY_NOT_FIT = 1
"""Exit code of ``diff`` where a database that fits the first contract may not fit the second."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own subcommands and their flags to ``parser``."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    validate = actions.add_parser("validate", help="tell every problem with its place and line", allow_abbrev=False)
    validate.add_argument("paths", nargs="+", metavar="PATH", help="a contract file")
    show = actions.add_parser("show", help="show a contract as a table", allow_abbrev=False)
    show.add_argument("path", metavar="PATH", help="a contract file")
    diff = actions.add_parser(
        "diff",
        help="tell what B demands beyond A, and what it no longer needs",
        description="Exit code 1: a database that fits A may not fit B. 2: a contract cannot be read.",
        allow_abbrev=False,
    )
    diff.add_argument("a", metavar="A", help="a contract file")
    diff.add_argument("b", metavar="B", help="another one")
    diff.add_argument("--output", choices=("text", "json"), default="text", help="form of the result; default text")
    diff.add_argument("--strict", action="store_true", help="demands whose finding is a warning count, too")


def run(arguments: argparse.Namespace) -> int:
    """Do what the subcommand says and return the exit code."""
    from sidecar.streams import settle

    code = {"validate": _validate, "show": _show, "diff": _diff}[arguments.action](arguments)
    settle(sys.stdout)
    settle(sys.stderr)
    return code


def _validate(arguments: argparse.Namespace) -> int:
    from sidecar.report import ContractSummary

    contracts = [(path, _read(path)) for path in arguments.paths]
    for path, contract in contracts:
        if contract is not None:
            summary = ContractSummary.of(contract)
            counts = f"relations: {summary.relations}, columns: {summary.columns}"
            _print(f"{path}: valid: {summary.name} ({counts}) {summary.digest}\n")
    is_valid = all(contract is not None for _, contract in contracts)
    return int(ExitCode.OK if is_valid else ExitCode.MISCONFIGURED)


def _show(arguments: argparse.Namespace) -> int:
    from sidecar.contract.rendering import render_contract

    contract = _read(arguments.path)
    if contract is None:
        return int(ExitCode.MISCONFIGURED)
    _print(render_contract(contract, shutil.get_terminal_size((100, 24)).columns))
    return int(ExitCode.OK)


def _diff(arguments: argparse.Namespace) -> int:
    import json

    import msgspec

    from sidecar.contract.comparison import compare_contracts
    from sidecar.contract.rendering import render_comparison

    a, b = _read(arguments.a), _read(arguments.b)
    if a is None or b is None:
        return int(ExitCode.MISCONFIGURED)
    comparison = compare_contracts(a, b)
    may_not_fit = comparison.may_not_fit(strict=arguments.strict)
    if arguments.output == "json":
        contracts = {
            key: {"path": path, "name": contract.name, "digest": contract.digest}
            for key, path, contract in (("a", arguments.a, a), ("b", arguments.b, b))
        }
        demands = [
            {**msgspec.to_builtins(demand), "may_not_fit": demand.may_not_fit(strict=arguments.strict)}
            for demand in comparison.demands
        ]
        value = {
            **contracts,
            "strict": arguments.strict,
            "may_not_fit": may_not_fit,
            "demands": demands,
            "no_longer": msgspec.to_builtins(comparison.no_longer),
        }
        _print(json.dumps(value, indent=2) + "\n")
    else:
        _print(render_comparison(comparison, (arguments.a, arguments.b), strict=arguments.strict))
    return MAY_NOT_FIT if may_not_fit else int(ExitCode.OK)


def _read(path: str) -> "Contract | None":
    """Return the contract, or None where it cannot be used: every problem stands on stderr then."""
    from sidecar.contract.errors import ContractError
    from sidecar.contract.reader import read_contract

    try:
        return read_contract(path)
    except ContractError as error:
        with contextlib.suppress(OSError):
            for line in error.lines:
                print(line, file=sys.stderr)
        return None


def _print(text: str) -> None:
    with contextlib.suppress(OSError):  # whoever reads on may have read enough; the exit code says the rest
        sys.stdout.write(text)
