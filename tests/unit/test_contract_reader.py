import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.compatibility.type_names import parse_type_name
from sidecar.contract import reader
from sidecar.contract.document import json_schema
from sidecar.contract.errors import ContractError, Problem
from sidecar.contract.reader import parse_contract, read_contract
from sidecar.contract.signatures import parse_function
from sidecar.model import (
    Contract,
    ContractColumn,
    ContractEnum,
    ContractFunction,
    ContractQuery,
    ContractRelation,
    ContractSource,
    ContractUpsert,
    Name,
    TypePolicy,
    Use,
)
from tests.unit import builders

FULL: dict[str, Any] = {
    "contract": 1,
    "name": "realtime",
    "source": {"kind": "drizzle", "migration": "0227_natural_mentor"},
    "search_path": ["public", "extensions"],
    "types": "exact",
    "relations": {
        "workflow": {
            "use": ["select", "insert", "update", "delete"],
            "columns": {
                "id": "text",
                "name": {"type": "text", "nullable": False},
                "at": {"type": ["timestamp", "timestamptz"]},
                "color": None,
                "total": {"type": "integer", "use": ["select"]},
            },
            "upserts": [["id"], ["name", "at"]],
        },
        'billing."Odd.Name"': {"columns": {"id": "uuid"}},
        "empty": {},
    },
    "enums": {"permission_type": ["admin", "write", "read"]},
    "functions": ["now()", "similarity(text, text)", "public.f", "numeric_f(numeric(10,2), int[])"],
    "extensions": ["vector"],
    "queries": {"authorize": "SELECT id FROM workflow WHERE id = $1 LIMIT 1;"},
}

NEWER: dict[str, Any] = FULL | {
    # every key of the format, in every shape that it takes
    "relations": FULL["relations"]
    | {
        "orders": {
            "use": ["select", "insert", "update", "delete", "truncate"],
            "columns": {"id": {"type": "int", "types": "names"}, "email": "text", "no": None},
            "upserts": [
                ["id"],
                {"columns": ["email"], "where": "no IS NULL", "do": "nothing"},
                {"columns": ["id"], "expressions": ["lower(email)"]},
                {"constraint": "orders_pkey", "do": "update"},
            ],
            "constraints": {
                "unique": ["orders_key", ["id", "email"]],
                "foreign_keys": [{"columns": ["id"], "references": "billing.account"}],
                "checks": ["positive"],
                "exclusions": ["no_overlap"],
                "triggers": ["audit"],
            },
            "indexes": [["email"], "orders_email_idx"],
        },
    },
    "functions": ["now()", "f(int) returns setof text"],
    "sequences": ["order_id", "billing.invoice_id"],
    "collations": ["de-DE"],
    "text_search_configurations": ["german"],
    "queries": {"plain": "SELECT 1", "typed": {"sql": "SELECT $1", "parameters": ["text"], "run": True}},
    "session": {"temporary_tables": True, "statement_timeout_s": 30, "lock_timeout_s": 0.5},
    "migrations": {"tool": "drizzle", "table": "drizzle.__drizzle_migrations", "head": 1780756851885, "count": 229},
    "accept": [{"code": "column-missing", "object": "public.orders.old", "reason": "unused since May"}],
}


def problems_of(text: str | bytes) -> tuple[Problem, ...]:
    data = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(ContractError) as caught:
        parse_contract(data, "contract.yaml")
    assert caught.value.problems
    return caught.value.problems


def with_columns(lines: str) -> str:
    return f"contract: 1\nrelations:\n  t:\n    columns:\n{lines}\n"


def without_digest(contract: Contract) -> dict[str, Any]:
    return {name: getattr(contract, name) for name in contract.__struct_fields__ if name != "digest"}


