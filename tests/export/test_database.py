"""A live database as a source of contracts."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from sidecar.contract.document import ColumnDocument, MigrationsDocument
from sidecar.contract.exported import ExportError, written
from sidecar.embedded import EmbeddedPostgres, embedded_postgres
from sidecar.exporting import export_database
from sidecar.postgres.dsn import parse_dsn
from tests.conftest import Database, make_database
from tests.export.checking import codes, export, findings, url_of
from tests.export.schema import OMISSIONS, SCHEMA

OTHER_BINARIES = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture(params=["server under test", "15"])
def any_database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A fresh database on the tests' server, and on an older one if there is one here."""
    if request.param == "15":
        yield make_database(request.getfixturevalue("older_server"))
    else:
        yield request.getfixturevalue("database")


@pytest.fixture(scope="module")
def older_server() -> Iterator[EmbeddedPostgres]:
    if not OTHER_BINARIES.is_dir():
        pytest.skip("PostgreSQL 15 is not on this machine")
    with embedded_postgres(OTHER_BINARIES) as instance:
        instance.start()
        yield instance


def test_database_fits_its_own_contract(any_database: Database) -> None:
    """One of everything: no finding at all, and what a contract cannot hold is told line by line."""
    any_database.execute(SCHEMA)
    exported = export(any_database)
    assert () == findings(any_database, exported)
    assert OMISSIONS == set(exported.omissions)


def test_export_is_the_same_every_time(database: Database) -> None:
    """The same schema gives the same text, whatever order its objects were made in."""
    tables = ("CREATE TABLE b (id int PRIMARY KEY)", "CREATE TABLE a (id int UNIQUE, x text UNIQUE)")
    database.execute(";".join(tables))
    first = written(export(database).document)
    database.execute("DROP TABLE a, b;" + ";".join(reversed(tables)))
    assert first == written(export(database).document)


def test_spelling_of_columns(database: Database) -> None:
    """Types are spelled as PostgreSQL does; computed columns are read only; NOT NULL may come from a domain."""
    database.execute(SCHEMA)
    document = export(database).document
    columns = document.relations["users"].columns
    assert ColumnDocument(type="character varying(255)", nullable=False) == columns["name"]
    assert ColumnDocument(type='"Mood"[]', nullable=True) == columns["moods"]
    assert ColumnDocument(type="timestamp(3) with time zone", nullable=True) == columns["at"]
    assert ColumnDocument(type="required", nullable=False) == columns["must"]
    assert ColumnDocument(type="text", nullable=True, use=("select",)) == columns["full_name"]
    assert ColumnDocument(type="integer", nullable=False, use=("select",)) == columns["seq"]
    assert ColumnDocument(type="integer", nullable=False) == columns["seq2"]
    assert "bigint" == document.relations["active"].columns["id"]
    assert '"Odd""table.x"' in document.relations
    assert ('billing.open_ones("Mood", integer) returns setof billing.invoice') in document.functions
    assert ("citext",) == document.extensions
    assert ("tickets",) == document.sequences


