"""SQL files and migration folders as sources of contracts."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract.document import ColumnDocument, MigrationsDocument
from sidecar.contract.exported import Exported, ExportError
from sidecar.contract.sources.sql_files import Scope, SqlStatement, find_sql_files, read_sql_file, scope_of
from sidecar.embedded import EmbeddedPostgres, embedded_postgres
from sidecar.exporting import export_sql
from tests.conftest import PASSWORD, Database, make_database
from tests.export.checking import codes, export, findings, url_of
from tests.export.schema import OMISSIONS, SCHEMA
from tests.integration.process import heed_interrupts

OTHER_BINARIES = Path("/usr/lib/postgresql/15/bin")

Write = Callable[[dict[str, str]], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes files by name and returns their folder."""

    def write_files(files: dict[str, str]) -> str:
        for name, text in files.items():
            path = tmp_path / "db" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return str(tmp_path / "db")

    return write_files


def names(folder: str) -> list[str]:
    return [str(path.relative_to(folder)) for path in find_sql_files([folder]).files]


def statements(tmp_path: Path, text: str) -> list[SqlStatement]:
    path = tmp_path / "x.sql"
    path.write_text(text)
    return list(read_sql_file(path).statements)


def texts(tmp_path: Path, text: str) -> list[str]:
    return [statement.sql for statement in statements(tmp_path, text)]


def databases(server: EmbeddedPostgres) -> set[str]:
    async def read() -> set[str]:
        connection = await asyncpg.connect(server.url())
        try:
            return {row[0] for row in await connection.fetch("SELECT datname FROM pg_database")}
        finally:
            await connection.close()

    return asyncio.run(read())


def on_server(server: EmbeddedPostgres, *paths: str) -> Exported:
    """Export on the tests' server, and make sure that the scratch database is gone."""
    before = databases(server)
    try:
        return export_sql(paths, scratch_url=server.url())
    finally:
        assert before == databases(server)


# Which files


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["V10__c.sql", "V2__b.sql", "V1__a.sql"], ["V1__a.sql", "V2__b.sql", "V10__c.sql"]),
        (
            ["V1.10__c.sql", "V1.9__b.sql", "V1__a.sql", "V1_11__d.sql", "U1__a.sql", "R__views.sql", "R__a.sql"],
            ["V1__a.sql", "V1.9__b.sql", "V1.10__c.sql", "V1_11__d.sql", "R__a.sql", "R__views.sql"],
        ),
        (["B3__base.sql", "V1__a.sql", "V3__c.sql", "V4__d.sql"], ["B3__base.sql", "V4__d.sql"]),
        (["old/V1__a.sql", "new/V2__b.sql"], ["old/V1__a.sql", "new/V2__b.sql"]),
        (["010_c.sql", "2_b.sql", "001_a.sql"], ["001_a.sql", "2_b.sql", "010_c.sql"]),
        (
            ["1_a.up.sql", "1_a.down.sql", "10_c.up.sql", "2_b.up.sql", "2_b.down.sql"],
            ["1_a.up.sql", "2_b.up.sql", "10_c.up.sql"],
        ),
        (
            ["20240201_b/migration.sql", "20240101_a/migration.sql", "migration_lock.toml", "README.md"],
            ["20240101_a/migration.sql", "20240201_b/migration.sql"],
        ),
        (["2_b/up.sql", "2_b/down.sql", "1_a/up.sql", "1_a/down.sql"], ["1_a/up.sql", "2_b/up.sql"]),
        (["0001_a.sql", "meta/_journal.json", ".hidden.sql"], ["0001_a.sql"]),
    ],
)
def test_files_of_a_folder_in_order(write: Write, files: list[str], expected: list[str]) -> None:
    """Numbers count as numbers, each tool's layout is known, and what undoes a migration is left out."""
    assert expected == names(write(dict.fromkeys(files, "")))


def test_what_is_left_out_of_a_folder_is_told(write: Write) -> None:
    """A folder of further files, and files that Flyway would not take."""
    folder = write({"1.sql": "", "seeds/1.sql": ""})
    assert (f"folder {folder}/seeds: left out; name it to take its files, too",) == find_sql_files([folder]).omissions
    folder = write({"V1__a.sql": ""})
    assert 2 == len(find_sql_files([folder]).omissions)