def test_a_full_document_becomes_the_contract_that_it_says() -> None:
    """Every key of the format arrives in the contract."""
    contract = parse_contract(json.dumps(FULL).encode())
    every = frozenset({Use.SELECT, Use.INSERT, Use.UPDATE})
    assert ContractSource(kind="drizzle", migration="0227_natural_mentor") == contract.source
    assert ("realtime", ("public", "extensions")) == (contract.name, contract.search_path)
    assert TypePolicy.EXACT is contract.type_policy
    assert contract.relations == (
        ContractRelation(
            name=Name(None, "workflow"),
            use=every | {Use.DELETE},
            columns=(
                ContractColumn(name="id", types=(parse_type_name("text"),), use=every),
                ContractColumn(name="name", types=(parse_type_name("text"),), nullable=False, use=every),
                ContractColumn(
                    name="at", types=(parse_type_name("timestamp"), parse_type_name("timestamptz")), use=every
                ),
                ContractColumn(name="color", use=every),
                ContractColumn(name="total", types=(parse_type_name("integer"),), use=frozenset({Use.SELECT})),
            ),
            upserts=(ContractUpsert(columns=("id",)), ContractUpsert(columns=("name", "at"))),
        ),
        ContractRelation(
            name=Name("billing", "Odd.Name"),
            use=frozenset({Use.SELECT}),
            columns=(ContractColumn(name="id", types=(parse_type_name("uuid"),), use=frozenset({Use.SELECT})),),
        ),
        ContractRelation(name=Name(None, "empty"), use=frozenset({Use.SELECT}), columns=()),
    )
    assert (ContractEnum(name=Name(None, "permission_type"), labels=("admin", "write", "read")),) == contract.enums
    assert ("vector",) == contract.extensions
    assert (
        ContractQuery(name="authorize", sql="SELECT id FROM workflow WHERE id = $1 LIMIT 1", parameters=1),
    ) == contract.queries


@pytest.mark.parametrize(
    "dump",
    [
        pytest.param(json.dumps, id="JSON"),
        pytest.param(lambda value: json.dumps(value, indent=2, ensure_ascii=False), id="indented JSON"),
        pytest.param(lambda value: "\ufeff" + json.dumps(value), id="JSON with a byte order mark"),
        pytest.param(lambda value: "--- # JSON inside of YAML\n" + json.dumps(value), id="JSON read as YAML"),
        pytest.param(lambda value: str(yaml.safe_dump(value, sort_keys=False)), id="YAML"),
        pytest.param(
            lambda value: str(yaml.safe_dump(value, default_flow_style=True, sort_keys=False)), id="flow YAML"
        ),
    ],
)
def test_json_and_yaml_give_the_same_contract(dump: Any) -> None:
    """How a document is written down does not change what it means, null included."""
    for document in (FULL, NEWER):
        expected = without_digest(parse_contract(json.dumps(document).encode()))
        assert expected == without_digest(parse_contract(dump(document).encode()))


@pytest.mark.parametrize(
    "name",
    ["on", "off", "no", "yes", "y", "n", "null", "~", "1", "1.0", "0x1F", "0o7", "2020-01-01", "true", "False", "<<",
     "=", "1_000", "1:30", ".inf", "Null", "NO", "1e3"],
)  # fmt: skip
def test_column_names_arrive_as_they_were_written(name: str) -> None:
    """YAML's booleans, numbers, dates and nulls are legal names of columns and stay the text that they are."""
    contract = parse_contract(with_columns(f"      {name}: text").encode())
    assert [name] == [column.name for column in contract.relations[0].columns]
    assert contract.relations == parse_contract(with_columns(f'      "{name}": text').encode()).relations


@pytest.mark.parametrize("value", ["", " null", " ~", " Null", " NULL", " {}", " # comment"], ids=repr)
def test_a_column_without_a_type_matters_by_name_only(value: str) -> None:
    """Nothing, in any of YAML's spellings, means that only the column's name is claimed."""
    (column,) = parse_contract(with_columns(f"      id:{value}").encode()).relations[0].columns
    assert () == column.types


def test_a_quoted_null_is_a_type_name() -> None:
    """A word in quotes is the text that it is."""
    (column,) = parse_contract(with_columns('      id: "null"').encode()).relations[0].columns
    assert (parse_type_name("null"),) == column.types


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False), ("null", None), ("~", None), ("", None)])
def test_nullable_is_true_false_or_nothing(text: str, value: bool | None) -> None:
    """The one boolean of the format reads YAML's true and false, and nothing makes no claim."""
    (column,) = (
        parse_contract(with_columns(f"      id: {{type: text, nullable: {text}}}").encode()).relations[0].columns
    )
    assert value is column.nullable


