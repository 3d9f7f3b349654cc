"""The connection is cut at every step of the protocol: no mismatch is invented by it, and none is lost."""

import asyncio

import pytest

from sidecar.attempt import Checker
from sidecar.contract.reader import parse_contract
from sidecar.model import Disposition, Failure
from sidecar.postgres.session import Limits
from sidecar.postgres.source import DatabaseSource
from sidecar.postgres.target import Secret
from sidecar.report import Report
from tests.conftest import Database
from tests.integration.proxy import cutting_proxy
from tests.integration.schemas import CONTRACT, SCHEMA

WITHIN_S = 20.0
CHANGES = {"fits": "SELECT 1", "does not fit": "ALTER TABLE workflow DROP COLUMN color; DROP FUNCTION label"}


def cuts(said: bytes) -> list[int]:
    """Where to cut: before, at and after the ends of the server's messages.

    A message is a byte for its type and four for the length of the rest (PostgreSQL, "Message Formats"). A whole
    attempt has hundreds, most of them alike: of each type the first three and the last two count, and every error.
    """
    ends: dict[str, list[int]] = {}
    position = 0
    while position < len(said):
        kind = chr(said[position])
        position += 1 + int.from_bytes(said[position + 1 : position + 5], "big")
        ends.setdefault(kind, []).append(position)
    assert len(said) == position
    chosen = {end for kind, all_ in ends.items() for end in (all_ if kind == "E" else [*all_[:3], *all_[-2:]])}
    return sorted({cut for end in chosen for cut in (end - 1, end, end + 3) if cut < len(said)})


def checker_through(port: int, database: Database) -> Checker:
    url = database.url.replace(f":{database.server.port}/", f":{port}/") + "?sslmode=disable"
    return Checker(
        contract=parse_contract(CONTRACT.encode()),
        source=DatabaseSource(variable="DATABASE_URL", text=Secret(url)),
        environ={},
        limits=Limits(connect_timeout_s=WITHIN_S, statement_timeout_s=WITHIN_S, lock_timeout_s=WITHIN_S),
    )


@pytest.mark.parametrize("how", ["closed", "reset"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_connection_that_is_cut_anywhere_is_a_retry(database: Database, change: str, how: str) -> None:
    """After each message of a whole attempt, and in the middle of it: lost, in time, and never told as a verdict."""
    database.execute(SCHEMA.format(role=database.role))
    database.execute(CHANGES[change])

    async def swept() -> None:
        async with cutting_proxy(database.server.port) as (proxy, port):
            checker = checker_through(port, database)
            whole = await checker.attempt(WITHIN_S)
            assert isinstance(whole, Report)
            assert (change == "fits") == whole.is_compatible
            assert (change == "fits") == (b'column "color" does not exist' not in proxy.said)
            places = cuts(proxy.said)
            proxy.reset = how == "reset"
            for cut_after in places:
                proxy.cut_after = cut_after
                cut = await checker.attempt(WITHIN_S)
                assert isinstance(cut, Failure), (cut_after, cut)
                assert Disposition.RETRY is cut.disposition, (cut_after, cut)
                assert "attempt timed out" != cut.reason, cut_after

    asyncio.run(swept())
