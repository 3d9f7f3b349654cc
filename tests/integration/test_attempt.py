"""One attempt against a real server: what is found, what is not, and what the attempt leaves behind."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
import pytest

from sidecar.attempt import Checker
from sidecar.contract.reader import parse_contract
from sidecar.model import Disposition, Failure, Severity
from sidecar.postgres.catalog import read_catalog
from sidecar.postgres.probes import run_probes
from sidecar.postgres.session import Limits, open_session
from sidecar.postgres.source import DatabaseSource
from sidecar.postgres.statements import probe_statements
from sidecar.postgres.target import Secret
from sidecar.report import Report
from tests.conftest import Database
from tests.integration.schemas import CONTRACT, SCHEMA


def checker(database: Database, contract: str = CONTRACT, *, limits: Limits | None = None) -> Checker:
    return Checker(
        contract=parse_contract(contract.encode()),
        source=DatabaseSource(variable="DATABASE_URL", text=Secret(database.url)),
        environ={},
        limits=limits or Limits(),
    )


async def report_of(database: Database, contract: str = CONTRACT) -> Report:
    result = await checker(database, contract).attempt(30.0)
    assert isinstance(result, Report), result
    return result


def found(report: Report) -> set[tuple[str, str]]:
    return {(finding.code, finding.object) for finding in report.findings}


@pytest.fixture
def realtime(database: Database) -> Database:
    database.execute(SCHEMA.format(role=database.role))
    return database


def test_fitting_database_gives_no_finding(realtime: Database) -> None:
    """A database that carries the whole contract passes without so much as a warning."""
    assert () == asyncio.run(report_of(realtime)).findings


CHANGES = {
    "column dropped": (
        "ALTER TABLE workflow DROP COLUMN color",
        {("column-missing", "public.workflow.color"), ("query-refused", "query authorize-connection")},
    ),
    "column renamed": (
        "ALTER TABLE permissions RENAME user_id TO subject",
        {
            ("column-missing", "public.permissions.user_id"),
            ("required-column-unwritten", "public.permissions.subject"),
        },
    ),
    "table dropped": ("DROP TABLE billing.invoice", {("relation-missing", "billing.invoice")}),
    "table moved off the search path": (
        "ALTER TABLE permissions SET SCHEMA billing",
        {("relation-missing", "permissions")},
    ),
    "schema dropped": ("DROP SCHEMA billing CASCADE", {("schema-missing", "billing")}),
    "function dropped": (
        "DROP FUNCTION label",
        {("function-missing", "label(text)"), ("function-missing", "public.label(text, integer)")},
    ),
    "function's argument type changed": (
        "DROP FUNCTION label; CREATE FUNCTION label(prefix text, number date DEFAULT now()) RETURNS text LANGUAGE sql"
        " AS 'SELECT prefix'",
        {("call-refused", "public.label(text, integer)")},
    ),
    "function became a procedure": (
        "DROP FUNCTION label; CREATE PROCEDURE label(prefix text, number integer DEFAULT 1) LANGUAGE sql AS ''",
        {("function-replaced", "label(text)"), ("function-replaced", "public.label(text, integer)")},
    ),
    "enum label renamed": (
        "ALTER TYPE permission_type RENAME VALUE 'read' TO 'view'",
        {("enum-label-missing", "public.permission_type.'read'")},
    ),
    "type dropped": (
        "ALTER TABLE permissions ALTER permission_type TYPE int USING 1; DROP TYPE permission_type",
        {("type-missing", "permission_type")},
    ),
    "column type changed": (
        "ALTER TABLE workflow ALTER run_count TYPE text",
        {("column-type-changed", "public.workflow.run_count")},
    ),
    "varchar narrowed under a writer": (
        "DROP VIEW active; ALTER TABLE workflow ALTER name TYPE varchar(50);"
        "CREATE VIEW active AS SELECT id, name FROM workflow; GRANT SELECT ON active TO PUBLIC",
        {("column-type-changed", "public.workflow.name")},
    ),
    "required column added": (
        "ALTER TABLE workflow ADD owner text NOT NULL",
        {("required-column-unwritten", "public.workflow.owner")},
    ),
    "required column added through a domain": (
        "CREATE DOMAIN required AS text NOT NULL; ALTER TABLE workflow ADD owner required",
        {("required-column-unwritten", "public.workflow.owner")},
    ),
    "default dropped on a column that is not inserted": (
        "ALTER TABLE workflow ALTER run_count DROP DEFAULT",
        {("required-column-unwritten", "public.workflow.run_count")},
    ),
    "NULL refused where the image writes it": (
        "ALTER TABLE workflow ALTER variables SET NOT NULL",
        {("column-not-null", "public.workflow.variables")},
    ),
    "upsert target dropped": (
        "ALTER TABLE permissions DROP CONSTRAINT permissions_user_id_entity_id_key",
        {("upsert-target-missing", "public.permissions (entity_id, user_id)")},
    ),
    "upsert target partial": (
        "ALTER TABLE permissions DROP CONSTRAINT permissions_user_id_entity_id_key;"
        "CREATE UNIQUE INDEX ON permissions (user_id, entity_id) WHERE user_id <> ''",
        {("upsert-target-missing", "public.permissions (entity_id, user_id)")},
    ),
    "upsert target deferrable": (
        "ALTER TABLE permissions DROP CONSTRAINT permissions_user_id_entity_id_key;"
        "ALTER TABLE permissions ADD UNIQUE (user_id, entity_id) DEFERRABLE",
        {("upsert-target-deferrable", "public.permissions (entity_id, user_id)")},
    ),
    "column became generated": (
        "ALTER TABLE workflow DROP color, ADD color text GENERATED ALWAYS AS (id) STORED",
        {("generated-column-written", "public.workflow.color")},
    ),
    "column became an identity": (
        "ALTER TABLE workflow ALTER run_count DROP DEFAULT, ALTER run_count ADD GENERATED ALWAYS AS IDENTITY",
        {("identity-column-written", "public.workflow.run_count")},
    ),
    "SELECT revoked": (
        "REVOKE SELECT ON billing.invoice FROM {role}",
        {("relation-privilege-missing", "billing.invoice")},
    ),
    "INSERT revoked": (
        "REVOKE INSERT ON workflow FROM {role}",
        {("relation-privilege-missing", "public.workflow")},
    ),
    "grant narrowed to some columns": (
        "REVOKE SELECT ON billing.invoice FROM {role}; GRANT SELECT (id, amount) ON billing.invoice TO {role}",
        {("column-privilege-missing", "billing.invoice.tags")},
    ),
    "USAGE revoked on a schema that the contract names": (
        "REVOKE USAGE ON SCHEMA billing FROM {role}",
        {("schema-privilege-missing", "billing")},
    ),
    "USAGE revoked on a schema of the search path": (
        "REVOKE USAGE ON SCHEMA public FROM {role}, PUBLIC",
        {
            ("schema-privilege-missing", "public"),
            ("query-refused", "query authorize-connection"),
        },
    ),
    "EXECUTE revoked": (
        "REVOKE EXECUTE ON FUNCTION label FROM PUBLIC",
        {
            ("function-privilege-missing", "label(text)"),
            ("function-privilege-missing", "public.label(text, integer)"),
        },
    ),
    "extension dropped": ("DROP EXTENSION plpgsql", {("extension-missing", "plpgsql")}),
    "SELECT revoked on a view": (
        "REVOKE SELECT ON active FROM {role}",
        {("relation-privilege-missing", "public.active")},
    ),
    "view with a column whose function lost a table": (
        "CREATE TABLE gone (n text); CREATE FUNCTION peek() RETURNS text LANGUAGE plpgsql AS"
        " 'BEGIN RETURN (SELECT max(n) FROM public.gone); END'; DROP VIEW active;"
        "CREATE VIEW active AS SELECT id, peek()::varchar AS name FROM workflow; GRANT SELECT ON active TO PUBLIC;"
        "INSERT INTO workflow (id, name) VALUES ('1', 'one'); DROP TABLE gone",
        {("read-refused", "public.active")},
    ),
    "view whose function lost a table": (
        "CREATE TABLE gone (); CREATE FUNCTION peek() RETURNS bigint LANGUAGE plpgsql AS"
        " 'BEGIN RETURN (SELECT count(*) FROM public.gone); END'; DROP VIEW active;"
        "CREATE VIEW active AS SELECT id, name FROM workflow WHERE peek() >= 0; GRANT SELECT ON active TO PUBLIC;"
        "INSERT INTO workflow (id, name) VALUES ('1', 'one'); DROP TABLE gone",
        {("read-refused", "public.active")},
    ),
}


@pytest.mark.parametrize(("change", "expected"), CHANGES.values(), ids=CHANGES.keys())
def test_breaking_change_is_named(realtime: Database, change: str, expected: set[tuple[str, str]]) -> None:
    """Each breaking change gives exactly its findings, all of them errors that name the object."""
    realtime.execute(change.format(role=realtime.role))
    report = asyncio.run(report_of(realtime))
    assert expected == found(report)
    assert {Severity.ERROR} == {finding.severity for finding in report.findings}
    assert not report.is_compatible


HARMLESS = {
    "nullable column added": "ALTER TABLE workflow ADD note text",
    "NOT NULL column with a default added": "ALTER TABLE workflow ADD note text NOT NULL DEFAULT ''",
    "table, view, schema, type and extension added": (
        "CREATE TABLE more (id int); CREATE VIEW v AS SELECT 1 AS x; CREATE SCHEMA s; CREATE TYPE t AS ENUM ('a')"
    ),
    "varchar became text": (
        "DROP VIEW active; ALTER TABLE workflow ALTER name TYPE text;"
        "CREATE VIEW active AS SELECT id, name FROM workflow; GRANT SELECT ON active TO PUBLIC"
    ),
    "enum label added": "ALTER TYPE permission_type ADD VALUE 'own' BEFORE 'admin'",
    "NOT NULL dropped on a written column": "ALTER TABLE workflow ALTER color DROP NOT NULL",
    "unique constraint became a unique index": (
        "ALTER TABLE permissions DROP CONSTRAINT permissions_user_id_entity_id_key;"
        "CREATE UNIQUE INDEX ON permissions (user_id, entity_id)"
    ),
    "column moved to a domain over its type": (
        "CREATE DOMAIN colour AS text; ALTER TABLE workflow ALTER color TYPE colour"
    ),
    "view gained a column": "CREATE OR REPLACE VIEW active AS SELECT id, name, color FROM workflow",
    "table became an updatable view": (
        "ALTER TABLE billing.invoice RENAME TO invoice_table; CREATE VIEW billing.invoice AS"
        " SELECT * FROM billing.invoice_table; GRANT SELECT ON billing.invoice TO PUBLIC"
    ),
    "table became a materialised view": (
        "ALTER TABLE billing.invoice RENAME TO invoice_table; CREATE MATERIALIZED VIEW billing.invoice AS"
        " SELECT * FROM billing.invoice_table; GRANT SELECT ON billing.invoice TO PUBLIC"
    ),
    "owner changed": "ALTER TABLE workflow OWNER TO {role}",
    "function's body replaced": (
        "CREATE OR REPLACE FUNCTION label(prefix text, number integer DEFAULT 1) RETURNS text"
        " LANGUAGE sql VOLATILE AS 'SELECT prefix'"
    ),
    "row security with a permissive policy": (
        "ALTER TABLE workflow ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON workflow USING (true)"
    ),
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS.keys())
def test_harmless_change_passes(realtime: Database, change: str) -> None:
    """What does not break a statement of the image is no finding."""
    realtime.execute(change.format(role=realtime.role))
    assert set() == found(asyncio.run(report_of(realtime)))


def test_required_column_filled_by_a_trigger_is_a_warning(realtime: Database) -> None:
    """A trigger may supply the value, which nobody can tell from outside: told, not gated on."""
    realtime.execute(
        "ALTER TABLE workflow ADD owner text NOT NULL;"
        "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.owner := 1; RETURN NEW; END';"
        "CREATE TRIGGER fill BEFORE INSERT ON workflow FOR EACH ROW EXECUTE FUNCTION fill()"
    )
    report = asyncio.run(report_of(realtime))
    assert {("required-column-unwritten", "public.workflow.owner")} == found(report)
    assert report.is_compatible


def test_policy_on_a_setting_of_the_application_is_told_as_not_checked(realtime: Database) -> None:
    """A policy that reads a setting which only the application makes cannot be judged, and does not block."""
    realtime.execute(
        "ALTER TABLE workflow ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY p ON workflow USING (id = current_setting('app.tenant'));"
        "INSERT INTO workflow (id, name) VALUES ('1', 'one')"
    )
    report = asyncio.run(report_of(realtime))
    assert {"not-checked"} == {code for code, _ in found(report)}
    assert report.is_compatible


def test_odd_names_arrive_as_written(database: Database) -> None:
    """Mixed case, dots, quotes, spaces, reserved words, YAML's booleans and names past 63 bytes all work."""
    long = "n" * 70
    database.execute(
        f"""
        CREATE TABLE "User.Table" ("on" int, "no" int, "null" int, "1" int, "select" int, "a ""b"" c" int, {long} int);
        GRANT ALL ON "User.Table" TO {database.role};
        GRANT USAGE ON SCHEMA public TO {database.role};
        """
    )
    contract = f"""
contract: 1
relations:
  '"User.Table"':
    use: [select, insert, update]
    columns: {{on: int, no: int, null: int, 1: int, select: int, 'a "b" c': int, {long}: int}}
"""
    assert () == asyncio.run(report_of(database, contract)).findings
    database.execute("""ALTER TABLE "User.Table" DROP "on", DROP "a ""b"" c" """)
    assert {
        ("column-missing", 'public."User.Table"."a ""b"" c"'),
        ("column-missing", 'public."User.Table"."on"'),
    } == found(asyncio.run(report_of(database, contract)))