def test_paths_are_taken_in_the_order_given(write: Write) -> None:
    """Files and folders mix; a file is taken whatever its name is."""
    folder = write({"a.sql": "", "z.down.sql": "", "more/1.sql": ""})
    found = find_sql_files([f"{folder}/z.down.sql", f"{folder}/more", f"{folder}/a.sql"])
    assert ["z.down.sql", "1.sql", "a.sql"] == [path.name for path in found.files]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"V1.2__a.sql": "", "V1_10__b.sql": "", "R__c.sql": ""},
            MigrationsDocument(tool="flyway", head="1.10", count=2),
        ),
        (
            {"migration_lock.toml": "", "20240101_a/migration.sql": "", "20240201_b/migration.sql": ""},
            MigrationsDocument(tool="prisma", head="20240201_b", count=2),
        ),
        (
            {"00001_a.sql": "-- +goose Up\n", "00002_b.sql": "-- +goose Up\n"},
            MigrationsDocument(tool="goose", head="2", count=2),
        ),
        (
            {"20240101_a.sql": "-- migrate:up\n", "20240201_b.sql": "-- migrate:up\n"},
            MigrationsDocument(tool="dbmate", head="20240201", count=2),
        ),
        ({"1_a.up.sql": "", "000012_b.up.sql": ""}, MigrationsDocument(tool="golang-migrate", head="12")),
        ({"1_a.sql": "", "2_b.sql": ""}, None),
        ({"20240101_a/migration.sql": ""}, None),
    ],
)
def test_newest_migration_by_the_files(
    write: Write, files: dict[str, str], expected: MigrationsDocument | None
) -> None:
    """Where names and marks tell the tool, they tell the head, too; else nothing is said."""
    assert expected == find_sql_files([write(files)]).migrations


# Which statements


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
        (" ;; -- nothing\n/* ; /* ; */ */ ;", []),
        (
            "SELECT ';', E'\\';', \"a;b\", $$;$$, $x$;$$;$x$; SELECT 2;",
            ["SELECT ';', E'\\';', \"a;b\", $$;$$, $x$;$$;$x$", "SELECT 2"],
        ),
        ("SELECT 1 -- a;b\n + 1;\n-- c\nSELECT 2", ["SELECT 1 -- a;b\n + 1", "SELECT 2"]),
        ("CREATE TABLE a (x int)--> statement-breakpoint\nSELECT 2", ["CREATE TABLE a (x int)", "SELECT 2"]),
        ("SELECT 1;--> statement-breakpoint\nSELECT 2", ["SELECT 1", "SELECT 2"]),
        ("CREATE RULE r AS ON DELETE TO t DO (SELECT 1; SELECT 2); SELECT 3", None),
        (
            "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END;"
            " SELECT 3",
            None,
        ),
        ("CREATE PROCEDURE p() BEGIN ATOMIC SELECT 1; END; SELECT 3", None),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN; END'; SELECT 3", None),
        ("\\connect db\n\\restrict abc\nSELECT 1;\n\\unrestrict abc\n", ["SELECT 1"]),
        ("COPY t (a) FROM stdin;\n1;\tx'\n\\N\n\\.\n\nSELECT 1;", ["SELECT 1"]),
        ("COPY t FROM STDIN;\n\\.\nSELECT 1;", ["SELECT 1"]),
        ("BEGIN; SELECT 1; COMMIT;", ["BEGIN", "SELECT 1", "COMMIT"]),
        ("\ufeffSELECT 1;\r\nSELECT 2;\r\n", ["SELECT 1", "SELECT 2"]),
    ],
)
def test_statements_are_told_apart(tmp_path: Path, text: str, expected: list[str] | None) -> None:
    """At the semicolons between statements and nowhere else; None is for two, the last of which is SELECT 3."""
    found = texts(tmp_path, text)
    if expected is None:
        assert (2, "SELECT 3") == (len(found), found[-1])
    else:
        assert expected == found


