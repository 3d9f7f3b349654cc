"""How an error that nobody expected is told: by where it happened, never by its message, which could hold anything."""

import traceback


def frames_of(error: BaseException) -> list[str]:
    """Return module and line of every frame, innermost last: no message and no values."""
    return [
        f"{frame.f_globals.get('__name__', '?')}:{line}" for frame, line in traceback.walk_tb(error.__traceback__)
    ] or ["an unknown place"]


def bug_line(error: BaseException) -> str:
    """Return the one line that tells an error which nobody expected."""
    return f"bug: {type(error).__name__} in {frames_of(error)[-1]}; please report it"