CHANGES = {
    "schema": (
        "DROP FUNCTION billing.open_ones; DROP SCHEMA billing CASCADE",
        {("schema-missing", "billing"), ("type-missing", "billing.invoice")},
    ),
    "table": ('DROP TABLE "Odd""table.x"', {("relation-missing", '"Odd""table.x"')}),
    "partitioned table": ("DROP TABLE later", {("relation-missing", "later")}),
    "view": ("DROP VIEW active", {("relation-missing", "active")}),
    "view's column": (
        "DROP VIEW active; CREATE VIEW active AS SELECT id, mood FROM users",
        {("column-missing", "public.active.name")},
    ),
    "materialized view": ("DROP MATERIALIZED VIEW counts", {("relation-missing", "counts")}),
    "column": ("ALTER TABLE users DROP j", {("column-missing", "public.users.j")}),
    "type": ("ALTER TABLE users ALTER jb TYPE text", {("column-type-changed", "public.users.jb")}),
    "length": ("ALTER TABLE users ALTER c TYPE char(3)", {("column-type-changed", "public.users.c")}),
    "precision": ("ALTER TABLE users ALTER n TYPE numeric(5,2)", {("column-type-changed", "public.users.n")}),
    "array": ("ALTER TABLE users ALTER tags TYPE text USING ''", {("column-type-changed", "public.users.tags")}),
    "domain": (
        "ALTER TABLE users ALTER home TYPE text; DROP TYPE address",
        {("type-missing", "address")},
    ),
    "now NOT NULL": ("ALTER TABLE users ALTER day SET NOT NULL", {("column-not-null", "public.users.day")}),
    "now nullable": ("ALTER TABLE users ALTER name DROP NOT NULL", {("column-nullable", "public.users.name")}),
    "required column": (
        "ALTER TABLE users ADD owner text NOT NULL",
        {("required-column-unwritten", "public.users.owner")},
    ),
    "generated column": (
        "ALTER TABLE users DROP vb; ALTER TABLE users ADD vb bit varying(8) GENERATED ALWAYS AS (B'1') STORED",
        {("generated-column-written", "public.users.vb")},
    ),
    "identity column": (
        "ALTER TABLE users ALTER seq2 SET GENERATED ALWAYS",
        {("identity-column-written", "public.users.seq2")},
    ),
    "unique": ("ALTER TABLE users ADD CONSTRAINT u UNIQUE (j2)", {("constraint-added", "public.users u")}),
    "unique index on an expression": (
        "CREATE UNIQUE INDEX u ON users (upper(name))",
        {("constraint-added", "public.users u")},
    ),
    "foreign key": (
        "ALTER TABLE users ADD CONSTRAINT f FOREIGN KEY (seq2) REFERENCES billing.invoice",
        {("constraint-added", "public.users f")},
    ),
    "check": ("ALTER TABLE users ADD CONSTRAINT k CHECK (n > 9)", {("constraint-added", "public.users k")}),
    "domain's check": (
        "ALTER DOMAIN required ADD CONSTRAINT k CHECK (VALUE <> '')",
        {("constraint-added", "public.users k")},
    ),
    "exclusion": (
        "ALTER TABLE billing.invoice ADD CONSTRAINT x EXCLUDE USING gist (during WITH &&)",
        {("constraint-added", "billing.invoice x")},
    ),
    "trigger": (
        "CREATE TRIGGER t AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION touch()",
        {("trigger-added", "public.users t")},
    ),
    "index": ("DROP INDEX users_expr", {("index-missing", "public.users users_expr")}),
    "materialized view's index": ("DROP INDEX counts_n", {("index-missing", "public.counts counts_n")}),
    "enum label": (
        "ALTER TYPE billing.status RENAME VALUE 'paid' TO 'settled'",
        {("enum-label-missing", "billing.status.'paid'")},
    ),
    "function": ("DROP FUNCTION label", {("function-missing", "label(text, integer)")}),
    "function's result": (
        "DROP FUNCTION standard; CREATE FUNCTION standard(x int) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'",
        {("function-result-changed", "standard(integer)")},
    ),
    "extension": (
        "ALTER TABLE users ALTER nick TYPE text; DROP EXTENSION citext",
        {("extension-missing", "citext"), ("type-missing", "citext")},
    ),
    "sequence": ("DROP SEQUENCE tickets", {("sequence-missing", "tickets")}),
    "collation": ("DROP COLLATION plain", {("collation-missing", "plain")}),
    "text search configuration": (
        "DROP TEXT SEARCH CONFIGURATION mine",
        {("text-search-configuration-missing", "mine")},
    ),
    "partition": ("DROP TABLE events_2024", {("partition-missing", "public.events")}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_breaking_change_is_found(database: Database, change: str) -> None:
    """A change of each kind that the contract can express is found, and nothing else is."""
    database.execute(SCHEMA + "ALTER TABLE users ADD j2 int;")
    exported = export(database)
    script, expected = CHANGES[change]
    database.execute(script)
    assert expected == codes(findings(database, exported))


def test_harmless_change_is_no_finding(database: Database) -> None:
    """A new table, a nullable column, a wider type, a label more, an index more: nothing to tell."""
    database.execute(SCHEMA)
    exported = export(database)
    database.execute(
        "CREATE TABLE more (id int); ALTER TABLE users ADD extra text; ALTER TABLE users ALTER c TYPE char(5);"
        "ALTER TYPE \"Mood\" ADD VALUE 'great'; CREATE INDEX extra ON users (extra)"
    )
    assert () == findings(database, exported)


def test_role_is_asked_for_nothing_that_it_may_not_do(database: Database) -> None:
    """Exported with the application's role, the contract fits that role; what is left out is told."""
    database.execute(
        f"""CREATE TABLE read (id int, secret text);
            CREATE TABLE closed (id int);
            CREATE TABLE written (id int, note text);
            CREATE TABLE guarded (id int);
            CREATE SCHEMA hidden; CREATE TABLE hidden.t (id int); CREATE TYPE hidden.e AS ENUM ('a');
            CREATE SEQUENCE s;
            CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; REVOKE EXECUTE ON FUNCTION f FROM PUBLIC;
            ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
            GRANT SELECT (id) ON read TO {database.role};
            GRANT SELECT, INSERT, UPDATE, DELETE ON written, guarded TO {database.role}"""
    )
    exported = export(database, as_role=True)
    assert {"read", "written"} == exported.document.relations.keys()
    assert ["id"] == list(exported.document.relations["read"].columns)
    assert () == findings(database, exported, as_role=True)
    role = database.role
    assert {
        f"table closed: role {role} may do nothing with it; left out",
        f"table guarded: role {role} may do nothing with it; left out",
        f"table hidden.t: role {role} may do nothing with it; left out",
        f"table read: role {role} may not INSERT, UPDATE, DELETE, so the contract does not ask for it",
        f"table read: role {role} may do nothing with secret; left out",
        f"enum hidden.e: role {role} may not use it; left out",
        f"sequence s: role {role} may not use it; left out",
        f"function f(): role {role} may not execute it; left out",
    } == set(exported.omissions)


def test_schemas_are_chosen(database: Database) -> None:
    """With schemas given, only what is in them is asked for; types of others are named where columns have them."""
    database.execute(SCHEMA)
    exported = export(database, schemas=("billing",))
    assert ["billing.invoice"] == list(exported.document.relations)
    assert ["billing.status"] == list(exported.document.enums)
    assert () == exported.document.extensions
    assert () == findings(database, exported)


def test_missing_schema_is_refused_naming_those_there(database: Database) -> None:
    """A mistyped schema would check nothing."""
    with pytest.raises(ExportError, match=r"database test_\d+: schema biling does not exist; there are public$"):
        export(database, schemas=("biling",))


def test_empty_database_is_refused(database: Database) -> None:
    """A contract that asks for nothing passes against any database, so none is written."""
    with pytest.raises(ExportError, match=r"nothing in public for a contract to ask for"):
        export(database)


def test_names_are_qualified_where_the_path_leads_elsewhere(database: Database) -> None:
    """Off the search path, a table of public is named with its schema; and what a catalog's own table hides."""
    database.execute(
        "CREATE TABLE t (id int); CREATE TYPE e AS ENUM ('a'); ALTER TABLE t ADD e e; CREATE TABLE pg_class (id int)"
    )
    url = f"{url_of(database)}?options=-c%20search_path%3Dapp"
    document = asyncio.run(export_database(parse_dsn(url, {}))).document
    assert {"public.t", "public.pg_class"} == document.relations.keys()
    assert ColumnDocument(type="public.e", nullable=True) == document.relations["public.t"].columns["e"]
    assert {"t", "public.pg_class"} == export(database).document.relations.keys()


def test_nothing_waits_for_a_migration(database: Database) -> None:
    """With every table locked by a migration, the catalog is read at once."""
    database.execute(SCHEMA)

    async def export_under_lock() -> float:
        connection = await asyncpg.connect(url_of(database))
        try:
            await connection.execute(
                "BEGIN; LOCK TABLE users, billing.invoice, active, events; ALTER TABLE users ADD z int"
            )
            start = time.monotonic()
            await export_database(parse_dsn(url_of(database), {}))
            return time.monotonic() - start
        finally:
            await connection.close()

    assert asyncio.run(export_under_lock()) < 1.5


TOOLS = {
    "drizzle": (
        "CREATE SCHEMA drizzle; CREATE TABLE drizzle.__drizzle_migrations (id serial, hash text, created_at bigint);"
        "INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('a', 1700000000000), ('b', 1800000000000)",
        MigrationsDocument(tool="drizzle", head="1800000000000", count=2),
    ),
    "prisma": (
        "CREATE TABLE _prisma_migrations (migration_name text, finished_at timestamptz, rolled_back_at timestamptz);"
        "INSERT INTO _prisma_migrations VALUES ('20240101_a', now(), NULL), ('20240102_b', NULL, NULL)",
        MigrationsDocument(tool="prisma", head="20240101_a", count=1),
    ),
    "alembic": (
        "CREATE TABLE alembic_version (version_num varchar(32)); INSERT INTO alembic_version VALUES ('b2'), ('a1')",
        MigrationsDocument(tool="alembic", head="a1, b2"),
    ),
    "django": (
        "CREATE TABLE django_migrations (app text, name text);"
        "INSERT INTO django_migrations VALUES ('auth', '0001_initial'), ('shop', '0001_first'), ('shop', '0002_more')",
        MigrationsDocument(tool="django", head={"auth": "0001_initial", "shop": "0002_more"}, count=3),
    ),
    "goose": (
        "CREATE TABLE goose_db_version (id serial, version_id bigint, is_applied bool);"
        "INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true), (1, true), (2, true), (2, false)",
        MigrationsDocument(tool="goose", head="1", count=1),
    ),
    "flyway": (
        "CREATE SCHEMA app; CREATE TABLE app.flyway_schema_history"
        " (installed_rank int, version text, script text, type text, success bool);"
        "INSERT INTO app.flyway_schema_history VALUES (1, '1.9', 'a', 'SQL', true), (2, '1.10', 'b', 'SQL', true)",
        MigrationsDocument(tool="flyway", head="1.10", count=2, table="app.flyway_schema_history"),
    ),
    "schema_migrations": (
        "CREATE TABLE schema_migrations (version varchar);"
        "INSERT INTO schema_migrations VALUES ('20240101000000'), ('20240201000000')",
        MigrationsDocument(tool="schema_migrations", head="20240201000000", count=2),
    ),
    "golang-migrate": (
        "CREATE TABLE schema_migrations (version bigint, dirty bool); INSERT INTO schema_migrations VALUES (7, false)",
        MigrationsDocument(tool="schema_migrations", head="7"),
    ),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_head_is_read_from_the_tool_s_table(database: Database, tool: str) -> None:
    """Each migration tool's table gives the head, is no part of the contract, and the contract can be used."""
    script, expected = TOOLS[tool]
    database.execute(f"CREATE TABLE t (id int); {script}")
    exported = export(database)
    assert expected == exported.document.migrations
    assert {"t"} == exported.document.relations.keys()
    assert any(line.endswith("the migration tool's own; left out") for line in exported.omissions)
    assert () == findings(database, exported)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("CREATE TABLE schema_migrations (version text)", "schema_migrations has no row"),
        (
            "CREATE TABLE schema_migrations (other text)",
            'schema_migrations not read: column "version" does not exist',
        ),
        (
            "CREATE TABLE schema_migrations (version text); CREATE TABLE alembic_version (version_num text)",
            "public.alembic_version, public.schema_migrations are all tables of migration tools",
        ),
    ],
)
def test_head_that_cannot_be_told_is_no_obstacle(database: Database, script: str, words: str) -> None:
    """A tool's table without rows, of another form, or two tools' tables: no head, and a line that says so."""
    database.execute(f"CREATE TABLE t (id int); {script}")
    exported = export(database)
    assert exported.document.migrations is None
    assert any(words in line for line in exported.omissions), exported.omissions


def test_thousand_tables(database: Database) -> None:
    """1,000 tables with 20,000 columns are exported and checked in seconds."""
    database.execute(
        "".join(
            f"CREATE TABLE t{n} (id bigint PRIMARY KEY, {', '.join(f'c{c} varchar({c})' for c in range(1, 20))});"
            for n in range(1000)
        )
    )
    start = time.monotonic()
    exported = export(database)
    text = written(exported.document)
    middle = time.monotonic()
    found = findings(database, exported)
    print(f"export {middle - start:.2f} s, {len(text):,} bytes; check {time.monotonic() - middle:.2f} s")
    assert 20_000 == sum(len(relation.columns) for relation in exported.document.relations.values())
    assert () == found
    assert middle - start < 20


def test_unreachable_database_is_told_in_one_line() -> None:
    """The reason and no traceback, and nothing of the password."""
    target = parse_dsn("postgresql://app:canary-S3cr3t@127.0.0.1:9/db", {})
    with pytest.raises(ExportError) as caught:
        asyncio.run(export_database(target))
    assert str(caught.value).startswith("database db: connection refused")
    assert "canary" not in str(caught.value)


def test_foreign_key_to_a_partitioned_table_is_known_by_the_table(database: Database) -> None:
    """Partitions come and go without a finding on the tables that refer to the whole."""
    database.execute(
        "CREATE TABLE events (id int PRIMARY KEY) PARTITION BY RANGE (id);"
        "CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (1) TO (10);"
        "CREATE TABLE refers (id int REFERENCES events)"
    )
    exported = export(database)
    database.execute("CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (10) TO (20)")
    assert () == findings(database, exported)
