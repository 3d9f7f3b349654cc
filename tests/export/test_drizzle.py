"""Drizzle Kit's snapshots as written here and as each of its versions wrote them: what is read, and what is refused."""

import asyncio
import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.contract.document import ColumnDocument, ForeignKeyDocument, RelationDocument
from sidecar.contract.exported import Exported, ExportError, written
from sidecar.contract.reader import parse_contract
from sidecar.contract.sources.drizzle import export_drizzle
from tests.conftest import Database
from tests.integration.test_attempt import report_of

RECORDED = Path(__file__).parent / "snapshots"
ORIGIN = "00000000-0000-0000-0000-000000000000"

COLUMN: dict[str, Any] = {"name": "id", "type": "text", "primaryKey": True, "notNull": True}
TABLE: dict[str, Any] = {
    "name": "workflow",
    "schema": "",
    "columns": {"id": COLUMN},
    "indexes": {},
    "foreignKeys": {},
    "compositePrimaryKeys": {},
    "uniqueConstraints": {},
}
SNAPSHOT: dict[str, Any] = {
    "id": "one",
    "prevId": ORIGIN,
    "version": "7",
    "dialect": "postgresql",
    "tables": {"public.workflow": TABLE},
    "enums": {},
    "schemas": {},
}
BASE: dict[str, Any] = {
    "type": "base",
    "version": "9",
    "dialect": "postgres",
    "id": "one",
    "prevIds": [ORIGIN],
    "ddl": [
        {"entityType": "schemas", "name": "billing"},
        {"entityType": "enums", "schema": "billing", "name": "level", "values": ["low"]},
        {"entityType": "tables", "schema": "public", "name": "team", "isRlsEnabled": False},
        {"entityType": "tables", "schema": "billing", "name": "invoice", "isRlsEnabled": False},
        {"entityType": "columns", "schema": "public", "table": "team", "name": "id", "type": "uuid", "notNull": True},
        {"entityType": "columns", "schema": "billing", "table": "invoice", "name": "team", "type": "uuid"},
        {
            "entityType": "columns",
            "schema": "billing",
            "table": "invoice",
            "name": "levels",
            "type": "level",
            "typeSchema": "billing",
            "dimensions": 1,
        },
        {"entityType": "pks", "schema": "public", "table": "team", "name": "team_pkey", "columns": ["id"]},
        {"entityType": "uniques", "schema": "billing", "table": "invoice", "name": "u", "columns": ["team"]},
        {
            "entityType": "indexes",
            "schema": "billing",
            "table": "invoice",
            "name": "i",
            "columns": [{"value": "team", "isExpression": False}, {"value": "team", "isExpression": True}],
            "isUnique": False,
        },
        {
            "entityType": "fks",
            "schema": "billing",
            "table": "invoice",
            "name": "f",
            "columns": ["team"],
            "schemaTo": "public",
            "tableTo": "team",
            "columnsTo": ["id"],
        },
    ],
}


def snapshot(**values: Any) -> dict[str, Any]:
    return {**copy.deepcopy(SNAPSHOT), **values}


def table(**values: Any) -> dict[str, Any]:
    return {**copy.deepcopy(TABLE), **values}


def column(name: str, type_: str, **values: Any) -> dict[str, Any]:
    return {"name": name, "type": type_, "primaryKey": False, "notNull": False, **values}


def entry(index: int, tag: str) -> dict[str, Any]:
    return {"idx": index, "version": "7", "when": 1700000000000 + index, "tag": tag, "breakpoints": True}


def put(folder: Path, value: object) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text(value if isinstance(value, str) else json.dumps(value))
    return folder


def journaled(folder: Path, *snapshots: object, tags: tuple[str, ...] = ()) -> Path:
    """Write an output folder with a journal; a snapshot that is None is not written."""
    tags = tags or tuple(f"{index:04}_some_name" for index in range(len(snapshots)))
    for tag, value in zip(tags, snapshots, strict=True):
        if value is not None:
            put(folder / "meta" / f"{tag.partition('_')[0]}_snapshot.json", value)
    entries = [entry(index, tag) for index, tag in enumerate(tags)]
    put(folder / "meta" / "_journal.json", {"version": "7", "dialect": "postgresql", "entries": entries})
    return folder