@given(st.lists(st.sampled_from(["SELECT 1", "SELECT ';'", "SELECT $a$;$a$", "SELECT (1)", 'SELECT 1 AS "; "'])))
def test_statements_joined_are_told_apart_again(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    """Whatever statements are joined by semicolons come out as they went in."""
    path = tmp_path_factory.getbasetemp() / "joined.sql"
    path.write_text(" ;\n".join(parts))
    assert parts == [statement.sql for statement in read_sql_file(path).statements]


def test_statements_have_their_lines(tmp_path: Path) -> None:
    """Lines are those of the file, also behind rows, comments and the part that undoes."""
    text = "-- c\n\nSELECT 1;\nCOPY t FROM stdin;\n1\n\\.\n/*\n*/ SELECT\n2;\n"
    assert [3, 8] == [statement.line for statement in statements(tmp_path, text)]
    marked = "-- migrate:down\nDROP TABLE t;\n-- migrate:up\nCREATE TABLE t ();\n"
    assert [(4, "CREATE TABLE t ()")] == [(s.line, s.sql) for s in statements(tmp_path, marked)]


@pytest.mark.parametrize(
    "text",
    [
        "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;\n",
        "-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n-- +goose StatementEnd\n-- +goose Down\nSELECT 2;",
        "-- migrate:up transaction:false\nSELECT 1;\n\n-- migrate:down\nSELECT 2;\n",
        "-- migrate:up\nSELECT 1;\n",
        "-- +migrate Up\nSELECT 1;\n-- +migrate Down\nSELECT 2;",
        "SELECT 1;\n---- create above / drop below ----\nSELECT 2;",
    ],
)
def test_only_what_applies_a_migration_is_taken(tmp_path: Path, text: str) -> None:
    """goose, dbmate, sql-migrate and tern keep both directions in one file."""
    assert ["SELECT 1"] == texts(tmp_path, text)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"SELECT 'a;\n", "line 1: a ' is never closed"),
        (b"SELECT 1;\n\nSELECT $a$;\n", "line 3: a $a$ is never closed"),
        (b"/* /* */", "line 1: a /* is never closed"),
        (b"\\i other.sql\n", r"line 1: \i other.sql: name that file on the command line instead"),
        (b"SELECT 1;\n\\gexec\n", r"line 2: \gexec: a command of psql, not SQL; take it out"),
        (b"COPY t FROM stdin;\n1\n", r"line 1: the rows of COPY t FROM stdin do not end with \."),
        (b"SELECT 1;\n-- \xe4\n", "line 2: not UTF-8 text"),
        (b"SELECT 1;\n\x00", "line 2: a NUL character"),
        (b"PGDMP\x01\x0e", "pg_dump's custom format; make SQL of it: pg_restore"),
    ],
)
def test_file_that_is_not_sql(tmp_path: Path, data: bytes, words: str) -> None:
    """The file, the line and what to do, in one line."""
    path = tmp_path / "x.sql"
    path.write_bytes(data)
    with pytest.raises(ExportError) as caught:
        read_sql_file(path)
    assert str(caught.value).startswith(str(path))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_utf_16_of_windows_is_read(tmp_path: Path) -> None:
    """What PowerShell's > writes is UTF-16 with a mark."""
    path = tmp_path / "x.sql"
    path.write_bytes("SELECT 'ä';\r\n".encode("utf-16"))
    assert ["SELECT 'ä'"] == [statement.sql for statement in read_sql_file(path).statements]


@pytest.mark.parametrize(
    ("paths", "words"),
    [(["{}/none"], "no such file or folder"), (["{}"], "no .sql files there"), ([], "no path given")],
)
def test_paths_that_lead_nowhere(tmp_path: Path, paths: list[str], words: str) -> None:
    """A missing path, an empty folder, none at all."""
    with pytest.raises(ExportError, match=words):
        find_sql_files([path.format(tmp_path) for path in paths])


