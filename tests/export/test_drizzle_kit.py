"""Real Drizzle Kits from npm, and a real application's snapshots: what is exported fits, and what breaks is found."""

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.contract.document import ColumnDocument
from sidecar.contract.exported import written
from sidecar.contract.sources.drizzle import export_drizzle
from sidecar.identifiers import quote_identifier
from sidecar.model import Side
from tests.conftest import Database
from tests.integration import test_real_snapshot as sim
from tests.integration.test_attempt import found, report_of

NODE = Path(__file__).parent / "node"
GENERATED = "generated"

needs_sim = pytest.mark.skipif(
    not (sim.SNAPSHOTS / "0226_snapshot.json").is_file(), reason="the real snapshots are not on this machine"
)


def installed(folder: Path) -> Path:
    """Install what the lock names, unless it is there already."""
    marker = folder / "node_modules" / ".package-lock.json"
    if not marker.is_file() or marker.stat().st_mtime < (folder / "package-lock.json").stat().st_mtime:
        subprocess.run(["npm", "ci", "--silent"], cwd=folder, check=True, timeout=600)
        marker.touch()
    return folder


def generate(folder: Path, schema: str, *more: str, out: str = GENERATED) -> None:
    kit = ["node", "node_modules/drizzle-kit/bin.cjs", "generate", "--dialect", "postgresql", "--out", out]
    command = [*kit, "--schema", schema, "--name", schema.partition(".")[0], *more]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="session", params=["today", "next"])
def migrations(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a real Drizzle Kit that made two migrations."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not on this machine")
    node = installed(NODE if request.param == "today" else NODE / "next")
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "node_modules").symlink_to(node / "node_modules")
    for schema in ("first.ts", "schema.ts"):
        shutil.copy(NODE / schema, folder)
        generate(folder, schema)
    return folder / GENERATED


@pytest.fixture
def migrated(migrations: Path, database: Database) -> Database:
    """A database that the migrations built, and a role that may use it."""
    for file in sorted(migrations.rglob("*.sql")):
        database.execute(file.read_text())  # to the server, a statement breakpoint is a comment
    role = database.role
    for schema in ("public", "billing"):
        database.execute(
            f"GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {role};"
            f"GRANT ALL ON ALL SEQUENCES IN SCHEMA {schema} TO {role}"
        )
    return database


def findings(database: Database, migrations: Path, migration: str | None = None) -> set[tuple[str, str]]:
    text = written(export_drizzle(migrations, migration).document)
    return found(asyncio.run(report_of(database, text)))


def test_export_fits_the_database_that_the_migrations_built(migrated: Database, migrations: Path) -> None:
    """Both migrations applied: nothing to tell, not even a warning."""
    assert set() == findings(migrated, migrations)


def test_export_names_everything(migrations: Path) -> None:
    """Every table, enum, sequence and view of schema.ts, and in words what a contract has no room for."""
    exported = export_drizzle(migrations)
    document = exported.document
    relations = {"Odd.Table", "billing.invoice", "billing.totals", "counter", "live_member", "member", "team"}
    assert relations == {key.strip('"') for key in document.relations}
    assert {"MyMood", "billing.level", "status"} == set(document.enums)
    assert ("billing.invoice_number", "ticket") == document.sequences
    assert 37 == len(document.relations["member"].columns)
    assert (
        ColumnDocument(type="tsvector", nullable=True, use=("select",))
        == document.relations["member"].columns["search"]
    )
    assert "policy own on billing.invoice: a contract does not hold policies" in exported.omissions


def test_first_migration_can_be_chosen(migrations: Path) -> None:
    """The schema as it was when the first of the two migrations was made."""
    names = [file.parent.name for file in migrations.glob("*/snapshot.json")] or ["0000_first", "0001_schema"]
    document = export_drizzle(migrations, min(names)).document
    assert {"member", "team"} == set(document.relations)
    assert ["email", "id", "status", "team_id"] == list(document.relations["member"].columns)
    assert {"status": ("draft", "live")} == document.enums