def test_labels_and_names_stay_text() -> None:
    """Enum labels, extensions, schemas and the image's name are text even where they look like something else."""
    contract = parse_contract(
        b"contract: 1\nname: 1.0\nsearch_path: [on]\nenums: {e: [no, 1, null, 1.50]}\nextensions: [y]"
    )
    assert ("1.0", ("on",)) == (contract.name, contract.search_path)
    assert (("no", "1", "null", "1.50"), ("y",)) == (contract.enums[0].labels, contract.extensions)


def test_the_digest_is_that_of_the_bytes() -> None:
    """Anyone can compute the digest with sha256sum."""
    data = b"contract: 1\nfunctions: [now()]\n"
    assert f"sha256:{hashlib.sha256(data).hexdigest()}" == parse_contract(data).digest


def test_long_names_are_cut_like_the_server_cuts_them() -> None:
    """Names of more than 63 bytes mean the object that the server would take them for."""
    contract = parse_contract(f"contract: 1\nrelations: {{{'r' * 70}: {{columns: {{{'c' * 70}: int}}}}}}".encode())
    assert ("r" * 63, "c" * 63) == (contract.relations[0].name.name, contract.relations[0].columns[0].name)


BAD: dict[str, tuple[str, str, int | None, str]] = {
    # what: document, place, line, words
    "broken YAML": ("contract: 1\nrelations: [a\n", "", 3, "not valid YAML"),
    "tab for indentation": ("contract: 1\nrelations:\n\tt: {}\n", "", 3, "not valid YAML"),
    "two documents": ("contract: 1\n---\ncontract: 1\n", "", 2, "more than one document"),
    "unknown anchor": ("contract: 1\nname: *x\n", "name", 2, "the alias *x stands for nothing"),
    "control character": ("contract: 1\nname: a\x07b\n", "", None, "not valid YAML"),
    "broken JSON": ('{"contract": 1,\n "relations": {]}', "", 2, "not valid YAML"),
    "JSON without a value": ('{"contract": 1,\n "relations": }', "relations", 2, "expected a mapping, got nothing"),
    "unknown key": ("contract: 1\nrelatoins: {}\n", "relatoins", 2, "did you mean relations?"),
    "unknown key without a neighbour": ("contract: 1\nzzz: {}\n", "zzz", 2, "known here: contract, name"),
    "unknown key of a relation": (
        "contract: 1\nrelations:\n  t:\n    column: {a: int}\n", "relations.t.column", 4, "did you mean columns?"
    ),
    "unknown key of a column": (
        with_columns("      a: {typ: int}"), "relations.t.columns.a.typ", 5, "did you mean type?"
    ),
    "unknown key in JSON": ('{"contract": 1,\n\n"relatoins": {}}', "relatoins", 3, "did you mean relations?"),
    "wrong type": ("contract: 1\nrelations: [t]\n", "relations", 2, "expected a mapping, got a list"),
    "wrong type of a use": (
        "contract: 1\nrelations:\n  t:\n    use: select\n", "relations.t.use", 4, "expected a list"
    ),
    "wrong type of a column": (
        with_columns("      a: [int]"), "relations.t.columns.a", 5, "expected text or a mapping"
    ),
    "wrong word": ("contract: 1\ntypes: loose\n", "types", 2, "'loose' is not one of exact, widening, names"),
    "wrong use": (
        "contract: 1\nrelations:\n  t:\n    use: [select, upsert]\n", "relations.t.use[1]", 4,
        "'upsert' is not one of select, insert, update, delete, truncate",
    ),
    "wrong boolean": (
        with_columns("      a: {nullable: maybe}"), "relations.t.columns.a.nullable", 5, "expected true or false"
    ),
    "empty use": ("contract: 1\nrelations:\n  t:\n    use: []\n", "relations.t.use", 4, "must not be empty"),
    "empty list of types": (with_columns("      a: {type: []}"), "relations.t.columns.a.type", 5, "must not be empty"),
    "empty enum": ("contract: 1\nenums:\n  mood: []\n", "enums.mood", 3, "must not be empty"),
    "unsupported version": ("name: x\ncontract: 2\n", "contract", 2, "'2' is not supported"),
    "unsupported version of YAML's": ("contract: 1.0\nfunctions: [now()]\n", "contract", 1, "'1.0' is not supported"),
    "true for a version": ('{"contract": true, "functions": ["now()"]}', "contract", 1, "is not supported"),
    "missing version": ("name: x\nfunctions: [now()]\n", "", None, "contract (the format's version) is missing"),
    "empty file": ("", "", None, "the file is empty"),
    "only a comment": ("# nothing\n", "", None, "the file is empty"),
    "a list": ("- contract: 1\n", "", None, "must be a mapping"),
    "a word": ("contract\n", "", None, "must be a mapping"),
    "empty contract": ("contract: 1\nname: x\n", "", None, "the contract is empty"),
    "empty JSON contract": ('{"contract": 1}', "", None, "the contract is empty"),
    "empty name": ("contract: 1\nname: ''\nfunctions: [now()]\n", "name", 2, "must"),
    "duplicate relation": (
        "contract: 1\nrelations:\n  t: {}\n  u: {}\n  t: {}\n", "relations.t", 5, "stands there twice"
    ),
    "duplicate relation in JSON": (
        '{"contract": 1, "relations": {\n"t": {},\n"t": {}}}', "relations.t", 3, "stands there twice"
    ),
    "duplicate relation by quoting": (
        "contract: 1\nrelations:\n  t: {}\n  '\"t\"': {}\n", 'relations."t"', 4, "named twice"
    ),
    "duplicate relation by its first 63 bytes": (
        f"contract: 1\nrelations:\n  {'t' * 64}: {{}}\n  {'t' * 65}: {{}}\n", f"relations.{'t' * 65}", 4, "named twice"
    ),
    "duplicate column": (with_columns("      a: int\n      a: int"), "relations.t.columns.a", 6, "stands there twice"),
    "duplicate column by its first 63 bytes": (
        with_columns(f"      {'a' * 64}: int\n      {'a' * 65}: int"), f"relations.t.columns.{'a' * 65}", 6,
        "named twice",
    ),
    "duplicate key": ("contract: 1\nname: a\nname: b\n", "name", 3, "stands there twice"),
    "duplicate key in JSON": ('{"contract": 1,\n"name": "a",\n"name": "b"}', "name", 3, "stands there twice"),
    "duplicate label": ("contract: 1\nenums:\n  mood: [a, b, a]\n", "enums.mood", 3, "'a' stands there twice"),
    "key that is no text": ("contract: 1\n[a]: b\n", "", 2, "a key must be plain text"),
    "two statements": ("contract: 1\nqueries:\n  q: SELECT 1; SELECT 2\n", "queries.q", 3, "more than one statement"),
    "unplannable statement": ("contract: 1\nqueries:\n  q: DROP TABLE t\n", "queries.q", 3, "DROP cannot be planned"),
    "unclosed quote": ("contract: 1\nqueries:\n  q: SELECT 'a\n", "queries.q", 3, "never closed"),
    "no statement": ("contract: 1\nqueries:\n  q: -- later\n", "queries.q", 3, "no statement"),
    "bad type name": (with_columns("      a: my type"), "relations.t.columns.a", 5, "'my type' is not a type name"),
    "bad type name in a mapping": (
        with_columns("      a:\n        type: int("), "relations.t.columns.a.type", 6, "'int(' is not a type name"
    ),
    "bad function signature": ("contract: 1\nfunctions:\n- now()\n- f(int\n", "functions[1]", 4, "'f(int' is not"),
    "bad argument": ("contract: 1\nfunctions:\n- f(my type)\n", "functions[0]", 3, "'my type' is not a type name"),
    "too many parts": ("contract: 1\nrelations:\n  a.b.c: {}\n", "relations.a.b.c", 3, "has 3 parts"),
    "empty part": ("contract: 1\nrelations:\n  a.: {}\n", "relations.a.", 3, "empty part"),
    "empty column": (with_columns('      "": int'), "relations.t.columns.", 5, "cannot be empty"),
    "NUL in a column": (with_columns('      "a\\0": int'), "relations.t.columns.a\x00", 5, "NUL"),
    "upsert on an unknown column": (
        "contract: 1\nrelations:\n  t:\n    use: [insert]\n    columns: {a: int}\n    upserts: [[a], [b]]\n",
        "relations.t.upserts[1]", 6, "'b' is not among the relation's columns",
    ),
    "upsert without insert": (
        "contract: 1\nrelations:\n  t:\n    columns: {a: int}\n    upserts: [[a]]\n",
        "relations.t.upserts[0]", 5, "add insert",
    ),
    "insert without columns": ("contract: 1\nrelations:\n  t:\n    use: [insert]\n", "relations.t", 3, "no column"),
    "column use beyond the relation's": (
        with_columns("      a: {use: [insert]}"), "relations.t.columns.a.use", 5, "insert is not in the relation's use"
    ),
    "too deep": ("contract: 1\nrelations:\n  " + "{a: " * 40 + "}" * 40, "*", 3, "nested too deeply"),
    "source without a kind": ("contract: 1\nsource: {}\nfunctions: [now()]\n", "source", 2, "the key kind is missing"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "place", "line", "words"), BAD.values(), ids=list(BAD))