@pytest.mark.parametrize(
    ("sql", "scope"),
    [
        ("CREATE TABLE t (owner int)", Scope.DATABASE),
        ("ALTER TABLE t OWNER TO app", Scope.ROLES),
        ("GRANT SELECT ON t TO app", Scope.ROLES),
        ("GRANT CONNECT ON DATABASE d TO app", Scope.OUTSIDE),
        ("REVOKE ALL ON SCHEMA public FROM PUBLIC", Scope.ROLES),
        ("ALTER DEFAULT PRIVILEGES FOR ROLE a GRANT SELECT ON TABLES TO b", Scope.ROLES),
        ("CREATE ROLE app", Scope.ROLES),
        ("CREATE USER MAPPING FOR app SERVER s", Scope.DATABASE),
        ("SET SESSION AUTHORIZATION app", Scope.ROLES),
        ("SET search_path TO a", Scope.DATABASE),
        ("CREATE DATABASE d", Scope.OUTSIDE),
        ("ALTER SYSTEM SET x = 1", Scope.OUTSIDE),
        ("CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p", Scope.OUTSIDE),
        ("COMMENT ON DATABASE d IS ''", Scope.OUTSIDE),
        ("COMMENT ON ROLE r IS ''", Scope.ROLES),
        ("DROP OWNED BY app", Scope.ROLES),
    ],
)
def test_what_a_statement_reaches(tmp_path: Path, sql: str, scope: Scope) -> None:
    """What concerns roles or the whole server is told from what concerns the database."""
    assert scope is scope_of(statements(tmp_path, sql)[0])


# What they build

RECIPES: dict[str, dict[str, str]] = {
    "flyway": {
        "V1__init.sql": "CREATE TABLE t (id bigint PRIMARY KEY);",
        "V2__kind.sql": "CREATE TYPE kind AS ENUM ('a');",
        "V10__add.sql": "ALTER TYPE kind ADD VALUE 'b';\nALTER TABLE t ADD k kind NOT NULL DEFAULT 'b';",
        "U10__add.sql": "ALTER TABLE t DROP k;",
        "R__view.sql": "CREATE OR REPLACE VIEW v AS SELECT id FROM t;",
    },
    "dbmate": {
        "20240101000000_init.sql": "-- migrate:up\nCREATE TABLE t (id bigint PRIMARY KEY);\n"
        "-- migrate:down\nDROP TABLE t;",
        "20240102000000_add.sql": "-- migrate:up transaction:false\nCREATE TYPE kind AS ENUM ('a', 'b');\n"
        "ALTER TABLE t ADD k kind NOT NULL DEFAULT 'b';\nCREATE INDEX CONCURRENTLY i ON t (k);\n"
        "CREATE VIEW v AS SELECT id FROM t;\n-- migrate:down\nDROP INDEX i;",
    },
    "goose": {
        "00001_init.sql": "-- +goose Up\nCREATE TABLE t (id bigint PRIMARY KEY);\n-- +goose Down\nDROP TABLE t;\n",
        "00002_add.sql": "-- +goose NO TRANSACTION\n-- +goose Up\n-- +goose StatementBegin\n"
        "DO $$ BEGIN CREATE TYPE kind AS ENUM ('a', 'b'); END $$;\n-- +goose StatementEnd\n"
        "ALTER TABLE t ADD k kind NOT NULL DEFAULT 'b';\nVACUUM t;\nCREATE VIEW v AS SELECT id FROM t;\n"
        "-- +goose Down\nALTER TABLE t DROP k;\n",
    },
    "prisma": {
        "migration_lock.toml": 'provider = "postgresql"\n',
        "20240101000000_init/migration.sql": '-- CreateTable\nCREATE TABLE "t" (\n    "id" BIGINT NOT NULL,\n\n'
        '    CONSTRAINT "t_pkey" PRIMARY KEY ("id")\n);\n',
        "20240102000000_add/migration.sql": "-- CreateEnum\nCREATE TYPE \"kind\" AS ENUM ('a', 'b');\n"
        '-- AlterTable\nALTER TABLE "t" ADD COLUMN "k" "kind" NOT NULL DEFAULT \'b\';\n'
        "CREATE VIEW v AS SELECT id FROM t;\n",
    },
    "golang-migrate": {
        "1_init.up.sql": "CREATE TABLE t (id bigint PRIMARY KEY);",
        "1_init.down.sql": "DROP TABLE t;",
        "2_add.up.sql": "BEGIN; CREATE TYPE kind AS ENUM ('a', 'b'); ALTER TABLE t ADD k kind NOT NULL DEFAULT 'b';"
        "CREATE VIEW v AS SELECT id FROM t; COMMIT;",
    },
    "drizzle": {
        "0000_init.sql": "CREATE TYPE \"public\".\"kind\" AS ENUM('a', 'b');--> statement-breakpoint\n"
        'CREATE TABLE "t" (\n\t"id" bigint PRIMARY KEY NOT NULL,\n\t"k" "kind" DEFAULT \'b\' NOT NULL\n);\n'
        "--> statement-breakpoint\nCREATE VIEW v AS SELECT id FROM t;",
    },
    "django": {
        "sqlmigrate.sql": "BEGIN;\n--\n-- Create model T\n--\nCREATE TYPE kind AS ENUM ('a', 'b');\n"
        'CREATE TABLE "t" ("id" bigint NOT NULL PRIMARY KEY, "k" kind NOT NULL DEFAULT \'b\');\n'
        "CREATE VIEW v AS SELECT id FROM t;\nCOMMIT;\n",
    },
    "rails": {
        "structure.sql": "SET statement_timeout = 0;\nSET client_encoding = 'UTF8';\n"
        "SELECT pg_catalog.set_config('search_path', '', false);\nSET row_security = off;\n"
        "CREATE TYPE public.kind AS ENUM ('a', 'b');\nCREATE TABLE public.t (id bigint NOT NULL, k public.kind"
        " DEFAULT 'b'::public.kind NOT NULL);\nALTER TABLE ONLY public.t ADD CONSTRAINT t_pkey PRIMARY KEY (id);\n"
        "CREATE VIEW public.v AS SELECT id FROM public.t;\n"
        "CREATE TABLE public.ar_internal_metadata (key character varying NOT NULL);\n"
        "CREATE TABLE public.schema_migrations (version character varying NOT NULL);\n"
        'SET search_path TO "$user", public;\n'
        "INSERT INTO \"schema_migrations\" (version) VALUES\n('20240102000000'),\n('20240101000000');\n",
    },
}
HEADS = {
    "flyway": "10",
    "dbmate": "20240102000000",
    "goose": "2",
    "prisma": "20240102000000_add",
    "golang-migrate": "2",
    "rails": "20240102000000",
}