def foldered(folder: Path, **snapshots: object) -> Path:
    """Write an output folder of Drizzle Kit 1.0; folders are called after the day of the month."""
    for name, value in snapshots.items():
        put(folder / f"202601{name[1:]}120000_{name}" / "snapshot.json", value)
    return folder


def relations(exported: Exported) -> dict[str, RelationDocument]:
    parse_contract(written(exported.document).encode())
    return exported.document.relations


def only(folder: Path, **values: Any) -> RelationDocument:
    """The relation of a snapshot with one table, which has these values."""
    (relation,) = relations(export_drizzle(journaled(folder, snapshot(tables={"t": table(**values)})))).values()
    return relation


def type_of(relation: RelationDocument, name: str) -> Any:
    value = relation.columns[name]
    return value.type if isinstance(value, ColumnDocument) else value


def refused(path: Path, migration: str | None = None) -> str:
    with pytest.raises(ExportError) as caught:
        export_drizzle(path, migration)
    message = str(caught.value)
    assert "\n" not in message
    return message


TYPES = {
    "varchar(255)": "varchar(255)",
    "numeric(10, 2)": "numeric(10,2)",
    "timestamp (3) with time zone": "timestamp(3) with time zone",
    "timestamp": "timestamp",
    "interval day to second(3)": "interval day to second(3)",
    "text[]": "text[]",
    "text[][]": "text[]",
    "integer[3]": "integer[]",
    "serial": "integer",
    "bigserial": "bigint",
    "vector(1536)": "vector(1536)",
    "MyComposite": '"MyComposite"',
    '"Quoted"': '"Quoted"',
    "geometry(point)": "geometry(point)",
}


@pytest.mark.parametrize("text", TYPES)
def test_types_are_spelled_as_the_server_spells_them(tmp_path: Path, text: str) -> None:
    """A type of a snapshot becomes the SQL text of the type that its migration makes."""
    assert TYPES[text] == type_of(only(tmp_path, columns={"c": column("c", text)}), "c")


ENUMS = {
    ("mood", "public"): "mood",
    ("MyMood", "public"): '"MyMood"',
    ("MyMood[]", "public"): '"MyMood"[]',
    ("level", "billing"): "billing.level",
    ("level[]", "billing"): "billing.level[]",
    ("a.b", "odd.schema"): '"odd.schema"."a.b"',
    ("bool", "public"): '"bool"',
    ("mood", None): "mood",
    ("MyMood[]", None): '"MyMood"[]',
    ("level", None): "billing.level",
}


@pytest.mark.parametrize(("text", "schema"), ENUMS)
def test_enums_are_quoted_and_qualified(tmp_path: Path, text: str, schema: str | None) -> None:
    """An enum is named by its schema where that is not public; older snapshots do not say which, the enums do."""
    enums = {
        name: {"name": name, "schema": namespace, "values": ["x"]}
        for name, namespace in (("mood", "public"), ("MyMood", ""), ("level", "billing"))
    }
    value = {**column("c", text), **({} if schema is None else {"typeSchema": schema})}
    exported = export_drizzle(
        journaled(tmp_path, snapshot(enums=enums, tables={"t": table(columns={"c": value})})),
    )
    assert ENUMS[text, schema] == type_of(relations(exported)["workflow"], "c")
    assert {"mood": ("x",), "MyMood": ("x",), "billing.level": ("x",)} == exported.document.enums


def test_columns_say_whether_they_take_null_and_whether_they_are_written(tmp_path: Path) -> None:
    """Every column is in the INSERT but those that the server computes; a key's columns take no NULL."""
    relation = only(
        tmp_path,
        columns={
            "key": column("key", "text"),
            "free": column("free", "text"),
            "strict": column("strict", "text", notNull=True, default="'x'"),
            "count": column("count", "serial"),
            "made": column("made", "text", generated={"as": "free", "type": "stored"}),
            "always": column("always", "integer", notNull=True, identity={"type": "always", "name": "s"}),
            "default": column("default", "integer", identity={"type": "byDefault", "name": "s"}),
        },
        compositePrimaryKeys={"pk": {"name": "pk", "columns": ["key"]}},
    )
    assert ("select", "insert", "update", "delete") == relation.use
    assert {
        "key": ColumnDocument(type="text", nullable=False),
        "free": ColumnDocument(type="text", nullable=True),
        "strict": ColumnDocument(type="text", nullable=False),
        "count": ColumnDocument(type="integer", nullable=False),
        "made": ColumnDocument(type="text", nullable=True, use=("select",)),
        "always": ColumnDocument(type="integer", nullable=False, use=("select",)),
        "default": ColumnDocument(type="integer", nullable=False),
    } == relation.columns