def test_bad_input_names_its_place_and_line(text: str, place: str, line: int | None, words: str) -> None:
    """Each mistake is told with what is wrong, where in the document and on which line of the file."""
    problem = problems_of(text)[0]
    assert words in problem.message
    assert (problem.place if place == "*" else place, line) == (problem.place, problem.line)


@pytest.mark.parametrize("text", [text for text, *_ in BAD.values()], ids=list(BAD))
def test_messages_are_one_line_each_and_free_of_python(text: str) -> None:
    """A problem is told in one line and in the format's words, not in those of the decoder."""
    for problem in problems_of(text):
        assert "\n" not in str(problem)
        for word in ("Expected `", "object", "array", "dict", "NoneType", "msgspec", "ValidationError", "Struct"):
            assert word not in problem.message


def test_every_problem_is_told_at_once() -> None:
    """One run shows everything that is wrong, in the order of the document."""
    text = """contract: 1
relations:
  a:
    columns: {x: my type, y: int(}
    upserts: [[z]]
  b.c.d: {}
functions: ["f("]
queries: {q: DROP TABLE t, r: SELECT 1; SELECT 2}
"""
    assert [
        "relations.a.columns.x",
        "relations.a.columns.y",
        "relations.a.upserts[0]",
        "relations.a.upserts[0]",
        "relations.b.c.d",
        "functions[0]",
        "queries.q",
        "queries.r",
    ] == [problem.place for problem in problems_of(text)]


