"""Schemas that nobody thought of: a contract made from a schema fits the database made from it, whatever is in it."""

import asyncio
import json
from typing import Any

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.identifiers import quote_identifier, quote_literal
from tests.conftest import Database
from tests.integration.test_attempt import report_of

TYPES = (
    "text", "varchar(20)", "char(3)", "smallint", "integer", "bigint", "numeric(10,2)", "numeric", "real",
    "double precision", "boolean", "date", "timestamp(3)", "timestamp with time zone", "time", "interval", "uuid",
    "json", "jsonb", "bytea", "inet", "int[]", "text[]", "numeric(5,1)[]", "mood", "mood[]", "positive", "bit(4)",
    "bit varying(8)", "int4range", "tsvector", "xml", "name", '"char"',
)  # fmt: skip
names = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1).filter(
    lambda name: len(name.encode()) <= 63
)
columns = st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES), "not_null": st.booleans(), "kind": st.sampled_from(("", "", "", "key", "default"))}
)
tables = st.dictionaries(names, st.dictionaries(names, columns, min_size=1, max_size=6), min_size=1, max_size=4)
SYSTEM = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})


def ddl(schema: dict[str, dict[str, Any]]) -> str:
    lines = []
    for table, made in schema.items():
        parts = []
        for name, column in made.items():
            default = " DEFAULT NULL" if column["kind"] == "default" and not column["not_null"] else ""
            null = " NOT NULL" if column["not_null"] else ""
            parts.append(f"{quote_identifier(name)} {column['type']}{null}{default}")
        lines.append(f"CREATE TABLE made.{quote_identifier(table)} ({', '.join(parts)})")
        key = keys(made)
        if key:
            lines.append(
                f"CREATE UNIQUE INDEX ON made.{quote_identifier(table)} ({', '.join(map(quote_identifier, key))})"
            )
    return "; ".join(lines)


def keys(made: dict[str, Any]) -> list[str]:
    """The columns of the unique index: of types that have an order."""
    unordered = ("json", "xml", "positive[]")
    return [name for name, column in made.items() if column["kind"] == "key" and column["type"] not in unordered]


def contract_of(schema: dict[str, dict[str, Any]]) -> str:
    """Everything that the schema has, used in every way."""
    relations = {
        f"made.{quote_identifier(table)}": {
            "use": ["select", "insert", "update", "delete"],
            "columns": {name: {"type": c["type"], "nullable": not c["not_null"]} for name, c in made.items()},
            "upserts": [keys(made)] if keys(made) else [],
            "constraints": {"unique": [keys(made)] if keys(made) else [], "checks": ["positive_check"]},
        }
        for table, made in schema.items()
    }
    return json.dumps({"contract": 1, "relations": relations, "enums": {"mood": ["sad", "happy"]}})


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(tables)
def test_contract_made_from_a_schema_fits_its_database(database: Database, schema: dict[str, dict[str, Any]]) -> None:
    """No finding, not so much as a warning, for names and types of every kind."""
    schema = {
        table: {name: column for name, column in made.items() if name not in SYSTEM} for table, made in schema.items()
    }
    schema = {table: made for table, made in schema.items() if made}
    if not schema:
        return
    asyncio.run(make(database, ddl(schema)))
    assert () == asyncio.run(report_of(database, contract_of(schema))).findings


async def make(database: Database, script: str) -> None:
    connection = await asyncpg.connect(database.server.url(database.name))
    try:
        await connection.execute(
            "DROP SCHEMA IF EXISTS made CASCADE; DROP DOMAIN IF EXISTS positive CASCADE;"
            "DROP TYPE IF EXISTS mood CASCADE;"
            f"CREATE TYPE mood AS ENUM ({quote_literal('sad')}, {quote_literal('happy')});"
            "CREATE DOMAIN positive AS integer CONSTRAINT positive_check CHECK (VALUE > 0);"
            f"CREATE SCHEMA made; {script};"
            f"GRANT USAGE ON SCHEMA made TO {database.role};"
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA made TO {database.role}"
        )
    finally:
        await connection.close()