def test_constraints_and_indexes(tmp_path: Path) -> None:
    """Whole unique keys by columns, partial ones and those on expressions by name; plain indexes by name."""

    def index(name: str, *columns: object, **values: object) -> dict[str, object]:
        return {"name": name, "columns": columns, "isUnique": True, **values}

    expression = {"expression": "lower(b)", "isExpression": True, "asc": True}
    plain = {"expression": "b", "isExpression": False, "asc": True}
    relation = only(
        tmp_path,
        columns={name: column(name, "text") for name in "abc"},
        indexes={
            "1": index("partial", plain, where="true"),
            "2": index("lowered", expression),
            "3": index("whole", plain, {**plain, "expression": "c"}),
            "4": index("older", "c"),
            "5": index("fast", plain, isUnique=False),
            "6": index("fast_lower", expression, isUnique=False),
        },
        uniqueConstraints={"u": {"name": "u", "nullsNotDistinct": True, "columns": ["a"]}},
        checkConstraints={"c": {"name": "c", "value": "a > b"}},
        foreignKeys={
            "f": {"name": "f", "tableFrom": "t", "columnsFrom": ["a"], "tableTo": "x.y", "columnsTo": ["id"]},
            "g": {"name": "g", "tableFrom": "t", "columnsFrom": ["b"], "tableTo": "z", "schemaTo": "billing"},
        },
    )
    assert relation.constraints is not None
    assert (("a",), ("b", "c"), ("c",), "lowered", "partial") == relation.constraints.unique
    assert ("c",) == relation.constraints.checks
    assert (
        ForeignKeyDocument(columns=("a",), references='"x.y"'),
        ForeignKeyDocument(columns=("b",), references="billing.z"),
    ) == relation.constraints.foreign_keys
    assert ("fast", "fast_lower") == relation.indexes


def test_what_a_contract_cannot_hold_is_told(tmp_path: Path) -> None:
    """Nothing goes without a word: expressions, policies, roles, views that no migration makes."""
    policy = {"p": {"name": "Own rows", "as": "PERMISSIVE"}}
    value = snapshot(
        tables={
            "t": table(
                policies=policy,
                indexes={"i": {"name": "i", "columns": [{"expression": "lower(id)", "isExpression": True}]}},
                uniqueConstraints={"u": {"name": "u", "nullsNotDistinct": True, "columns": ["id"]}},
            ),
            "c": table(name="counter", columns={"id": column("id", "integer", identity={"type": "always"})}),
        },
        views={
            "v": {"name": "v", "schema": "public", "columns": {"n": column("n", "integer")}},
            "w": {"name": "w", "schema": "billing", "columns": {}, "isExisting": True},
        },
        roles={"r": {"name": "r"}},
        enums={"e": {"name": "e", "schema": "public", "values": []}},
    )
    exported = export_drizzle(journaled(tmp_path, value))
    assert (
        "enum e: it has no labels",
        "index i of workflow: a contract holds its name, not its expression",
        'policy "Own rows" on workflow: a contract does not hold policies',
        "role r: a contract does not hold roles",
        "table counter: none of its columns is written; a contract cannot say INSERT of none",
        "type of v.n: only the server knows it",
        "unique u of workflow: a contract does not hold NULLS NOT DISTINCT",
        "view billing.w: no migration makes it (.existing()); add it to the contract by hand if the image reads it",
    ) == exported.omissions
    assert ("select", "delete") == relations(exported)["counter"].use
    assert {"n": None} == relations(exported)["v"].columns


def test_names_are_exact(tmp_path: Path) -> None:
    """A table's key is its name in the catalog, in double quotes where it has a dot or a double quote."""
    names = [("", "Odd"), ("", "a.b"), ("billing", "invoice"), ("odd.schema", 'a"b'), ("public", "plain")]
    tables = {f"{index}": table(schema=schema, name=name) for index, (schema, name) in enumerate(names)}
    exported = export_drizzle(journaled(tmp_path, snapshot(tables=tables)))
    assert {"Odd", '"a.b"', "billing.invoice", '"odd.schema"."a""b"', "plain"} == set(relations(exported))