RENAMES = {
    ("schema", 'pgSchema("billing")', 'pgSchema("money")'): (["billing"], ["money"]),
    ("enum", 'pgEnum("status"', 'pgEnum("state"'): (["public", "status"], ["public", "state"]),
    ("table", 'pgTable("team"', 'pgTable("squad"'): (["public", "team"], ["public", "squad"]),
    ("column", 'text("email")', 'text("mail")'): (["public", "member", "email"], ["public", "member", "mail"]),
    ("column", 'bigint("parent_id"', 'bigint("above"'): (
        ["money", "invoice", "parent_id"],
        ["money", "invoice", "above"],
    ),
}


@pytest.mark.parametrize("migrations", ["next"], indirect=True)
def test_renames_played_back_give_what_a_first_migration_gives(migrations: Path, tmp_path: Path) -> None:
    """Renamed schema, enum, table and columns: the same contract as of a folder that never knew the old names."""
    shutil.copytree(migrations, tmp_path / GENERATED)
    (tmp_path / "node_modules").symlink_to(migrations.parent / "node_modules")
    text = (NODE / "schema.ts").read_text()
    hints = []
    for (kind, old, new), (before, after) in RENAMES.items():
        assert old in text
        text = text.replace(old, new)
        hints.append({"type": "rename", "kind": kind, "from": before, "to": after})
    # Expressions are SQL text that drizzle-kit cannot rename in; and the kit itself drops what it cannot follow.
    (tmp_path / "renamed.ts").write_text(text.replace("'english', email", "'english', mail"))
    generate(tmp_path, "renamed.ts", "--hints", json.dumps(hints))
    generate(tmp_path, "renamed.ts", out="fresh")
    played, fresh = export_drizzle(tmp_path / GENERATED), export_drizzle(tmp_path / "fresh")
    assert fresh.document.relations == played.document.relations
    assert fresh.document.enums == played.document.enums
    assert fresh.document.sequences == played.document.sequences
    assert fresh.omissions == played.omissions


def test_head_is_what_the_migrator_writes(migrated: Database, migrations: Path) -> None:
    """Drizzle's own migrator has run: the report says that both sides stand at the same migration."""
    script = """
        const { readMigrationFiles } = require("drizzle-orm/migrator");
        const all = readMigrationFiles({ migrationsFolder: process.argv[1] });
        console.log(JSON.stringify(all.map((it) => it.folderMillis)));
    """
    command = ["node", "-e", script, GENERATED]
    output = subprocess.run(command, cwd=migrations.parent, capture_output=True, text=True, check=True, timeout=60)
    times = json.loads(output.stdout)
    rows = ", ".join(f"('{time}', {time})" for time in times)
    migrated.execute(
        "CREATE SCHEMA drizzle; CREATE TABLE drizzle.__drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL,"
        f" created_at bigint); INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES {rows};"
        f"GRANT USAGE ON SCHEMA drizzle TO {migrated.role}; GRANT SELECT ON drizzle.__drizzle_migrations TO PUBLIC"
    )
    document = export_drizzle(migrations).document
    assert document.migrations is not None
    assert (times[-1], 2) == (document.migrations.head, document.migrations.count)
    migrated.execute("DROP TABLE counter")
    report = asyncio.run(report_of(migrated, written(document)))
    assert report.migrations is not None
    assert Side.SAME == report.migrations.side


