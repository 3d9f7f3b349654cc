"""Standard streams whose reader went away: no reason for another exit code, nor for a traceback."""

import os
from typing import TextIO


def settle(stream: TextIO) -> None:
    """Write out what is left in ``stream``; where that cannot be done, let it go to nowhere.

    The interpreter flushes its streams when it ends, and makes the exit code 120 if it cannot.
    """
    try:
        stream.flush()
    except (OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
        finally:
            os.close(nowhere)