def test_every_mistake_of_shape_is_told_at_once() -> None:
    """Wrong keys and wrong types are collected too."""
    text = "contract: 1\nnam: x\ntypes: loose\nrelations: {t: {use: [x], columns: []}}\nqueries: [a]\n"
    places = {problem.place for problem in problems_of(text)}
    assert {"nam", "types", "relations.t.use[0]", "relations.t.columns", "queries"} == places


def test_the_error_names_the_file_for_each_problem() -> None:
    """The exception's text carries the file's name, the line and the place."""
    with pytest.raises(ContractError, match=r"^c\.yaml: line 2: typos: unknown key; .*did you mean types\?$"):
        parse_contract(b"contract: 1\ntypos: exact\n", "c.yaml")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"contract: 1\nname: \xff\n", id="Latin-1"),
        pytest.param(b"contract: 1\nname: \xed\xa0\x80\n", id="an encoded surrogate"),
    ],
)
def test_what_is_not_utf8_is_told_with_its_line(data: bytes) -> None:
    """Bytes that are not UTF-8 are told as that, with the line."""
    (problem,) = problems_of(data)
    assert ("the file is not UTF-8 text", 2) == (problem.message, problem.line)


@pytest.mark.parametrize(
    "text",
    [
        r'{"contract": 1, "relations": {"\ud800": {}}}',
        r'{"contract": 1, "relations": {"t": {"columns": {"\ud800": "int"}}}}',
        r'{"contract": 1, "relations": {"t": {"columns": {"a": "\udfff"}}}}',
        r'{"contract": 1, "queries": {"q": "SELECT \ud800"}}',
        r'{"contract": 1, "extensions": ["\ud800"]}',
        r'{"contract": 1, "enums": {"e": ["\ud800"]}}',
        r'{"contract": 1, "search_path": ["\ud800"], "functions": ["now()"]}',
    ],
)
def test_half_a_character_is_refused(text: str) -> None:
    """JSON can spell text that no UTF-8 can carry to the server: it is refused, in words that can be printed."""
    for problem in problems_of(text):
        assert str(problem).encode()