CHANGES = {
    "table dropped": ("DROP TABLE counter", {("relation-missing", "counter")}),
    "table renamed": ('ALTER TABLE "Odd.Table" RENAME TO odd', {("relation-missing", '"Odd.Table"')}),
    "schema dropped": (
        "DROP SCHEMA billing CASCADE",
        {
            ("schema-missing", "billing"),
            ("column-missing", "public.member.level"),
            ("column-missing", "public.member.levels"),
        },
    ),
    "view dropped": ("DROP VIEW live_member", {("relation-missing", "live_member")}),
    "materialized view dropped": (
        "DROP MATERIALIZED VIEW billing.totals",
        {("relation-missing", "billing.totals")},
    ),
    "column dropped": ("ALTER TABLE team DROP parent", {("column-missing", "public.team.parent")}),
    "column renamed": ("ALTER TABLE member RENAME words TO text", {("column-missing", "public.member.words")}),
    "column of another case": (
        'ALTER TABLE "Odd.Table" RENAME "Left" TO "left"',
        {
            ("column-missing", 'public."Odd.Table"."Left"'),
            ("required-column-unwritten", 'public."Odd.Table"."left"'),
        },
    ),
    "type changed": (
        "ALTER TABLE member ALTER small TYPE text",
        {("column-type-changed", "public.member.small")},
    ),
    "varchar narrowed": (
        "ALTER TABLE team ALTER name TYPE varchar(50)",
        {("column-type-changed", "public.team.name")},
    ),
    "array became plain": (
        "ALTER TABLE member ALTER moods TYPE text USING ''",
        {("column-type-changed", "public.member.moods")},
    ),
    "NOT NULL added": ("ALTER TABLE member ALTER words SET NOT NULL", {("column-not-null", "public.member.words")}),
    "NOT NULL dropped": ("ALTER TABLE member ALTER flag DROP NOT NULL", {("column-nullable", "public.member.flag")}),
    "required column added": (
        "ALTER TABLE member ADD owner text NOT NULL",
        {("required-column-unwritten", "public.member.owner")},
    ),
    "identity became ALWAYS": (
        "ALTER TABLE member ALTER id SET GENERATED ALWAYS",
        {("identity-column-written", "public.member.id")},
    ),
    "identity dropped from a column that is not inserted": (
        "ALTER TABLE team ALTER rank DROP IDENTITY",
        {("required-column-unwritten", "public.team.rank")},
    ),
    "column became generated": (
        "ALTER TABLE member DROP local; ALTER TABLE member ADD local timestamp GENERATED ALWAYS AS (NULL) STORED",
        {("generated-column-written", "public.member.local")},
    ),
    "label renamed": (
        "ALTER TYPE status RENAME VALUE 'gone' TO 'away'",
        {("enum-label-missing", "public.status.'gone'")},
    ),
    "label of a mixed-case enum renamed": (
        """ALTER TYPE "MyMood" RENAME VALUE 'it''s' TO 'its'""",
        {("enum-label-missing", """public."MyMood".'it''s'""")},
    ),
    "sequence dropped": ("DROP SEQUENCE ticket", {("sequence-missing", "ticket")}),
    "unique added": (
        "ALTER TABLE member ADD CONSTRAINT one_day UNIQUE (day)",
        {("constraint-added", "public.member one_day")},
    ),
    "partial unique index added": (
        "CREATE UNIQUE INDEX one_day ON member (day) WHERE flag",
        {("constraint-added", "public.member one_day")},
    ),
    "check added": (
        "ALTER TABLE member ADD CONSTRAINT small_enough CHECK (small < 9)",
        {("constraint-added", "public.member small_enough")},
    ),
    "foreign key added": (
        "ALTER TABLE member ADD CONSTRAINT to_team FOREIGN KEY (small) REFERENCES counter (id)",
        {("constraint-added", "public.member to_team")},
    ),
    "exclusion added": (
        "ALTER TABLE member ADD CONSTRAINT no_two EXCLUDE (day WITH =)",
        {("constraint-added", "public.member no_two")},
    ),
    "trigger added": (
        "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER stop BEFORE INSERT ON counter FOR EACH ROW EXECUTE FUNCTION stop();"
        "CREATE TRIGGER stop BEFORE INSERT ON team FOR EACH ROW EXECUTE FUNCTION stop()",
        {("trigger-added", "public.team stop")},
    ),
    "index dropped": ("DROP INDEX member_tags_index", {("index-missing", "public.member member_tags_index")}),
    "index on an expression dropped": (
        "DROP INDEX member_expression_index",
        {("index-missing", "public.member member_expression_index")},
    ),
    "policy dropped": (
        "DROP POLICY own ON billing.invoice",
        {("row-security-denies", "billing.invoice")},
    ),
}
HARMLESS = {
    "column with a default added": "ALTER TABLE member ADD owner text NOT NULL DEFAULT 'x'",
    "table added": "CREATE TABLE later (id int)",
    "label added": "ALTER TYPE status ADD VALUE 'later'",
    "varchar widened": "ALTER TABLE team ALTER name TYPE varchar(200)",
    "unique on more columns added": "CREATE UNIQUE INDEX wide ON member (team_id, email, day)",
    "index added": "CREATE INDEX later ON member (small)",
}


@pytest.mark.parametrize("change", CHANGES)
def test_breaking_change_is_found(migrated: Database, migrations: Path, change: str) -> None:
    """Each kind of change that a snapshot can tell of is found, and nothing else with it."""
    script, expected = CHANGES[change]
    migrated.execute(script)
    assert expected == findings(migrated, migrations)


