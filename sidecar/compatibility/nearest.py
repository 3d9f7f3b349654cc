"""Guesses what a missing name may have been renamed to: the nearest of the live names, or nothing."""

import difflib
from collections.abc import Iterable

from sidecar.identifiers import display_path

CUTOFF = 0.6
"""How alike two names have to be (``difflib.SequenceMatcher.ratio``): ``color`` and ``colour`` are 0.91 alike."""


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that is most like ``name``, if one is alike enough; ties go to the first in order."""
    folded: dict[str, str] = {}
    for candidate in sorted(candidates):
        folded.setdefault(candidate.lower(), candidate)
    matcher = difflib.SequenceMatcher(b=name.lower(), autojunk=False)
    best, best_ratio = None, CUTOFF
    for candidate, original in folded.items():
        matcher.set_seq1(candidate)
        ratio = matcher.ratio() if matcher.real_quick_ratio() >= best_ratio else 0.0
        if ratio > best_ratio or (best is None and ratio >= CUTOFF):
            best, best_ratio = original, ratio
    return best


def renamed(name: str, candidates: Iterable[str], schema: str | None = None) -> str:
    """Return the end of a message that asks whether ``name`` was renamed, or nothing.

    Args:
        name: the missing name.
        candidates: live names that may be it.
        schema: written before the guess, where there is one.
    """
    near = nearest(name, candidates)
    return "" if near is None else f"; renamed to {display_path(schema, near)}?"
