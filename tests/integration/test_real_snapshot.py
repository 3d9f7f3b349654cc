"""A real application's schema, before and after the migration that broke it.

The snapshots are those of simstudioai/sim (Apache-2.0), as Drizzle Kit wrote them; they are not part of this
repository.
"""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from sidecar.identifiers import quote_identifier, quote_literal
from sidecar.model import Side
from sidecar.report import Report
from tests.conftest import Database
from tests.integration.test_attempt import checker, found, report_of

SNAPSHOTS = Path(os.environ.get("SIDECAR_TEST_SNAPSHOTS") or Path(__file__).parents[3] / "shared" / "data" / "sim")
RELATIONS = ("workflow", "workflow_blocks", "workflow_edges", "permissions")

pytestmark = pytest.mark.skipif(
    not (SNAPSHOTS / "0226_snapshot.json").is_file(), reason="the real snapshots are not on this machine"
)


def snapshot(tag: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((SNAPSHOTS / f"{tag}_snapshot.json").read_text())
    return value


def type_of(column: dict[str, Any]) -> str:
    """The column's type; vector, and functions in generated columns, come with extensions that a bare server lacks."""
    return "text" if column["type"].startswith(("vector", "tsvector")) else column["type"]


def ddl(document: dict[str, Any], role: str) -> str:
    """The enums and tables of a snapshot as SQL: columns, types, defaults, NOT NULL, primary and unique keys."""
    lines = [f"GRANT USAGE ON SCHEMA public TO {role}"]
    for enum in document["enums"].values():
        labels = ", ".join(quote_literal(label) for label in enum["values"])
        lines.append(f"CREATE TYPE {quote_identifier(enum['name'])} AS ENUM ({labels})")
    for table in document["tables"].values():
        parts = []
        for column in table["columns"].values():
            type_ = type_of(column)
            default = column.get("default")
            parts.append(
                f"{quote_identifier(column['name'])} {type_}"
                + (" NOT NULL" if column["notNull"] else "")
                + (
                    f" DEFAULT {json.dumps(default) if isinstance(default, bool) else default}"
                    if default is not None
                    else ""
                )
                + (" PRIMARY KEY" if column["primaryKey"] else "")
            )
        for word, keys in (("PRIMARY KEY", table["compositePrimaryKeys"]), ("UNIQUE", table["uniqueConstraints"])):
            parts += [f"{word} ({', '.join(map(quote_identifier, key['columns']))})" for key in keys.values()]
        name = quote_identifier(table["name"])
        lines.append(f"CREATE TABLE {name} ({', '.join(parts)})")
        lines.append(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {role}")
    return ";\n".join(lines)


def contract(document: dict[str, Any]) -> str:
    """What the realtime server's image uses, compiled against the snapshot."""
    relations = {}
    for name in RELATIONS:
        columns = document["tables"][f"public.{name}"]["columns"].values()
        relations[name] = {
            "use": ["select"] if name == "permissions" else ["select", "insert", "update", "delete"],
            "columns": {column["name"]: column["type"] for column in columns},
        }
    labels = document["enums"]["public.permission_type"]["values"]
    return json.dumps(
        {
            "contract": 1,
            "name": "realtime",
            "relations": relations,
            "enums": {"permission_type": labels},
            "queries": {"authorize": "SELECT id, workspace_id FROM workflow WHERE id = $1 LIMIT 1"},
        }
    )


def whole_contract(document: dict[str, Any], tag: str) -> str:
    """What an ORM's image uses: every column of every table and every enum, as of a migration of the journal."""
    relations = {}
    for table in document["tables"].values():
        keys = [key["columns"] for key in table["uniqueConstraints"].values()]
        relations[quote_identifier(table["name"])] = {
            "use": ["select", "insert", "update", "delete"],
            "columns": {
                column["name"]: {"type": type_of(column), "nullable": not column["notNull"]}
                for column in table["columns"].values()
            },
            "upserts": keys,
        }
    return json.dumps(
        {
            "contract": 1,
            "relations": relations,
            "enums": {enum["name"]: enum["values"] for enum in document["enums"].values()},
            "migrations": {"tool": "drizzle", "head": journal(tag)[-1]["when"], "count": len(journal(tag))},
        }
    )


def journal(tag: str) -> list[dict[str, Any]]:
    """The journal up to the migration of that number."""
    entries: list[dict[str, Any]] = json.loads((SNAPSHOTS / "_journal.json").read_text())["entries"]
    return [entry for entry in entries if entry["idx"] <= int(tag)]


def applied(tag: str, role: str) -> str:
    """The migration tool's table once the migration of that number has run."""
    rows = ", ".join(f"('{entry['tag']}', {entry['when']})" for entry in journal(tag))
    return (
        "CREATE SCHEMA drizzle; CREATE TABLE drizzle.__drizzle_migrations"
        " (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at bigint);"
        f"INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES {rows};"
        f"GRANT USAGE ON SCHEMA drizzle TO {role}; GRANT SELECT ON drizzle.__drizzle_migrations TO {role}"
    )


def test_older_image_on_the_newer_database_names_every_difference(database: Database) -> None:
    """All 95 tables of 0226 against 0227: what 0227 took away, all of it and nothing else, and which side is ahead."""
    old, new = snapshot("0226"), snapshot("0227")
    database.execute(ddl(new, database.role))
    database.execute(applied("0227", database.role))
    report = asyncio.run(report_of(database, whole_contract(old, "0226")))
    tables = {("relation-missing", table["name"]) for key, table in old["tables"].items() if key not in new["tables"]}
    enums = {("type-missing", enum["name"]) for key, enum in old["enums"].items() if key not in new["enums"]}
    assert (4, 2) == (len(tables), len(enums))
    assert {("column-missing", "public.workflow.color")} | tables | enums == found(report)
    assert report.migrations is not None
    assert (Side.DATABASE_AHEAD, 1) == (report.migrations.side, report.migrations.count)


def test_newer_image_on_the_older_database_finds_that_nothing_is_missing(database: Database) -> None:
    """0227 asks for less than 0226 has, and what is there beyond it has a default: nothing to tell."""
    database.execute(ddl(snapshot("0226"), database.role))
    database.execute(applied("0226", database.role))
    report = asyncio.run(report_of(database, whole_contract(snapshot("0227"), "0227")))
    assert () == report.findings


@pytest.mark.parametrize("tag", ["0226", "0227"])
def test_image_fits_the_database_it_was_built_for(database: Database, tag: str) -> None:
    """Each snapshot's contract fits a database with all of the snapshot's tables."""
    document = snapshot(tag)
    database.execute(ddl(document, database.role))
    assert len(document["tables"]) == database.value("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    assert () == asyncio.run(report_of(database, contract(document))).findings


def test_incident_is_refused_naming_the_column_alone(database: Database) -> None:
    """The image that knows 0226 against a database at 0227: workflow.color, and nothing else."""
    database.execute(ddl(snapshot("0227"), database.role))
    result = asyncio.run(checker(database, contract(snapshot("0226"))).attempt(30.0))
    assert isinstance(result, Report)
    assert {("column-missing", "public.workflow.color")} == found(result)
    assert not result.is_compatible
