"""What ``serve`` and ``check`` have in common: the settings as flags, and telling that they are wrong."""

import argparse
import os
import sys

from sidecar.report import Conclusion, Outcome
from sidecar.settings import Settings, SettingsError, fields, load_settings


def add_settings(parser: argparse.ArgumentParser, *, leave_out: tuple[str, ...] = ()) -> None:
    """Add a flag for every setting; values stay text, for the settings check them all at once."""
    for field in fields():
        if field.name in leave_out:
            continue
        default = f"; default {field.default}" if field.default != "" else ""
        is_switch = field.default is False
        parser.add_argument(
            field.flag,
            dest=field.name,
            metavar="VALUE",
            help=f"{field.description}{default} [{field.variable}]",
            nargs="?" if is_switch else None,
            const="true" if is_switch else None,
        )


def settings_from(arguments: argparse.Namespace) -> Settings:
    """Return the settings from the environment and the parsed flags.

    Raises:
        SettingsError: something is wrong with them.
    """
    return load_settings(os.environ, {field.name: getattr(arguments, field.name, None) for field in fields()})


def misconfigured(error: SettingsError) -> Conclusion:
    """Return the conclusion that tells wrong settings."""
    return Conclusion(outcome=Outcome.MISCONFIGURED, attempts=0, elapsed_s=0.0, problems=error.problems)


def print_problems(error: SettingsError) -> None:
    """Print every problem on standard error, a line each."""
    for problem in error.problems:
        print(f"sidecar: {problem}", file=sys.stderr)