def test_a_number_of_5000_digits_is_a_problem_like_any_other() -> None:
    """A number that Python refuses to convert does not end in a traceback."""
    assert problems_of(b'{"contract": 1, "name": ' + b"1" * 5000 + b"}")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"{c}: &{c} [{','.join([f'*{p}'] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)
        ), id="billion laughs"),
        pytest.param("&a [" + ",".join(["*a"] * 10) + "]", id="a list of itself"),
        pytest.param("&a {b: *a, c: *a}", id="a mapping of itself"),
        pytest.param("- " * 3000, id="deep blocks"),
        pytest.param("[" * 2000 + "]" * 2000, id="deep lists"),
        pytest.param('{"contract": 1, "a": ' + "[" * 900 + "]" * 900 + "}", id="deep JSON"),
        pytest.param('{"contract": 1, "a": ' + "[" * 3000 + "]" * 3000 + "}", id="deeper JSON"),
        pytest.param(f"contract: 1\nrelations: {{{', '.join(f't{n}: [x]' for n in range(300))}}}", id="many mistakes"),
    ],
)  # fmt: skip
def test_hostile_documents_cost_little(text: str) -> None:
    """Aliases that multiply and brackets without end are refused soon and told briefly."""
    began = time.monotonic()
    problems = problems_of(text)
    assert time.monotonic() - began < 1.5
    assert len("\n".join(map(str, problems))) < 100_000