@contextlib.asynccontextmanager
async def holding(database: Database, statement: str) -> AsyncIterator[None]:
    """Keep a transaction open in which ``statement`` has run."""
    connection = await asyncpg.connect(database.server.url(database.name))
    try:
        async with connection.transaction():
            await connection.execute(statement)
            yield
    finally:
        await connection.close()


async def test_lock_of_a_migration_means_retry_and_names_the_relation(realtime: Database) -> None:
    """ACCESS EXCLUSIVE ends the attempt within the lock timeout, as something that will pass."""
    limits = Limits(lock_timeout_s=0.2)
    async with holding(realtime, "LOCK TABLE workflow IN ACCESS EXCLUSIVE MODE"):
        result = await checker(realtime, limits=limits).attempt(30.0)
    assert isinstance(result, Failure)
    assert (Disposition.RETRY, "55P03") == (result.disposition, result.sqlstate)
    assert "public.workflow" in result.message


async def test_locks_are_those_of_a_reader_and_a_writer_of_rows(realtime: Database) -> None:
    """At its end, with every statement judged, the transaction holds no more than statements on rows do."""
    made = checker(realtime)
    async with open_session(made.source.load({}), made.limits, None) as session:
        catalog = await read_catalog(session, made.contract)
        statements = probe_statements(made.contract, catalog, ())
        assert () == await run_probes(session, statements, realtime.name, last=False)
        connection = await asyncpg.connect(realtime.server.url(realtime.name))
        rows = await connection.fetch(
            "SELECT DISTINCT l.mode FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)"
            " WHERE a.usename = $1 AND l.locktype <> 'virtualxid'",
            realtime.role,
        )
        await connection.close()
    assert {"AccessShareLock", "RowExclusiveLock"} >= {row["mode"] for row in rows}


