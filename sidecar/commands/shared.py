"""What ``serve`` and ``check`` have in common: the settings as flags."""

import argparse
import os

from sidecar.settings import DEFAULT_TERMINATION_LOG, Settings, fields, load_settings


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


def termination_log_from(arguments: argparse.Namespace) -> str:
    """Return where the last words go; also where the settings as a whole cannot be used."""
    given: str | None = arguments.termination_log
    return given or os.environ.get("SIDECAR_TERMINATION_LOG") or DEFAULT_TERMINATION_LOG
