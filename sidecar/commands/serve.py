"""``sidecar serve``: the daemon."""

import argparse
import os
import signal
import sys
import traceback
from types import FrameType

from sidecar.report import ExitCode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags to ``parser``."""
    from sidecar.commands.shared import add_settings

    add_settings(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the daemon until it ends, and return its exit code."""
    # As process 1 of a container, signals without a handler are ignored, and the imports below take a while.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit_now)

    import asyncio

    from sidecar import logs
    from sidecar.commands.shared import misconfigured, settings_from
    from sidecar.daemon import last_words, serve
    from sidecar.settings import SettingsError, Values
    from sidecar.streams import settle

    try:
        settings = settings_from(arguments)
    except SettingsError as error:
        values = Values(
            termination_log=arguments.termination_log
            or os.environ.get("SIDECAR_TERMINATION_LOG")
            or Values().termination_log
        )
        conclusion = misconfigured(error)
        last_words(values, logs.configure(values), conclusion.exit_code, conclusion, conclusion.headline)
        return int(conclusion.exit_code)
    logger = logs.configure(settings.values)
    try:
        return int(asyncio.run(serve(settings, os.environ, logger)))
    except Exception as error:
        frames = _frames(error)
        logger.debug(logs.BUG, frames=frames)
        line = f"bug: {type(error).__name__} in {frames[-1]}; please report it"
        last_words(settings.values, logger, ExitCode.BUG, None, line)
        return int(ExitCode.BUG)
    finally:
        settle(sys.stderr)


def _exit_now(number: int, frame: FrameType | None) -> None:
    sys.stderr.flush()
    os._exit(int(ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED))


def _frames(error: BaseException) -> list[str]:
    """Return module and line of every frame, innermost last: no message and no values, which could hold anything."""
    return [
        f"{frame.f_globals.get('__name__', '?')}:{line}" for frame, line in traceback.walk_tb(error.__traceback__)
    ] or ["an unknown place"]