async def test_slow_view_is_planned_instead_and_told(realtime: Database) -> None:
    """A view whose first row takes longer than the statement timeout does not block the rollout for ever."""
    limits = Limits(statement_timeout_s=0.3)
    async with holding(realtime, "SELECT 1"):
        pass
    connection = await asyncpg.connect(realtime.server.url(realtime.name))
    await connection.execute("CREATE OR REPLACE VIEW active AS SELECT id, name FROM workflow, pg_sleep(5)")
    await connection.execute("INSERT INTO workflow (id, name) VALUES ('1', 'one')")
    await connection.close()
    result = await checker(realtime, limits=limits).attempt(30.0)
    assert isinstance(result, Report), result
    assert {"not-checked"} == {code for code, _ in found(result)}
    assert result.is_compatible


async def test_attempt_leaves_nothing_behind(realtime: Database) -> None:
    """No connection, no prepared statement, no lock, no row: as if the attempt had not been."""
    await report_of(realtime)
    connection = await asyncpg.connect(realtime.server.url(realtime.name))
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    for _ in range(100):
        if not await connection.fetchval(others):
            break
        await asyncio.sleep(0.02)  # the server's side of a closed connection takes a moment to go
    assert 0 == await connection.fetchval(others)
    assert 0 == await connection.fetchval("SELECT count(*) FROM workflow")
    await connection.close()


async def test_many_refused_statements_are_all_found(database: Database) -> None:
    """What only the server can see is found in every statement, not in the first that fails."""
    connection = await asyncpg.connect(database.server.url(database.name))
    await connection.execute(f"GRANT USAGE ON SCHEMA public TO {database.role}")
    await connection.execute("CREATE TABLE base (id int)")
    await connection.close()
    queries = "\n".join(f"  q{n}: SELECT {'nothing' if n % 7 == 3 else '1'}" for n in range(50))
    report = await report_of(database, f"contract: 1\nqueries:\n{queries}\n")
    assert {("query-refused", f"query q{n}") for n in range(50) if n % 7 == 3} == found(report)