@pytest.mark.parametrize("tool", RECIPES)
def test_every_tool_s_files_build_the_same_contract(write: Write, server: EmbeddedPostgres, tool: str) -> None:
    """Files as each tool writes them; all of these build one table, one enum and one view."""
    exported = on_server(server, write(RECIPES[tool]))
    document = exported.document
    assert {"t", "v"} == document.relations.keys()
    assert {"kind": ("a", "b")} == document.enums
    assert {
        "id": ColumnDocument(type="bigint", nullable=False),
        "k": ColumnDocument(type="kind", nullable=False),
    } == document.relations["t"].columns
    assert HEADS.get(tool) == (document.migrations and document.migrations.head)
    assert document.source is not None
    assert "sql" == document.source.kind


def test_embedded_server_is_the_scratch_server(write: Write) -> None:
    """Without a URL a server is started and gone again; roles that are missing are there for the time."""
    folder = write(
        {
            "1.sql": 'CREATE TABLE t (id int);\nALTER TABLE t OWNER TO "Own er";\nGRANT SELECT ON t TO app, "Ot.her";\n'
            "BEGIN;\nALTER TABLE t ADD x int;\nGRANT SELECT ON t TO late;\nCOMMIT;\n"
            "ALTER DEFAULT PRIVILEGES FOR ROLE boss GRANT SELECT ON TABLES TO app;\nSET SESSION AUTHORIZATION boss2;\n"
            "RESET SESSION AUTHORIZATION;\nCREATE POLICY p ON t TO reader USING (true);\nCREATE DATABASE other;\n"
            "CREATE ROLE made; GRANT made TO app; CREATE SCHEMA AUTHORIZATION fresh"
        }
    )
    exported = export_sql([folder])
    assert ["id", "x"] == list(exported.document.relations["t"].columns)
    assert (
        f"{folder}/1.sql, line 12: CREATE DATABASE other: it is not about this database alone; left out",
        "policy p on t: a contract does not hold policies",
    ) == exported.omissions


