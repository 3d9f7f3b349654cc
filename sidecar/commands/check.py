"""``sidecar check``: one preflight, no server; for pipelines, init containers, Jobs and kubectl exec."""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys

from sidecar.bugs import bug_line
from sidecar.commands.shared import add_settings, settings_from, termination_log_from
from sidecar.contract.errors import ContractError
from sidecar.lookups import Lookups
from sidecar.readiness import AttemptEnded, Event
from sidecar.report import Conclusion, ExitCode, termination_message, to_json, to_text
from sidecar.settings import Settings, SettingsError
from sidecar.termination import write_termination_log
from sidecar.wiring import arriving_contract, checker_of, policy_of, run_preflight


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags to ``parser``."""
    parser.add_argument("--output", choices=("text", "json"), default="text", help="form of the result; default text")
    daemons = ("listen", "admin_listen", "drift_interval_s", "state_file", "pod_uid", "drain_s")
    add_settings(parser, leave_out=(*daemons, "log_format", "log_level"))


def run(arguments: argparse.Namespace) -> int:
    """Make the preflight, print the result, and return the exit code."""
    conclusion: Conclusion | None = None
    lookups = Lookups()
    try:
        settings = settings_from(arguments)
        conclusion, code = lookups.run(_check(settings, quiet=arguments.output == "json"))
        message = b"interrupted before a verdict\n"
    except SettingsError as error:
        conclusion = Conclusion.misconfigured(error.problems)
        code = conclusion.exit_code
    except Exception as error:
        code, message = ExitCode.BUG, f"{bug_line(error)}\n".encode()
    if conclusion is not None:
        _print(conclusion, arguments.output)
        message = termination_message(conclusion)
    else:
        _complain(message.decode().rstrip("\n"))
    if code is not ExitCode.OK:
        path = termination_log_from(arguments)
        failed = write_termination_log(path, message)
        if failed is not None:
            _complain(f"sidecar: {path} not written: {failed.strerror}")
    return lookups.end(int(code))


async def _check(settings: Settings, *, quiet: bool) -> tuple[Conclusion | None, ExitCode]:
    """Return the conclusion and its exit code, or None where a signal came first."""
    try:
        contract = await arriving_contract(settings.values.contract, settings.values.contract_wait_s)
    except ContractError as error:
        conclusion = Conclusion.misconfigured(error.lines)
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
        if event.report is not None and event.retry_in_s is not None:
            result = f"blocked: {event.report.headline}"
        wait = "" if event.retry_in_s is None else f"; next in {event.retry_in_s:.1f} s"
        _complain(f"attempt {event.number}: {event.duration_s:.3f} s, {result}{wait}")


def _complain(line: str) -> None:
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def _print(conclusion: Conclusion, output: str) -> None:
    # https://no-color.org: any non-empty value
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    text = to_text(conclusion, colour=colour) if output == "text" else json.dumps(to_json(conclusion), indent=2) + "\n"
    with contextlib.suppress(OSError):  # whoever reads on may have read enough; the exit code says the rest
        sys.stdout.write(text)
