"""Writes tests/compatibility/recorded/*.json: the catalog of each case after its change, from the embedded server."""

import asyncio
import json
from itertools import groupby
from typing import Any

from sidecar.embedded import EmbeddedPostgres, embedded_postgres
from tests.compatibility.cases import CASES, Case
from tests.compatibility.recorded import RECORDED_DIRECTORY, RECORDED_MAJOR, live_catalog, normalised
from tests.compatibility.world import fresh_database, migrate, superuser
from tests.conftest import Database


def main() -> None:
    RECORDED_DIRECTORY.mkdir(exist_ok=True)
    for path in RECORDED_DIRECTORY.glob("*.json"):
        path.unlink()
    with embedded_postgres() as server:
        server.start()
        for file, cases in groupby(CASES, key=lambda case: case.file):
            recorded = {case.name: _record(case, server) for case in cases if case.applies_to(RECORDED_MAJOR)}
            lines = [f"{json.dumps(name)}: {_compact(recorded[name])}" for name in sorted(recorded)]
            (RECORDED_DIRECTORY / f"{file}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
            print(f"{file}: {len(recorded)} cases")


def _compact(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _record(case: Case, server: EmbeddedPostgres) -> dict[str, Any]:
    with fresh_database(server) as database:
        return asyncio.run(_after_change(case, database))


async def _after_change(case: Case, database: Database) -> dict[str, Any]:
    async with superuser(database) as connection:
        await migrate(connection, case.setup, database.role)
        await migrate(connection, case.change, database.role)
        return await normalised(await live_catalog(database, case), database, connection)


if __name__ == "__main__":
    main()