def test_order_in_the_snapshot_does_not_matter(tmp_path: Path) -> None:
    """The same schema gives the same text, in whatever order its parts are written."""
    value = json.loads(next((RECORDED / "version6" / "meta").glob("*_snapshot.json")).read_text())

    def shuffled(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: shuffled(item[key]) for key in sorted(item, key=lambda _: random.random())}
        return item

    texts = {written(export_drizzle(journaled(tmp_path, shuffled(value))).document) for _ in range(5)}
    assert 1 == len(texts)


@pytest.mark.parametrize("version", [5, 6, 8])
def test_older_versions_fit_the_database_that_their_migrations_build(database: Database, version: int) -> None:
    """What drizzle-kit 0.20 (version 5), 0.21 (6) and 1.0.0-beta (8) wrote fits their own SQL."""
    folder = RECORDED / f"version{version}"
    for file in sorted(folder.rglob("*.sql")):
        for statement in file.read_text().split("--> statement-breakpoint"):
            database.execute(statement)
    role = database.role
    for schema in ("public", "billing"):
        database.execute(
            f"GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {role};"
            f"GRANT ALL ON ALL SEQUENCES IN SCHEMA {schema} TO {role}"
        )
    exported = export_drizzle(folder)
    assert {"billing.invoice", "member", "team"} == set(relations(exported))
    assert () == asyncio.run(report_of(database, written(exported.document))).findings


def two(folder: Path) -> Path:
    """Two migrations: the second adds a column."""
    columns = {"id": COLUMN, "color": column("color", "text")}
    newer = snapshot(id="two", prevId="one", tables={"t": table(columns=columns)})
    return journaled(folder, SNAPSHOT, newer, tags=("0000_first_step", "0001_add_color"))


@pytest.mark.parametrize("migration", ["0000_first_step", "0000", "0"])
def test_migration_is_chosen_by_tag_or_number(tmp_path: Path, migration: str) -> None:
    """An older migration gives the schema as it was, with its own head."""
    document = export_drizzle(two(tmp_path), migration).document
    assert ["id"] == list(document.relations["workflow"].columns)
    assert document.source is not None and document.migrations is not None
    assert ("drizzle", "0000_first_step") == (document.source.kind, document.source.migration)
    assert ("drizzle", 1700000000000, 1) == (
        document.migrations.tool,
        document.migrations.head,
        document.migrations.count,
    )


def test_newest_is_read_from_each_of_the_folders(tmp_path: Path) -> None:
    """The output folder, its meta folder, a folder with drizzle.config and that file mean the same."""
    out = two(tmp_path / "db" / "migrations")
    config = put(tmp_path / "drizzle.config.ts", "export default defineConfig({\n  out: './db/migrations',\n});\n")
    documents = [export_drizzle(path).document for path in (out, out / "meta", tmp_path, config)]
    assert ["color", "id"] == list(documents[0].relations["workflow"].columns)
    assert documents[0].migrations is not None
    assert (1700000000001, 2) == (documents[0].migrations.head, documents[0].migrations.count)
    assert all(document == documents[0] for document in documents)


def diff(id_: str, *parents: str, deltas: tuple[dict[str, Any], ...] = (), **values: Any) -> dict[str, Any]:
    header = {"type": "diff", "version": "9", "dialect": "postgres", "id": id_, "prevIds": parents}
    return {**header, "deltas": deltas, **values}


def key(kind: str, *names: str) -> str:
    return f"{kind}\0{json.dumps(names)}"


def created(name: str) -> dict[str, Any]:
    row = {"entityType": "columns", "schema": "public", "table": "team", "name": name, "type": "text"}
    return {"op": "create", "row": row}