def test_roles_are_not_touched_on_a_server_that_is_not_ours(write: Write, server: EmbeddedPostgres) -> None:
    """What names roles is left out there and told in one line."""
    folder = write(
        {
            "1.sql": "CREATE TABLE t (id int);\nALTER TABLE t OWNER TO nobody_here;\nGRANT SELECT ON t TO app;\n"
            "CREATE ROLE made_by_export;\nCREATE POLICY p ON t TO reader USING (true);\nSET no_such_setting = 1;"
        }
    )
    exported = on_server(server, folder)
    assert (
        f"{folder}/1.sql, line 2: ALTER TABLE t OWNER TO nobody_here and 2 more: roles, owners and privileges are not"
        " touched on the server of --scratch-url; left out",
        f"{folder}/1.sql, line 5: CREATE POLICY p ON t TO reader USING (true): a role is not there on the server of"
        " --scratch-url; left out",
        f"{folder}/1.sql, line 6: SET no_such_setting = 1: the scratch server has no such setting; left out",
    ) == exported.omissions


def test_failing_migration_names_its_place_and_leaves_nothing(write: Write, server: EmbeddedPostgres) -> None:
    """File, line, the statement's first line and the server's words; the scratch database is gone."""
    folder = write(
        {
            "1.sql": "CREATE TABLE t (id int);",
            "2.sql": "-- a comment\n\nALTER TABLE t\n    ADD x no_such_type;\nSELECT 1;",
            "3.sql": "CREATE TABLE u (id int);",
        }
    )
    with pytest.raises(ExportError) as caught:
        on_server(server, folder)
    assert f'{folder}/2.sql, line 3: ALTER TABLE t: type "no_such_type" does not exist' == str(caught.value)


def test_failure_inside_the_file_s_own_transaction(write: Write, server: EmbeddedPostgres) -> None:
    """The statement that failed is named, not the ones that the transaction refuses after it."""
    folder = write({"1.sql": "BEGIN;\nSELECT 1;\nDROP TABLE none;\nCREATE TABLE t (id int);\nCOMMIT;"})
    with pytest.raises(ExportError, match=r'1\.sql, line 3: DROP TABLE none: table "none" does not exist'):
        on_server(server, folder)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("BEGIN;\nCREATE TABLE t (id int);\n", "1.sql: the file opens a transaction and never ends it; add COMMIT"),
        ("CREATE EXTENSION no_such_thing;", "no_such_thing"),
        ("-- nothing\n", "no SQL statement there"),
        ("SELECT 1;", "the scratch database: nothing in public for a contract to ask for"),
    ],
)
def test_files_that_build_nothing(write: Write, server: EmbeddedPostgres, text: str, words: str) -> None:
    """Each is told in one line that names what is wrong."""
    with pytest.raises(ExportError) as caught:
        on_server(server, write({"1.sql": text}))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_extension_says_where_to_get_it(write: Write) -> None:
    """The embedded server has few extensions: the error names the one and the way out."""
    with pytest.raises(ExportError, match=r'"postgis" is not available.*give --scratch-url of a server that has it'):
        export_sql([write({"1.sql": "CREATE EXTENSION postgis;"})])


def test_what_only_works_in_a_transaction(write: Write, server: EmbeddedPostgres) -> None:
    """SET LOCAL and LOCK mean something in a transaction alone: the tools that run such files open one."""
    text = "CREATE SCHEMA a;\nSET LOCAL search_path TO a;\nCREATE TABLE t (id int);\nLOCK TABLE t;"
    exported = on_server(server, write({"1.sql": text, "2.sql": "CREATE TABLE u (id int);"}))
    assert {"a.t", "u"} == exported.document.relations.keys()


def test_settings_of_a_file_end_with_it(write: Write, server: EmbeddedPostgres) -> None:
    """A dump empties the search path; the next file begins anew."""
    dump = "SELECT pg_catalog.set_config('search_path', '', false);\nCREATE TABLE public.t (id int);"
    exported = on_server(server, write({"1.sql": dump, "2.sql": "CREATE TABLE u (id int);"}))
    assert {"t", "u"} == exported.document.relations.keys()


# Where they build it


@pytest.fixture
def modest(database: Database) -> Database:
    """A database whose role may make tables in it, and no databases."""
    database.execute(
        f"GRANT CREATE, USAGE ON SCHEMA public TO {database.role}; GRANT CREATE ON DATABASE {database.name}"
        f" TO {database.role}"
    )
    return database


