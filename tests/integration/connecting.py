"""Connects as an attempt does, and tells how it went."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from sidecar.model import Failure, Phase
from sidecar.postgres.dsn import parse_dsn
from sidecar.postgres.failures import AttemptError
from sidecar.postgres.session import Limits, open_session

DEBIAN_BINARIES = Path("/usr/lib/postgresql/15/bin")
"""Debian's server: unlike the embedded one, it speaks TLS and has pg_basebackup."""

_HOW = "SELECT CASE WHEN ssl THEN 'TLS' ELSE 'plain' END FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


class Connected(NamedTuple):
    """A connection that came about."""

    how: str
    """``TLS`` or ``plain``."""
    address: tuple[str, int]
    elapsed_s: float


def connect(url: str, environ: Mapping[str, str] | None = None, *, timeout_s: float = 10.0) -> Connected | Failure:
    """Open a session and close it; a failure is returned."""

    async def session() -> Connected:
        began = time.monotonic()
        limits = Limits(connect_timeout_s=timeout_s)
        async with open_session(parse_dsn(url, environ or {}), limits, None) as opened:
            elapsed_s = time.monotonic() - began
            how = await opened.fetch_text(_HOW, Phase.PROBE)
            assert how is not None
            return Connected(how, (opened.host, opened.port), elapsed_s)

    try:
        return asyncio.run(session())
    except AttemptError as error:
        return error.failure


def told(result: Connected | Failure) -> str:
    """How it went in a few words: ``TLS``, ``plain``, or the disposition and the reason."""
    return result.how if isinstance(result, Connected) else f"{result.disposition.value}: {result.reason}"
