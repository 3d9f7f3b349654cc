"""``sidecar explain``: what a finding means, how it shows at run time, and the mend."""

import argparse
import contextlib
import sys

from sidecar.report import ExitCode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags to ``parser``."""
    parser.add_argument("code", nargs="?", metavar="CODE", help="a finding's code; left out: all")


def run(arguments: argparse.Namespace) -> int:
    """Print the explanation, or the list of all codes."""
    from sidecar.compatibility.codes import BY_CODE
    from sidecar.compatibility.nearest import nearest
    from sidecar.reference import explained, listed
    from sidecar.streams import settle

    if arguments.code is None:
        text = listed()
    elif arguments.code in BY_CODE:
        text = explained(BY_CODE[arguments.code])
    else:
        near = nearest(arguments.code, BY_CODE)
        hint = f"did you mean {near}?" if near else "sidecar explain lists all"
        print(f"sidecar explain: no finding has the code {arguments.code[:60]!r}; {hint}", file=sys.stderr)
        return int(ExitCode.MISCONFIGURED)
    with contextlib.suppress(OSError):  # whoever reads on may have read enough
        sys.stdout.write(text)
    settle(sys.stdout)
    return int(ExitCode.OK)