def test_given_database_is_used_where_none_may_be_created(modest: Database, write: Write) -> None:
    """It is empty before, and as empty afterwards, whatever was made."""
    folder = write(
        {
            "1.sql": SCHEMA.replace(
                "ALTER TABLE billing.invoice ENABLE", "CREATE SCHEMA extra; ALTER TABLE billing.invoice ENABLE"
            )
        }
    )
    before = modest.value("SELECT count(*) FROM pg_depend")
    exported = export_sql([folder], scratch_url=modest.url)
    assert "users" in exported.document.relations
    assert before == modest.value("SELECT count(*) FROM pg_depend")
    assert 0 == modest.value(
        "SELECT count(*) FROM pg_class WHERE oid >= 16384 AND relnamespace = 'public'::regnamespace"
    )


def test_given_database_is_emptied_after_a_failure(modest: Database, write: Write) -> None:
    """A migration that fails leaves it as empty as one that does not."""
    with pytest.raises(ExportError, match="no_such"):
        export_sql([write({"1.sql": "CREATE TABLE t (id int); DROP TABLE no_such;"})], scratch_url=modest.url)
    assert 0 == modest.value("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("CREATE TABLE precious (id int)", r"already has tables \(public.precious\)"),
        ("CREATE SCHEMA s; CREATE VIEW s.v AS SELECT 1", r"is not empty \(s.v\)"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", r"is not empty \(public.f\(\)\)"),
    ],
)
def test_database_with_something_in_it_is_refused(modest: Database, write: Write, script: str, words: str) -> None:
    """Nobody's tables are touched: the error says so before any statement runs."""
    modest.execute(script)
    with pytest.raises(ExportError, match=words):
        export_sql([write({"1.sql": "CREATE TABLE t (id int);"})], scratch_url=modest.url)
    assert 0 == modest.value("SELECT count(*) FROM pg_tables WHERE tablename = 't'")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://a@b/c", "--scratch-url: the database URL does not begin with postgresql://"),
        (f"postgresql://app:{PASSWORD}@127.0.0.1:9/db", "--scratch-url: connection refused"),
    ],
)
def test_scratch_url_that_leads_nowhere(write: Write, url: str, words: str) -> None:
    """One line, without the password."""
    with pytest.raises(ExportError) as caught:
        export_sql([write({"1.sql": "SELECT 1"})], scratch_url=url)
    assert words in str(caught.value)
    assert PASSWORD not in str(caught.value)


# pg_dump


@pytest.fixture(scope="module")
def older_server() -> Iterator[EmbeddedPostgres]:
    if not OTHER_BINARIES.is_dir():
        pytest.skip("PostgreSQL 15 is not on this machine")
    with embedded_postgres(OTHER_BINARIES) as instance:
        instance.start()
        yield instance