def test_changes_are_played_back(tmp_path: Path) -> None:
    """Renamed schemas, tables, columns and enums are followed wherever they are named; drops and changes count."""
    changes = (
        {"op": "rename", "key": key("schemas", "billing"), "set": {"name": "money"}},
        {"op": "rename", "key": key("enums", "money", "level"), "set": {"name": "grade"}},
        {"op": "rename", "key": key("tables", "public", "team"), "set": {"name": "squad", "schema": "money"}},
        {"op": "rename", "key": key("columns", "money", "invoice", "team"), "set": {"name": "squad"}},
        {"op": "alter", "key": key("columns", "money", "squad", "id"), "set": {"type": "text"}},
        {"op": "alter", "key": key("columns", "money", "squad", "gone"), "set": {"type": "text"}},
    )
    folder = foldered(
        tmp_path,
        d01=BASE,
        d02=diff("two", "one", deltas=changes),
        d03=diff("three", "two", deltas=({"op": "drop", "key": key("uniques", "money", "invoice", "u")},)),
    )
    invoice = relations(export_drizzle(folder, "20260102120000_d02"))["money.invoice"]
    assert {"levels": "money.grade[]", "squad": "uuid"} == {name: type_of(invoice, name) for name in invoice.columns}
    assert invoice.constraints is not None
    assert (("squad",),) == invoice.constraints.unique
    assert (ForeignKeyDocument(columns=("squad",), references="money.squad"),) == invoice.constraints.foreign_keys
    newest = export_drizzle(folder)
    constraints = relations(newest)["money.invoice"].constraints
    assert constraints is not None
    assert () == constraints.unique
    assert "text" == type_of(relations(newest)["money.squad"], "id")
    assert {"money.grade": ("low",)} == newest.document.enums
    assert newest.document.migrations is not None
    assert (1767441600000, 3) == (newest.document.migrations.head, newest.document.migrations.count)


def test_merged_branches_are_played_back_together(tmp_path: Path) -> None:
    """A migration that follows on two has what both changed."""
    folder = foldered(
        tmp_path,
        d01=BASE,
        d02=diff("left", "one", deltas=(created("left"), created("same"))),
        d03=diff("right", "one", deltas=(created("right"), created("same"))),
        d04=diff("both", "left", "right"),
    )
    assert ["id", "left", "right", "same"] == list(relations(export_drizzle(folder))["team"].columns)


def test_two_heads_are_refused(tmp_path: Path) -> None:
    """Of two migrations that follow on one and the same, neither's snapshot has both: refused, naming the two."""
    branch = snapshot(id="three", prevId="one")
    folder = journaled(tmp_path / "a", SNAPSHOT, snapshot(id="two", prevId="one"), branch)
    assert "two heads: '0001_some_name' and '0002_some_name' follow on one and the same" in refused(folder)
    assert export_drizzle(folder, "0001")
    same = journaled(tmp_path / "b", SNAPSHOT, branch, branch, tags=("0000_a", "0001_left", "0001_right"))
    assert "two heads: '0001_left' and '0001_right' have one number and one snapshot" in refused(same)
    leaves = foldered(tmp_path / "c", d01=BASE, d02=diff("left", "one"), d03=diff("right", "one"))
    assert "two heads: '20260102120000_d02' and '20260103120000_d03' are both the newest" in refused(leaves)