@pytest.mark.parametrize("change", HARMLESS)
def test_harmless_change_gives_nothing(migrated: Database, migrations: Path, change: str) -> None:
    """What the image does not notice is not told."""
    migrated.execute(HARMLESS[change])
    assert set() == findings(migrated, migrations)


@needs_sim
@pytest.mark.parametrize(("tag", "sizes"), [("0226", (95, 1126, 29)), ("0227", (91, 1081, 27))])
def test_real_snapshot_is_exported_whole(tag: str, sizes: tuple[int, int, int]) -> None:
    """Every table, column and enum of a real application, in little memory."""
    script = (
        "import re, sys;"
        "from pathlib import Path; from sidecar.contract.sources.drizzle import export_drizzle;"
        "from sidecar.contract.exported import written;"
        "document = export_drizzle(Path(sys.argv[1]), sys.argv[2]).document; written(document);"
        "print(len(document.relations), sum(len(r.columns) for r in document.relations.values()), len(document.enums),"
        # ru_maxrss would count what the parent had when it forked
        "re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1])"
    )
    command = [sys.executable, "-c", script, str(sim.SNAPSHOTS), tag]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    *counts, kibibytes = result.stdout.split()
    assert [str(size) for size in sizes] == counts
    assert int(kibibytes) < 80 * 1024


def built(database: Database, tag: str) -> Database:
    """A database with everything of a snapshot; indexes of extensions' kinds are plain ones."""
    value = sim.snapshot(tag)
    script = [sim.ddl(value, database.role)]
    for table in value["tables"].values():
        name = quote_identifier(table["name"])
        for index in table["indexes"].values():
            parts = (
                c["expression"] if c["isExpression"] else quote_identifier(c["expression"]) for c in index["columns"]
            )
            unique = "UNIQUE " if index["isUnique"] else ""
            where = f" WHERE {index['where']}" if "where" in index else ""
            script.append(
                f"CREATE {unique}INDEX {quote_identifier(index['name'])} ON {name} ({', '.join(parts)}){where}"
            )
        script += (
            f"ALTER TABLE {name} ADD CONSTRAINT {quote_identifier(check['name'])} CHECK ({check['value']})"
            for check in table["checkConstraints"].values()
        )
        for key in table["foreignKeys"].values():
            own, other = (", ".join(map(quote_identifier, key[side])) for side in ("columnsFrom", "columnsTo"))
            script.append(
                f"ALTER TABLE {name} ADD CONSTRAINT {quote_identifier(key['name'])} FOREIGN KEY ({own})"
                f" REFERENCES {quote_identifier(key['tableTo'])} ({other})"
            )
    database.execute(";".join(script))
    return database


def exported_sim(tag: str) -> str:
    """The exported contract; of columns of extensions' types only the names, for the database has them as text."""
    document = json.loads(written(export_drizzle(sim.SNAPSHOTS, tag).document))
    for relation in document["relations"].values():
        for column in relation["columns"].values():
            if column["type"].startswith(("vector", "tsvector")):
                del column["type"]
    return json.dumps(document)


@needs_sim
@pytest.mark.parametrize("tag", ["0226", "0227"])
def test_real_snapshot_fits_the_database_with_all_that_is_in_it(database: Database, tag: str) -> None:
    """Tables, keys, indexes, checks and foreign keys of a real application: nothing to tell."""
    assert () == asyncio.run(report_of(built(database, tag), exported_sim(tag))).findings


@needs_sim
def test_older_image_on_the_newer_database_is_told_what_went(database: Database) -> None:
    """Exported 0226 against 0227: workflow.color, the four tables, the two enums, and nothing more."""
    database.execute(sim.applied("0227", database.role))
    report = asyncio.run(report_of(built(database, "0227"), exported_sim("0226")))
    gone = {"form", "templates", "template_creators", "template_stars"}
    enums = set(sim.snapshot("0226")["enums"]) - set(sim.snapshot("0227")["enums"])
    assert 2 == len(enums)
    assert {
        ("column-missing", "public.workflow.color"),
        *(("relation-missing", name) for name in gone),
        *(("type-missing", name.removeprefix("public.")) for name in enums),
    } == found(report)
    assert report.migrations is not None
    assert (Side.DATABASE_AHEAD, 1) == (report.migrations.side, report.migrations.count)
