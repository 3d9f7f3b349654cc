"""``sidecar serve``: the daemon."""

import argparse
import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING

from sidecar.report import Conclusion, ExitCode

if TYPE_CHECKING:
    from sidecar.lookups import Lookups


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags to ``parser``."""
    from sidecar.commands.shared import add_settings

    add_settings(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the daemon until it ends, and return its exit code."""
    # As process 1 of a container, signals without a handler are ignored, and the imports below take a while.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit_now)

    from sidecar.lookups import Lookups

    lookups = Lookups()
    return lookups.end(int(_serve(arguments, lookups)))


def _serve(arguments: argparse.Namespace, lookups: "Lookups") -> ExitCode:
    from sidecar import logs
    from sidecar.bugs import bug_line, frames_of
    from sidecar.commands.shared import settings_from, termination_log_from
    from sidecar.daemon import last_words, serve
    from sidecar.settings import SettingsError, Values

    try:
        settings = settings_from(arguments)
    except SettingsError as error:
        values = Values(termination_log=termination_log_from(arguments))
        conclusion = Conclusion.misconfigured(error.problems)
        last_words(values, logs.configure(values), conclusion.exit_code, conclusion, conclusion.headline)
        return conclusion.exit_code
    logger = logs.configure(settings.values)
    try:
        return lookups.run(serve(settings, os.environ, logger))
    except Exception as error:
        logger.debug(logs.BUG, frames=frames_of(error))
        last_words(settings.values, logger, ExitCode.BUG, None, bug_line(error))
        return ExitCode.BUG


def _exit_now(number: int, frame: FrameType | None) -> None:
    sys.stderr.flush()
    os._exit(int(ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED))
