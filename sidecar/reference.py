"""The rule reference, made from the table of codes: for ``sidecar explain`` and for ``config/RULES.md``. Pure."""

import textwrap

from sidecar.compatibility import types
from sidecar.compatibility.codes import ALL, Code
from sidecar.model import Severity

_INTRODUCTION = """\
# Rules

Every kind of finding that a preflight can tell. Codes are stable: alerts and a contract's `accept` list are written
against them. An `error` gates: a statement that the image issues will fail or be misread. A `warning` is told and does
not gate, for it only may (`SIDECAR_STRICT=true` lets warnings gate, too). `sidecar explain CODE` prints the same.

This file is made from `sidecar/compatibility/codes.py` by `make reference`.
"""
_TYPES = f"""\
## How types are compared

The contract's `types`, or a column's own, says how strictly.

```
{(types.__doc__ or "").partition(chr(10))[2].strip()}
```
"""


def explained(code: Code) -> str:
    """Return what a kind of finding means, for a terminal."""
    return "\n".join(
        (
            f"{code.code} ({_badge(code)})",
            "",
            *_wrapped("", code.summary),
            *_wrapped("at run time  ", code.shows),
            *_wrapped("mend         ", code.mend),
            "",
        )
    )


def listed() -> str:
    """Return all kinds, a line each, for a terminal."""
    width = max(len(code.code) for code in ALL)
    lines = [f"{code.code:<{width}}  {code.severity:<7}  {code.sqlstate or '-':<5}  {code.summary}" for code in ALL]
    return "\n".join(lines) + "\n"


def rules_markdown() -> str:
    """Return the whole reference as Markdown."""
    table = ["| code | severity | SQLSTATE | what it means |", "|---|---|---|---|"]
    table += [
        f"| [`{code.code}`](#{code.code}) | {code.severity} | {code.sqlstate or ''} | {code.summary} |" for code in ALL
    ]
    sections = [_section(code) for code in ALL]
    return "\n".join((_INTRODUCTION, *table, "", *sections, _TYPES))


def _section(code: Code) -> str:
    parts = (
        f"## {code.code}",
        f"*{_badge(code)}*",
        code.summary,
        f"**At run time:** {code.shows}",
        f"**Mend:** {code.mend}",
    )
    return "\n\n".join(parts) + "\n"


def _badge(code: Code) -> str:
    gates = "error: gates" if code.severity is Severity.ERROR else "warning: told, does not gate"
    if code.passes_by_itself:
        gates = "passes by itself: tried again until the deadline"
    return f"{gates}, SQLSTATE {code.sqlstate}" if code.sqlstate else gates


def _wrapped(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, 100, initial_indent=f"  {label}", subsequent_indent=" " * (2 + len(label)), break_on_hyphens=False
    )
