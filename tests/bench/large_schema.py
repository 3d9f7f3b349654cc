"""Export and check of 1,000 tables with 20,000 columns, against the floor: one query that fetches the same columns.

    python -m tests.bench.large_schema

Every figure is the median of several runs, all made side by side on one embedded server.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg

from sidecar.attempt import Checker
from sidecar.contract.exported import written
from sidecar.contract.reader import parse_contract
from sidecar.embedded import embedded_postgres
from sidecar.exporting import export_database, export_sql
from sidecar.postgres.dsn import parse_dsn
from sidecar.postgres.session import Limits
from sidecar.postgres.source import DatabaseSource
from sidecar.postgres.target import Secret
from sidecar.report import Report

TABLES, COLUMNS, RUNS = 1000, 20, 5
FLOOR = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
    FROM pg_attribute AS a
    JOIN pg_class AS c ON c.oid = a.attrelid
    WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0
"""


async def main(url: str, directory: Path) -> None:
    connection = await asyncpg.connect(url)
    columns = ", ".join(f"c{n} {('text', 'int', 'timestamptz', 'numeric(10,2)')[n % 4]}" for n in range(COLUMNS - 1))
    script = ";\n".join(f"CREATE TABLE t{n} (id int PRIMARY KEY, {columns})" for n in range(TABLES))
    await connection.execute(script)
    dump = directory / "schema.sql"
    dump.write_text(f"{script};\n")
    await connection.close()
    target = parse_dsn(url, {})

    async def floor() -> None:
        connection = await asyncpg.connect(url)
        assert len(await connection.fetch(FLOOR)) > TABLES * COLUMNS
        await connection.close()

    async def export() -> None:
        written((await export_database(target)).document)

    async def from_sql() -> None:
        written((await asyncio.to_thread(export_sql, [str(dump)], scratch_url=url)).document)

    text = written((await export_database(target)).document)
    checker = Checker(
        contract=parse_contract(text.encode()),
        source=DatabaseSource(variable="DATABASE_URL", text=Secret(url)),
        environ={},
        limits=Limits(statement_timeout_s=60.0),
    )

    async def check() -> None:
        result = await checker.attempt(120.0)
        assert isinstance(result, Report), result
        assert not result.findings

    async def read() -> None:
        parse_contract(text.encode())

    actions: dict[str, Callable[[], Awaitable[None]]] = {
        "floor: connect, fetch the columns": floor,
        "export database, written as JSON": export,
        "export sql: built, read back": from_sql,
        "contract read (no server)": read,
        "check: one attempt": check,
    }
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(RUNS):
        for name, action in actions.items():
            began = time.perf_counter()
            await action()
            times[name].append(time.perf_counter() - began)
    base = statistics.median(next(iter(times.values())))
    print(f"{TABLES} tables, {TABLES * COLUMNS} columns, a contract of {len(text) / 1e6:.1f} MB")
    for name, taken in times.items():
        print(f"{name:<36} {statistics.median(taken):7.3f} s  {statistics.median(taken) / base:6.1f} × floor")


if __name__ == "__main__":
    with embedded_postgres() as server:
        server.start()
        with tempfile.TemporaryDirectory() as directory:
            asyncio.run(main(server.url(), Path(directory)))