def test_brackets_without_end_do_not_crash_the_process() -> None:
    """A few hundred kilobytes of brackets end in a ContractError, not in a segmentation fault."""
    script = (
        "from sidecar.contract.reader import parse_contract, ContractError\n"
        "try: parse_contract(b'[' * 300_000)\nexcept ContractError: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (0, "refused") == (done.returncode, done.stdout.strip())


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file beyond the bound is refused before it is parsed."""
    monkeypatch.setattr(reader, "MAX_BYTES", 1 << 20)
    (problem,) = problems_of(b"#" * ((1 << 20) + 1))
    assert "larger than 1 MiB" in problem.message


def test_an_unreadable_file_is_told_as_what_it_is(tmp_path: Path) -> None:
    """A missing file and a directory are told as that, with the path."""
    missing = str(tmp_path / "contract.yaml")
    with pytest.raises(ContractError, match="there is no such file") as caught:
        read_contract(missing)
    assert missing == caught.value.path
    with pytest.raises(ContractError, match="this is a directory"):
        read_contract(str(tmp_path))
    with pytest.raises(ContractError):
        read_contract(f"{missing}/further")


def test_a_path_that_no_file_can_have_is_a_contract_error() -> None:
    """A NUL in the path does not end in a traceback."""
    with pytest.raises(ContractError):
        read_contract("contract\x00.yaml")


def test_a_file_is_read_from_disk(tmp_path: Path) -> None:
    """A contract on disk is what its bytes say."""
    path = tmp_path / "contract.yaml"
    path.write_bytes(yaml.safe_dump(FULL).encode())
    assert parse_contract(path.read_bytes()) == read_contract(str(path))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now()", builders.function("now")),
        ("now", builders.function("now", bare=True)),
        ("similarity(text, text)", builders.function("similarity", "text", "text")),
        ("public.f(int[])", builders.function("f", "int[]", schema="public")),
        ('"My.Schema"."F"(text)', builders.function("F", "text", schema="My.Schema")),
        ("f(numeric(10, 2), text)", builders.function("f", "numeric(10,2)", "text")),
        (" NOW ( ) ", builders.function("now")),
        ("date(timestamp(3) with time zone)", builders.function("date", "timestamptz(3)")),
        ("timestamp(text)", builders.function("timestamp", "text")),
        ("bool(int)", builders.function("bool", "int")),
        ("int4(text)", builders.function("int4", "text")),
        ("float8(text)", builders.function("float8", "text")),
        ("timestamptz(date)", builders.function("timestamptz", "date")),
    ],
)  # fmt: skip
def test_function_signatures(text: str, expected: ContractFunction) -> None:
    """A signature comes apart into its name and the types of its arguments; a bare name means any overload."""
    assert expected == parse_function(text)


@pytest.mark.parametrize(
    "text",
    ["", "()", "f(", "f)", "f(int", "f(int))", "f(,)", "f(int,)", "f(my type)", "f() + 1", "a.b.c()", "f[]()", "f()()",
     "f(int) -- x", "f(a(b)"],
)  # fmt: skip
def test_what_is_no_signature_is_refused(text: str) -> None:
    """Text that is not a function's signature is refused."""
    with pytest.raises(ValueError, match="not a"):
        parse_function(text)


SMALL_TEXT = st.text(max_size=12)
WORDS = st.sampled_from(
    ["contract", "relations", "columns", "use", "type", "types", "nullable", "upserts", "enums", "functions", "queries",
     "search_path", "source", "kind", "select", "insert", "text", "int", "SELECT 1", "1", "t", "", "null", "a.b",
     "constraint", "expressions", "where", "do", "head", "tool", "sql", "run", "code", "object", "reason", "goose",
     "column-missing", "lower(a)", "f() returns text", "true", "nan", "inf", "1e999"]
)  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | SMALL_TEXT | WORDS
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | SMALL_TEXT, inner, max_size=4),
    max_leaves=12,
)
COLUMNS = st.dictionaries(SMALL_TEXT | WORDS, VALUES, max_size=3)
UPSERTS = st.fixed_dictionaries({}, optional={
    "columns": st.lists(SMALL_TEXT | WORDS, max_size=2) | VALUES, "expressions": st.lists(SMALL_TEXT | WORDS) | VALUES,
    "where": SMALL_TEXT | VALUES, "constraint": SMALL_TEXT | VALUES, "do": WORDS | VALUES,
})  # fmt: skip
CONSTRAINTS = st.fixed_dictionaries({}, optional={
    "unique": st.lists(SMALL_TEXT | st.lists(SMALL_TEXT), max_size=2) | VALUES,
    "foreign_keys": st.lists(st.fixed_dictionaries({"columns": st.lists(SMALL_TEXT), "references": SMALL_TEXT}),
                             max_size=2) | VALUES,
    "checks": st.lists(SMALL_TEXT) | VALUES, "exclusions": VALUES, "triggers": VALUES,
})  # fmt: skip
RELATIONS = st.dictionaries(SMALL_TEXT | WORDS, st.fixed_dictionaries({}, optional={
    "columns": COLUMNS | VALUES, "use": st.lists(st.sampled_from([use.value for use in Use]) | VALUES, max_size=3),
    "upserts": st.lists(st.lists(SMALL_TEXT, max_size=2) | UPSERTS | VALUES, max_size=2), "usee": VALUES,
    "constraints": CONSTRAINTS | VALUES, "indexes": VALUES,
}) | VALUES, max_size=3)  # fmt: skip
QUERIES = st.fixed_dictionaries(
    {"sql": SMALL_TEXT | WORDS}, optional={"parameters": st.lists(WORDS) | VALUES, "run": LEAVES}
)
DOCUMENTS = st.fixed_dictionaries(
    {"contract": st.just(1) | VALUES},
    optional={
        "name": SMALL_TEXT | VALUES, "relations": RELATIONS | VALUES, "enums": VALUES, "functions": VALUES,
        "queries": st.dictionaries(SMALL_TEXT, SMALL_TEXT | QUERIES, max_size=2) | VALUES,
        "types": VALUES, "source": VALUES,
        "search_path": VALUES, "extensions": VALUES, "other": VALUES,
        "sequences": st.lists(SMALL_TEXT) | VALUES, "collations": st.lists(SMALL_TEXT) | VALUES,
        "text_search_configurations": st.lists(SMALL_TEXT) | VALUES,
        "session": st.fixed_dictionaries({}, optional={
            "temporary_tables": VALUES, "statement_timeout_s": LEAVES, "lock_timeout_s": LEAVES}) | VALUES,
        "migrations": st.fixed_dictionaries({"head": LEAVES | VALUES}, optional={
            "tool": st.sampled_from(["goose", "django", "drizzle", "flyway", "?"]) | VALUES, "table": LEAVES,
            "count": LEAVES}) | VALUES,
        "accept": st.lists(st.fixed_dictionaries(
            {"code": WORDS | LEAVES, "object": LEAVES, "reason": LEAVES}), max_size=2) | VALUES,
    },
)  # fmt: skip


