"""The state as a page for a browser behind ``kubectl port-forward``: no script, nothing from elsewhere."""

import base64
import hashlib
from html import escape

from sidecar.identifiers import printable
from sidecar.model import Finding
from sidecar.readiness import State
from sidecar.status.overview import About, Fact, overview

REFRESH_S = 5
"""How often the page asks again while something will change by itself, in seconds."""

STYLE = """
:root { color-scheme: light dark; --line: #d0d4da; --faint: #5b6470; --good: #1a7f37; --bad: #b3261e; --warn: #8a5a00 }
@media (prefers-color-scheme: dark) {
  :root { --line: #3a4048; --faint: #9aa4b0; --good: #4ac26b; --bad: #ff8a80; --warn: #e3b341 }
}
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem; border-left: .4rem solid var(--bad); padding-left: .6rem }
h1.ready { border-color: var(--good) }
h2 { font-size: 1rem; margin: 1.8rem 0 .4rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 0 }
dt { color: var(--faint) }
dd { margin: 0 }
dd, td { overflow-wrap: anywhere }
bdi { unicode-bidi: isolate }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-top: 1px solid var(--line) }
th { color: var(--faint); font-weight: normal }
th, td:nth-child(-n+2) { white-space: nowrap; overflow-wrap: normal }
.error { color: var(--bad) }
.warning { color: var(--warn) }
small, .accepted { color: var(--faint) }
code { font: 13px/1.5 ui-monospace, monospace }
"""
STYLE_HASH = "sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
"""What a Content-Security-Policy lets in: this style and no other."""


def status_to_page(state: State, about: About, now: float) -> str:
    """Return the state as an HTML document; whatever comes from the database or the contract is text in it.

    Args:
        state: the state in force.
        about: the process.
        now: seconds since the epoch.
    """
    seen = overview(state, about, now)
    name = about.contract.name if about.contract else "no contract yet"
    word = "ready" if seen.is_ready else "not ready"
    refresh = f'<meta http-equiv="refresh" content="{REFRESH_S}">\n' if seen.is_waiting else ""
    attempts: list[tuple[str, ...]] = [(a.number, a.ended, a.took, a.result) for a in seen.attempts]
    body = [
        f'<h1 class="{"ready" if seen.is_ready else "closed"}">{_text(seen.headline)}</h1>',
        _facts(seen.facts),
        _findings("Drift, found after ready", seen.drift),
        _findings("Findings of the verdict", seen.findings),
        _table("Attempts", ("", "ended", "took", "result"), attempts),
        f"<h2>Settings</h2>\n{_facts(seen.settings)}" if seen.settings else "",
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n{refresh}'
        f"<title>{escape(printable(f'{word}: {name}'))}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def _text(text: str) -> str:
    """Return text for HTML: escaped, isolated so that its own direction stays inside, and nothing invisible in it."""
    return f"<bdi>{escape(printable(text))}</bdi>"


def _facts(facts: tuple[Fact, ...]) -> str:
    rows = "\n".join(f"<dt>{escape(label)}</dt><dd>{_text(text)}</dd>" for label, text in facts)
    return f"<dl>\n{rows}\n</dl>"


def _findings(title: str, findings: tuple[Finding, ...]) -> str:
    rows = "\n".join(map(_finding, findings))
    return _laid_out(title, ("severity", "code", "object", "SQLSTATE", "what and what to do"), rows)


def _finding(finding: Finding) -> str:
    severity = "accepted" if finding.accepted is not None else finding.severity.value
    mend = f"because: {finding.accepted}" if finding.accepted is not None else finding.help
    return (
        f'<tr><td class="{severity}">{severity}</td><td><code>{_text(finding.code)}</code></td>'
        f"<td><code>{_text(finding.object)}</code></td><td>{_text(finding.sqlstate or '')}</td>"
        f"<td>{_text(finding.message)}<br><small>{_text(mend)}</small></td></tr>"
    )


def _table(title: str, heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ("".join(f"<td>{_text(cell)}</td>" for cell in row) for row in rows)
    return _laid_out(title, heads, "\n".join(f"<tr>{line}</tr>" for line in lines))


def _laid_out(title: str, heads: tuple[str, ...], rows: str) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{escape(word)}</th>" for word in heads)
    return f"<h2>{escape(title)}</h2>\n<table>\n<tr>{head}</tr>\n{rows}\n</table>"
