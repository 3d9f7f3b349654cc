"""The page of /status in a real browser: both colour schemes, and names that mean harm."""

import re
import shutil
import signal
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Database
from tests.integration.process import Sidecar, running

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SCHEMES = {"dark": 0, "light": 1}

HOSTILE = (
    "<script>document.title='owned'</script>",
    "<img src=x onerror=document.title='owned'>",
    '"><style>*{display:none}</style>',
    "w" * 60,
    "שלום_" + "ע" * 10,
    "\u202egnp.exe",
)
SCHEMA = "\n".join(f'CREATE TABLE "{name.replace(chr(34), chr(34) * 2)}" (id int, gone int);' for name in HOSTILE)


def quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def relation(name: str) -> str:
    """The contract's spelling of a table: PostgreSQL's own, for none of these names is plain, but for one."""
    return name if name.isascii() and name.isalnum() else '"' + name.replace('"', '""') + '"'


CONTRACT = "contract: 1\nname: <b>realtime</b>\nrelations:\n" + "".join(
    f"  {quoted(relation(name))}: {{columns: {{id: int4, gone: int4}}}}\n" for name in HOSTILE
)


@pytest.fixture
def drifted(database: Database, tmp_path: Path) -> Iterator[Sidecar]:
    """A sidecar that became ready on tables of those names and then lost a column of each."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    database.execute(f"{SCHEMA}\nGRANT SELECT ON ALL TABLES IN SCHEMA public TO {database.role};")
    contract = tmp_path / "contract.yaml"
    contract.write_text(CONTRACT)
    environ = {"DATABASE_URL": database.url, "SIDECAR_CONTRACT": str(contract), "SIDECAR_DRIFT_INTERVAL_S": "0.2"}
    with running(tmp_path, environ) as sidecar:
        sidecar.wait_for("ready")
        database.execute(SCHEMA.replace("CREATE TABLE", "ALTER TABLE").replace("(id int, gone int)", "DROP gone"))
        sidecar.wait_for("drift found")
        yield sidecar
        sidecar.signal(signal.SIGTERM)
        assert 0 == sidecar.wait()


@pytest.fixture
def browse(drifted: Sidecar, tmp_path: Path) -> Callable[..., str]:
    """Open the page in a headless browser, as through a port-forward, and return what it prints."""
    host, port = drifted.address("admin")

    def browsed(*arguments: str) -> str:
        assert CHROMIUM is not None
        done = subprocess.run(
            [
                *(
                    CHROMIUM,
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--hide-scrollbars",
                    "--window-size=1100,900",
                ),
                *(f"--user-data-dir={tmp_path / 'browser'}", *arguments, f"http://{host}:{port}/status"),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    return browsed


def first_pixel(png: bytes) -> tuple[int, ...]:
    """Red, green and blue of the top left corner; no filter of PNG changes the first pixel."""
    assert (b"\x89PNG\r\n\x1a\n", 8) == (png[:8], png[24])
    data, position = b"", 8
    while position < len(png):
        (length,) = struct.unpack(">I", png[position : position + 4])
        if png[position + 4 : position + 8] == b"IDAT":
            data += png[position + 8 : position + 8 + length]
        position += length + 12
    return tuple(zlib.decompress(data)[1:4])


def test_the_page_is_dark_or_light_as_the_browser_wants_it(browse: Callable[..., str], tmp_path: Path) -> None:
    """The page's own style is let in by its policy, and both schemes are real: a dark ground and a light one."""
    ground = {}
    for scheme, number in SCHEMES.items():
        picture = tmp_path / f"{scheme}.png"
        browse(f"--blink-settings=preferredColorScheme={number}", f"--screenshot={picture}")
        ground[scheme] = first_pixel(picture.read_bytes())
    assert max(ground["dark"]) < 64
    assert min(ground["light"]) > 192


def test_hostile_names_stay_text(browse: Callable[..., str]) -> None:
    """After the browser has read it there is no script, image or style of a table's name, and each name is shown."""
    document = browse("--dump-dom")
    head, _, body = document.partition("</head>")
    assert "<title>ready: &lt;b&gt;realtime&lt;/b&gt;</title>" in head
    tags = set(re.findall(r"<([a-zA-Z][a-zA-Z0-9]*)", body))
    assert tags <= set("body h1 h2 dl dt dd bdi table tbody tr th td code br small".split())
    assert 1 == head.count("<style>")
    for name in HOSTILE[:5]:
        shown = name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        assert shown in body or shown.replace('"', '""') in body
    assert "\u202e" not in body
    assert r"\u202egnp.exe" in body


def test_the_page_forbids_what_it_does_not_need(drifted: Sidecar) -> None:
    """Its policy lets in its own style and nothing else, and nobody may frame it."""
    answer = drifted.ask("/status", listener="admin", headers={"Accept": "text/html"})
    assert "text/html; charset=utf-8" == answer.headers["Content-Type"]
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


FORMS = (
    ("*/*", "/status", "text/plain"),
    ("", "/status", "text/plain"),
    ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "/status", "text/html"),
    ("application/json", "/status", "application/json"),
    ("application/json;q=0.5, text/html;q=0.4", "/status", "application/json"),
    ("text/html;q=nonsense, application/json;q=0.1", "/status", "application/json"),
    ("application/json;q=0", "/status", "text/plain"),
    ("text/html", "/status?format=json", "application/json"),
    ("application/json", "/status?format=html", "text/html"),
    ("application/json", "/status?format=text", "text/plain"),
)


def test_the_form_is_what_was_asked_for(drifted: Sidecar) -> None:
    """curl gets text, a browser the page, a program JSON; ?format= wins."""
    for accept, path, kind in FORMS:
        answer = drifted.ask(path, listener="admin", headers={"Accept": accept})
        assert (200, kind) == (answer.status, answer.headers["Content-Type"].split(";")[0]), (accept, path)