def check_refused_or_read(data: bytes) -> None:
    try:
        contract = parse_contract(data)
    except ContractError as error:
        assert error.problems
        assert all(problem.message for problem in error.problems)
    else:
        assert contract.name


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=120))
def test_any_bytes_are_a_contract_or_a_contract_error(data: bytes) -> None:
    """Whatever the bytes, they are a contract or a ContractError that says something."""
    check_refused_or_read(data)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=120))
def test_any_text_is_a_contract_or_a_contract_error(text: str) -> None:
    """Whatever the text, it is a contract or a ContractError that says something."""
    check_refused_or_read(text.encode(errors="surrogatepass"))


@settings(max_examples=150, deadline=None)
@given(DOCUMENTS | VALUES)
def test_any_json_is_a_contract_or_a_contract_error(value: Any) -> None:
    """Whatever the JSON values, they are a contract or a ContractError that says something."""
    check_refused_or_read(json.dumps(value).encode())


@settings(max_examples=100, deadline=None)
@given(DOCUMENTS | VALUES)
def test_any_yaml_is_a_contract_or_a_contract_error(value: Any) -> None:
    """Whatever the YAML values, they are a contract or a ContractError that says something."""
    check_refused_or_read(yaml.safe_dump(value, allow_unicode=True).encode(errors="replace"))


def validator() -> jsonschema.Draft202012Validator:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_json_schema_accepts_what_the_reader_reads() -> None:
    """A document that uses the whole format is valid by the published schema."""
    for document in (FULL, NEWER):
        assert parse_contract(json.dumps(document).encode())
        assert [] == list(validator().iter_errors(document))


@pytest.mark.parametrize(
    "change",
    [
        {"relatoins": {}},
        {"contract": 2},
        {"types": "loose"},
        {"relations": {"t": {"column": {}}}},
        {"relations": {"t": {"columns": {"a": {"typ": "int"}}}}},
        {"relations": {"t": {"use": []}}},
        {"relations": {"t": {"use": ["upsert"]}}},
        {"source": {"kind": "x", "migraton": "y"}},
        {"functions": "now()"},
        {"enums": {"e": []}},
        {"relations": {"t": {"indexes": [[]]}}},
        {"relations": {"t": {"constraints": {"unique": [[]]}}}},
        {"relations": {"t": {"constraints": {"check": []}}}},
        {"relations": {"t": {"constraints": {"foreign_keys": [{"columns": ["a"]}]}}}},
        {"relations": {"t": {"use": ["insert"], "columns": {"a": "int"}, "upserts": [{"on": ["a"]}]}}},
        {"relations": {"t": {"use": ["insert"], "columns": {"a": "int"}, "upserts": [{"columns": ["a"], "do": "x"}]}}},
        {"relations": {"t": {"columns": {"a": {"types": "loose"}}}}},
        {"sequences": "s"},
        {"collations": [1]},
        {"session": {"statement_timeout_s": 0}},
        {"session": {"timeout": 1}},
        {"queries": {"q": {"run": True}}},
        {"queries": {"q": {"sql": "SELECT 1", "run": "maybe"}}},
        {"migrations": {"tool": "goose"}},
        {"migrations": {"tool": "goose", "head": [1]}},
        {"migrations": {"tool": "goose", "head": 1, "count": -1}},
        {"accept": [{"code": "column-missing", "object": "", "reason": "r"}]},
        {"accept": [{"code": "column-missing", "object": "t"}]},
    ],
    ids=json.dumps,
)
def test_the_json_schema_refuses_what_the_reader_refuses(change: dict[str, Any]) -> None:
    """A mistyped key or a wrong value is refused by the schema and by the reader alike."""
    document = FULL | change
    assert not validator().is_valid(document)
    assert problems_of(json.dumps(document))


def test_the_json_schema_wants_a_version() -> None:
    """A document without the format's version is not valid."""
    assert not validator().is_valid({"functions": ["now()"]})