REFUSALS = {
    "another dialect": (snapshot(dialect="mysql", version="5"), "of dialect 'mysql'; a contract is of a PostgreSQL"),
    "sqlite": (snapshot(dialect="sqlite", version="6"), "of dialect 'sqlite'"),
    "no dialect": ({"tables": {}}, "this is no snapshot of Drizzle Kit: it names no dialect"),
    "version too old": (snapshot(version="4"), "version '4' of the format is not supported; 5, 6, 7, 8, 9 are"),
    "version too new": (snapshot(version="10"), "version '10' of the format is not supported"),
    "no version": (snapshot(version=None), "version 'None' of the format is not supported"),
    "truncated": (json.dumps(SNAPSHOT)[:100], "0000_snapshot.json: not valid JSON: Input data was truncated"),
    "empty": ("", "not valid JSON: Input data was truncated; restore the file"),
    "merge conflict": ("{\n<<<<<<< HEAD\n", "it has the marks of a merge conflict; resolve the conflict"),
    "not text": ('{"id": "\ud800"}', "not valid JSON"),
    "a list": ([], "not of Drizzle Kit's shape: Expected `object`, got `array`"),
    "no tables at all": (snapshot(tables={}), "it makes no contract: the contract is empty"),
    "tables as a list": (snapshot(tables=[]), "Expected `object`, got `array` - at `$.tables`"),
    "table's shape": (snapshot(tables={"t": 5}), "table 't': not of Drizzle Kit's shape: Expected `object`, got `int`"),
    "column's shape": (
        snapshot(tables={"t": table(columns={"c": {"name": "c"}})}),
        "table workflow, column 'c': not of Drizzle Kit's shape: Object missing required field `type`",
    ),
    "enum's shape": (snapshot(enums={"e": {"name": "e"}}), "enum 'e': not of Drizzle Kit's shape"),
    "label twice": (
        snapshot(enums={"e": {"name": "e", "values": ["a", "a"]}}),
        "enums.e: the label 'a' stands there twice",
    ),
    "table twice": (snapshot(tables={"a": TABLE, "b": TABLE}), "workflow stands there twice"),
    "column twice": (
        snapshot(tables={"t": table(columns={"a": COLUMN, "b": COLUMN})}),
        "column 'id' of workflow stands there twice",
    ),
    "no name": (snapshot(tables={"t": table(name="")}), "has an empty part"),
    "NUL in a key": (
        snapshot(tables={"t": table(uniqueConstraints={"u": {"name": "u", "columns": ["a\0"]}})}),
        "there is a NUL character in it",
    ),
    "empty name in a key": (
        snapshot(tables={"t": table(uniqueConstraints={"u": {"name": "u", "columns": [""]}})}),
        "it makes no contract: relations.workflow.constraints.unique[0][0]: must not be empty",
    ),
    "NUL in a name": (snapshot(tables={"t": table(name="a\0b")}), "NUL character"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_bad_snapshot_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    """What cannot be read is refused naming the file and the place in it."""
    value, words = REFUSALS[case]
    folder = journaled(tmp_path, SNAPSHOT)
    file = folder / "meta" / "0000_snapshot.json"
    if isinstance(value, str):
        file.write_bytes(value.encode(errors="surrogatepass"))
    else:
        put(file, value)
    message = refused(folder)
    assert message.startswith(str(file))
    assert words in message


def test_bad_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    """A folder without what is needed is refused, and the message says what to do."""
    assert "there is no such folder" in refused(tmp_path / "nowhere")
    assert "no snapshot of Drizzle Kit is here; give the folder that out of drizzle.config names" in refused(tmp_path)
    config = put(tmp_path / "drizzle.config.ts", "export default { out: './gone' }\n")
    assert "drizzle.config.ts: it names no out that can be read here" in refused(tmp_path)
    put(config, 'export default {\n  out: "./gone",\n}\n')
    assert "drizzle.config.ts: its out is './gone'" in refused(config)
    put(tmp_path / "a" / "meta" / "0000_snapshot.json", SNAPSHOT)
    assert f"{tmp_path}/a/meta/_journal.json: the journal is missing; restore it" == refused(tmp_path / "a")
    assert f"{tmp_path}/a/meta/_journal.json: the journal is missing; restore it" == refused(tmp_path / "a" / "meta")
    assert "this is a file" in refused(tmp_path / "a" / "meta" / "0000_snapshot.json")
    both = foldered(journaled(tmp_path / "b", SNAPSHOT), d01=BASE)
    assert "a journal of an older Drizzle Kit and 20260101120000_d01/snapshot.json of a newer one" in refused(both)


def test_bad_journal_is_refused_in_one_line(tmp_path: Path) -> None:
    """A journal that cannot be read, that is of another database, or that names what is absent."""
    folder = journaled(tmp_path, SNAPSHOT)
    file = folder / "meta" / "_journal.json"
    text = file.read_text()
    put(file, text[:50])
    assert refused(folder).startswith(f"{file}: not valid JSON")
    put(file, text.replace("postgresql", "sqlite"))
    assert f"{file}: this is of dialect 'sqlite'; a contract is of a PostgreSQL database" == refused(folder)
    put(file, {"entries": []})
    assert f"{file}: the journal has no migrations; run drizzle-kit generate" == refused(folder)
    put(file, {"entries": [{"tag": "0000_a", "when": "today"}]})
    assert "Expected `int`, got `str` - at `$.entries[0].when`" in refused(folder)
    put(file, {"entries": [{"tag": "0000_a\0b/../..", "when": 1}, {"tag": "00\0", "when": 2}]})
    assert refused(folder)


def test_absent_snapshot_is_refused(tmp_path: Path) -> None:
    """A journal that names a snapshot that is not there: refused, naming the newest that is."""
    message = refused(journaled(tmp_path, SNAPSHOT, None))
    assert "0001_snapshot.json: there is no snapshot of the journal's migration '0001_some_name'" in message
    assert message.endswith("restore it, or take an older one: --migration 0000_some_name")
    assert export_drizzle(tmp_path, "0000_some_name")


def test_unknown_migration_is_refused_naming_the_nearest(tmp_path: Path) -> None:
    """A mistyped tag is answered with the one that it is most like, a wrong number with the newest."""
    folder = two(tmp_path)
    assert "there is no migration '0001_ad_color'; did you mean '0001_add_color'?" in refused(folder, "0001_ad_color")
    assert "there is no migration '7'; the newest is '0001_add_color'" in refused(folder, "7")
    assert "there is no migration ''" in refused(folder, "")
    twice = journaled(tmp_path / "b", SNAPSHOT, snapshot(id="b", prevId="one"), tags=("0_a", "00_b"))
    assert "'0' may be '0_a' or '00_b'; give a whole tag" in refused(twice, "0")


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "no parent here": (diff("two", "gone"), "its parent is not here; restore the missing migration folder"),
    "its own parent": (diff("two", "two"), "its parent is not here"),
    "no parent": (diff("two"), "its parent is not here"),
    "key unreadable": (
        diff("two", "one", deltas=({"op": "drop", "key": "tables\0["},)),
        "the key of a change is unreadable",
    ),
    "unknown change": (diff("two", "one", deltas=({"op": "explode"},)), "Invalid enum value 'explode'"),
    "created twice": (
        diff("two", "one", deltas=(created("a"), {**created("a"), "row": {**created("a")["row"], "type": "int"}})),
        "two migrations give one name to two columns: 'public.team.a'",
    ),
    "part of no table": (
        diff("two", "one", deltas=({"op": "drop", "key": key("tables", "public", "team")},)),
        "there is no table team",
    ),
    "row's shape": (
        diff(
            "two", "one", deltas=({"op": "alter", "key": key("columns", "public", "team", "id"), "set": {"type": 1}},)
        ),
        "columns 'public.team.id': not of Drizzle Kit's shape: Expected `str`, got `int` - at `$.type`",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_bad_changes_are_refused_in_one_line(tmp_path: Path, case: str) -> None:
    """Changes that cannot be played back are refused naming the migration's file."""
    value, words = CHANGES[case]
    message = refused(foldered(tmp_path, d01=BASE, d02=value))
    assert message.startswith(f"{tmp_path}/20260102120000_d02/snapshot.json")
    assert words in message


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        yield from places(item, (*path, name))


def mutated(value: Any, place: tuple[Any, ...], other: Any) -> Any:
    """The value with something else at a place, or with nothing there."""
    if not place:
        return other
    result = copy.copy(value)
    if len(place) == 1 and other is ...:
        del result[place[0]]
    else:
        result[place[0]] = mutated(value[place[0]], place[1:], other)
    return result


FUZZED = [
    json.loads(next((RECORDED / "version5" / "meta").glob("*_snapshot.json")).read_text()),
    json.loads(next((RECORDED / "version6" / "meta").glob("*_snapshot.json")).read_text()),
    json.loads(next((RECORDED / "version8").glob("*/snapshot.json")).read_text()),
    BASE,
    diff("two", "one", deltas=(created("a"), {"op": "rename", "key": key("tables", "public", "team"), "set": {}})),
]
VALUES = st.one_of(
    st.just(...),
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=8),
    st.sampled_from(["always", "public", "id", "member", "5", "7", "8", "9", "pg", "diff", '"', "a.b", "\0", "x\ny"]),
    st.lists(st.text(max_size=3) | st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_snapshots_give_a_contract_or_one_line(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever is in the file: a contract that can be read, or a refusal in one line; never anything else."""
    original = data.draw(st.sampled_from(FUZZED))
    value = original
    for _ in range(data.draw(st.integers(1, 3))):
        value = mutated(value, data.draw(st.sampled_from(list(places(value))[1:] or [()])), data.draw(VALUES))
        if not isinstance(value, dict | list):
            break
    if data.draw(st.booleans()):
        text = json.dumps(value).encode()
    else:
        text = json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")
    cut = data.draw(st.integers(0, 20))
    if original.get("version") == "9":
        folder = tmp_path / "folders"
        foldered(folder, d01=BASE, d02={})
        file = folder / "20260102120000_d02" / "snapshot.json"
    else:
        folder = journaled(tmp_path / "journal", SNAPSHOT)
        file = folder / "meta" / "0000_snapshot.json"
    file.write_bytes(text[: len(text) - cut] if cut > 17 else text)
    try:
        exported = export_drizzle(folder)
    except ExportError as error:
        assert "\n" not in str(error)
        assert str(error).encode()
    else:
        parse_contract(written(exported.document).encode())
        assert all("\n" not in line for line in exported.omissions)
