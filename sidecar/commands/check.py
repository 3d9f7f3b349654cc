"""``sidecar check``: one preflight, no server; for pipelines, init containers, Jobs and kubectl exec."""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys

from sidecar.commands.shared import add_settings, misconfigured, settings_from
from sidecar.contract.errors import ContractError
from sidecar.contract.reader import read_contract
from sidecar.readiness import AttemptEnded, Event
from sidecar.report import Conclusion, ExitCode, Outcome, termination_message, to_json, to_text
from sidecar.settings import DEFAULT_TERMINATION_LOG, Settings, SettingsError
from sidecar.streams import settle
from sidecar.termination import write_termination_log
from sidecar.wiring import checker_of, policy_of, run_preflight


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags to ``parser``."""
    parser.add_argument("--output", choices=("text", "json"), default="text", help="form of the result; default text")
    add_settings(parser, leave_out=("listen", "admin_listen", "drain_s", "log_format", "log_level"))


def run(arguments: argparse.Namespace) -> int:
    """Make the preflight, print the result, and return the exit code."""
    termination_log = arguments.termination_log or os.environ.get("SIDECAR_TERMINATION_LOG") or DEFAULT_TERMINATION_LOG
    try:
        settings = settings_from(arguments)
    except SettingsError as error:
        conclusion: Conclusion | None = misconfigured(error)
        code = ExitCode.MISCONFIGURED
    else:
        conclusion, code = asyncio.run(_check(settings, quiet=arguments.output == "json"))
    if conclusion is not None:
        _print(conclusion, arguments.output)
        message = termination_message(conclusion)
    else:
        print("interrupted before a verdict", file=sys.stderr)
        message = b"interrupted before a verdict\n"
    if code is not ExitCode.OK and termination_log != "off":
        failed = write_termination_log(termination_log, message, create=termination_log != DEFAULT_TERMINATION_LOG)
        if failed is not None:
            print(f"sidecar: {termination_log} not written: {failed.strerror}", file=sys.stderr)
    return int(code)


async def _check(settings: Settings, *, quiet: bool) -> tuple[Conclusion | None, ExitCode]:
    """Return the conclusion and its exit code, or None where a signal came first."""
    try:
        contract = read_contract(settings.values.contract)
    except ContractError as error:
        problems = tuple(f"{error.path}: {problem}" for problem in error.problems)
        conclusion = Conclusion(outcome=Outcome.MISCONFIGURED, attempts=0, elapsed_s=0.0, problems=problems)
        return conclusion, conclusion.exit_code
    checker = checker_of(settings, contract, os.environ)
    task = asyncio.create_task(run_preflight(checker, policy_of(settings), _ignore if quiet else _print_attempt))
    received: list[ExitCode] = []

    def interrupt(code: ExitCode) -> None:
        received.append(code)
        task.cancel()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, interrupt, ExitCode.TERMINATED)
    loop.add_signal_handler(signal.SIGINT, interrupt, ExitCode.INTERRUPTED)
    await asyncio.wait((task,))
    if task.cancelled():
        return None, received[0]
    conclusion = task.result()
    return conclusion, conclusion.exit_code


def _ignore(event: Event) -> None:
    pass


def _print_attempt(event: Event) -> None:
    if isinstance(event, AttemptEnded):
        result = "verdict" if event.failure is None else str(event.failure)
        wait = "" if event.retry_in_s is None else f"; next in {event.retry_in_s:.1f} s"
        with contextlib.suppress(OSError):
            print(f"attempt {event.number}: {event.duration_s:.3f} s, {result}{wait}", file=sys.stderr, flush=True)


def _print(conclusion: Conclusion, output: str) -> None:
    # https://no-color.org: any non-empty value
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    text = to_text(conclusion, colour=colour) if output == "text" else json.dumps(to_json(conclusion), indent=2) + "\n"
    with contextlib.suppress(OSError):  # whoever reads on may have read enough; the exit code says the rest
        sys.stdout.write(text)
    settle(sys.stdout)
