"""The command line: finds the subcommand and loads only what that needs.

``probe`` runs every few seconds in some pods, so the rest stays unloaded for it.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence

from sidecar import __version__

COMMANDS: dict[str, str] = {
    "serve": "run the sidecar: prove the schema at boot, then answer /ready",
    "check": "make one preflight without a server, and tell the result",
    "export": "write a contract from Drizzle, SQLAlchemy, SQL files or a live database",
    "probe": "ask the local sidecar's /ready or /live",
    "explain": "say what a finding means, how it shows and what to do; without a code, list all",
    "contract": "validate a contract, show it as a table, or tell what another demands beyond it",
    "demo": "replay the incident on an embedded PostgreSQL",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the subcommand that ``argv`` names and return the process's exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="sidecar",
        description="Proves at boot that a PostgreSQL schema carries what an image was compiled against.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"sidecar {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        subparser = subparsers.add_parser(
            name, help=summary, description=summary.capitalize() + ".", allow_abbrev=False
        )
        if name in words:
            importlib.import_module(f"sidecar.commands.{name}").add_arguments(subparser)
    arguments = parser.parse_args(words)
    code: int = importlib.import_module(f"sidecar.commands.{arguments.command}").run(arguments)
    return code
