"""Recorded catalogs: what the rules see of each case after its change, without a server.

The same schema gives the same text on any server of the version: what a server hands out as it likes (OIDs, names of
the test's own database and role, address and minor version) is normalised away.
"""

import json
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from sidecar.contract.reader import parse_contract
from sidecar.model import Catalog
from sidecar.postgres.catalog import read_catalog
from sidecar.postgres.session import Limits, open_session
from sidecar.postgres.source import DatabaseSource
from sidecar.postgres.target import Secret
from tests.compatibility.cases import Case
from tests.conftest import Database

RECORDED_DIRECTORY = Path(__file__).with_name("recorded")
RECORDED_MAJOR = 18
ROLE = "app"
"""What the role and the database are called in a recording."""
_FIRST_OID = 16384

# Below 10000 an OID is the same everywhere (transam.h, FirstGenbkiObjectId); initdb hands out those up to 16384.
_NUMBERED_OBJECTS = """
    SELECT oid::int8 FROM (
        SELECT 't', t.oid, n.nspname, t.typname FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
        UNION ALL
        SELECT 'c', c.oid, n.nspname, c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    ) AS o(kind, oid, schema, name)
    WHERE oid >= 10000 AND schema <> 'pg_toast'
    ORDER BY schema COLLATE "C", name COLLATE "C", kind
"""


async def live_catalog(database: Database, case: Case) -> Catalog:
    """Read the catalog as an attempt does."""
    contract = parse_contract(case.contract_document(database.role))
    target = DatabaseSource(variable="DATABASE_URL", text=Secret(database.url)).load({})
    async with open_session(target, Limits(), contract.search_path) as session:
        return await read_catalog(session, contract)


async def normalised(
    catalog: Catalog, database: Database, connection: "asyncpg.Connection[asyncpg.Record]"
) -> dict[str, Any]:
    """Return the catalog as JSON values, without what differs from server to server.

    Args:
        catalog: as read from the server.
        database: where it was read.
        connection: a superuser's, to tell which numbers are OIDs that differ from server to server.
    """
    values = json.loads(msgspec.json.encode(catalog).decode().replace(database.role, ROLE))
    about = values.pop("database") | {
        "name": ROLE,
        "host": "",
        "port": 0,
        "server_version": str(RECORDED_MAJOR),
        "server_version_num": RECORDED_MAJOR * 10_000,
    }
    used = _numbers(values)
    in_order = [oid for (oid,) in await connection.fetch(_NUMBERED_OBJECTS) if oid in used]
    renumbered = _renumbered(values, {oid: number for number, oid in enumerate(in_order, _FIRST_OID)})
    assert isinstance(renumbered, dict)
    return renumbered | {"database": about}


def _numbers(value: object) -> set[int]:
    """Return every number in ``value``, those that JSON makes text of as keys included."""
    if isinstance(value, dict):
        keys = {int(key) for key in value if key.isdecimal() and key.isascii()}
        return keys.union(*map(_numbers, value.values()))
    if isinstance(value, list):
        return set[int]().union(*map(_numbers, value))
    return {value} if isinstance(value, int) and not isinstance(value, bool) else set()


def _renumbered(value: object, numbers: dict[int, int]) -> object:
    if isinstance(value, dict):
        as_text = {str(old): str(new) for old, new in numbers.items()}
        return {as_text.get(key, key): _renumbered(inner, numbers) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renumbered(inner, numbers) for inner in value]
    return numbers.get(value, value) if isinstance(value, int) and not isinstance(value, bool) else value


def load_recorded(directory: Path = RECORDED_DIRECTORY) -> dict[str, dict[str, Any]]:
    """Return the recorded catalogs of all files, by the cases' names."""
    recorded: dict[str, dict[str, Any]] = {}
    for path in sorted(directory.glob("*.json")):
        recorded |= json.loads(path.read_text(encoding="utf-8"))
    return recorded


def catalog_of(values: dict[str, Any]) -> Catalog:
    """Return a recorded catalog as the rules take it."""
    return msgspec.json.decode(msgspec.json.encode(values), type=Catalog)