def dumped(database: Database, path: Path, *flags: str) -> str:
    """Run Debian's pg_dump."""
    done = subprocess.run(
        [OTHER_BINARIES / "pg_dump", *flags, "-f", path, database.server.url(database.name)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    assert not done.returncode, done.stderr
    return str(path)


@pytest.mark.parametrize(
    "flags", [["--schema-only"], ["--create", "--clean", "--if-exists"], ["--schema-only", "--no-owner"]]
)
@pytest.mark.parametrize("where", ["15", "embedded"])
def test_dump_of_everything_gives_the_database_s_own_contract(
    older_server: EmbeddedPostgres, tmp_path: Path, flags: list[str], where: str
) -> None:
    """What pg_dump writes of a schema with one of everything gives the contract that the database itself gives."""
    database = make_database(older_server)
    database.execute(SCHEMA + f"ALTER TABLE users OWNER TO {database.role}; GRANT SELECT ON counts TO {database.role};")
    path = dumped(database, tmp_path / "dump.sql", *flags)
    exported = export_sql([path], binaries=OTHER_BINARIES if where == "15" else None)
    live = export(database)
    assert live.document.relations == exported.document.relations
    assert live.document.enums == exported.document.enums
    assert live.document.functions == exported.document.functions
    assert live.document.sequences == exported.document.sequences
    assert live.document.extensions == exported.document.extensions
    assert set(OMISSIONS) <= set(exported.omissions)
    assert () == findings(database, exported)
    database.execute("ALTER TABLE users DROP j")
    assert {("column-missing", "public.users.j")} == codes(findings(database, exported))


def test_dump_of_a_thousand_tables(older_server: EmbeddedPostgres, tmp_path: Path) -> None:
    """1,000 tables with 20,000 columns, dumped, built, exported and checked."""
    database = make_database(older_server)
    database.execute(
        "".join(
            f"CREATE TABLE t{n} (id bigint PRIMARY KEY, {', '.join(f'c{c} varchar({c})' for c in range(1, 20))});"
            for n in range(1000)
        )
    )
    path = dumped(database, tmp_path / "dump.sql", "--schema-only")
    start = time.monotonic()
    read = read_sql_file(Path(path))
    middle = time.monotonic()
    exported = export_sql([path], scratch_url=url_of(database))
    end = time.monotonic()
    print(f"{len(read.statements):,} statements read in {middle - start:.2f} s; exported in {end - middle:.2f} s")
    assert export(database).document.relations == exported.document.relations
    assert () == findings(database, exported)
    assert end - middle < 60


# Django

SETTINGS = """
import os
from sidecar.postgres.dsn import parse_dsn
target = parse_dsn(os.environ["DATABASE_URL"], {})
INSTALLED_APPS = [f"django.contrib.{name}" for name in ("contenttypes", "auth", "sessions")]
DATABASES = {"default": {
    "ENGINE": "django.db.backends.postgresql", "NAME": target.database, "USER": target.user,
    "PASSWORD": target.password.reveal(), "HOST": target.hosts[0][0], "PORT": target.hosts[0][1],
}}
"""


def test_django_s_own_migrations(database: Database, tmp_path: Path) -> None:
    """The recipe's commands, run on Django's own applications: the contract fits what its migrate builds."""
    pytest.importorskip("django")
    pytest.importorskip("psycopg")
    readme = Path(__file__).parents[2] / "config" / "README.md"
    recipe = readme.read_text().split("## Django")[1].split("```sh\n")[1].split("sidecar export")[0]
    (tmp_path / "settings.py").write_text(SETTINGS)
    manage = "import django.core.management as m, sys\nm.execute_from_command_line(sys.argv)\n"
    (tmp_path / "manage.py").write_text(manage)

    def shell(script: str) -> None:
        done = subprocess.run(
            ["sh", "-c", script.replace("python ", f"{sys.executable} ")],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env={
                "PATH": os.environ["PATH"],
                "DJANGO_SETTINGS_MODULE": "settings",
                "DATABASE_URL": url_of(database),
                "PYTHONPATH": str(Path(__file__).parents[2]),
            },
        )
        assert not done.returncode, done.stderr

    shell(recipe)
    exported = on_server(database.server, str(tmp_path / "schema.sql"))
    assert "auth_user" in exported.document.relations
    shell("python manage.py migrate")
    assert () == findings(database, exported)
    live = export(database)
    assert live.document.relations == exported.document.relations
    assert live.document.migrations is not None
    assert isinstance(live.document.migrations.head, dict)
    database.execute("ALTER TABLE auth_user DROP last_name")
    assert {("column-missing", "public.auth_user.last_name")} == codes(findings(database, exported))


def test_interrupted_export_leaves_nothing(write: Write, server: EmbeddedPostgres) -> None:
    """Ctrl-C in the middle of a statement: the scratch database is gone all the same."""
    folder = write({"1.sql": "CREATE TABLE t (id int); SELECT pg_sleep(60);"})
    script = "import sys; from sidecar.exporting import export_sql; export_sql([sys.argv[1]], scratch_url=sys.argv[2])"
    before = databases(server)
    with subprocess.Popen(
        [sys.executable, "-c", script, folder, server.url()],
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        preexec_fn=heed_interrupts,  # noqa: PLW1509 - no thread runs here
    ) as process:
        deadline = time.monotonic() + 20
        while not is_sleeping(server) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(20)
    assert before == databases(server)


def is_sleeping(server: EmbeddedPostgres) -> bool:
    async def read() -> bool:
        connection = await asyncpg.connect(server.url())
        try:
            query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
            return bool(await connection.fetchval(query))
        finally:
            await connection.close()

    return asyncio.run(read())
