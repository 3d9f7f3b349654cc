"""The keys of the format that say more than a name and a type: what arrives, and what is refused and where."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sidecar.compatibility.codes import ALL
from sidecar.compatibility.type_names import parse_type_name
from sidecar.contract.errors import ContractError, Problem
from sidecar.contract.reader import parse_contract
from sidecar.contract.signatures import parse_function
from sidecar.contract.sql_text import parse_expression
from sidecar.model import (
    Acceptance,
    Contract,
    ContractFunction,
    ContractMigrations,
    ContractQuery,
    ContractRelation,
    ContractUpsert,
    ForeignKey,
    KnownConstraints,
    Name,
    OnConflict,
    SessionNeeds,
    TypePolicy,
    Use,
)

NOW: dict[str, Any] = {"contract": 1, "functions": ["now()"]}
TABLE: dict[str, Any] = {"use": ["select", "insert", "update"], "columns": {"a": "int", "b": "text", "c" * 70: "text"}}
LONG, CUT = "ä" * 40, "ä" * 31
"""A name of 80 bytes, and the 62 of them that are whole characters within 63."""


def read(document: Any) -> Contract:
    """Return the contract, which JSON and YAML have to give alike."""
    contract = parse_contract(json.dumps(document).encode())
    other = parse_contract(yaml.safe_dump(document, sort_keys=False, allow_unicode=True).encode())
    for name in contract.__struct_fields__:
        assert name == "digest" or getattr(contract, name) == getattr(other, name)
    return contract


def table(**changes: Any) -> ContractRelation:
    (relation,) = read({"contract": 1, "relations": {"t": TABLE | changes}}).relations
    return relation


def problems(document: Any) -> tuple[Problem, ...]:
    with pytest.raises(ContractError) as caught:
        parse_contract(document.encode() if isinstance(document, str) else json.dumps(document).encode())
    return caught.value.problems


def problem(document: Any) -> Problem:
    return problems(document)[0]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (["a"], ContractUpsert(columns=("a",))),
        ({"columns": ["a"]}, ContractUpsert(columns=("a",))),
        ({"columns": ["a", "b"], "do": "nothing"}, ContractUpsert(columns=("a", "b"), action=OnConflict.NOTHING)),
        ({"columns": ["a"], "do": "update"}, ContractUpsert(columns=("a",), action=OnConflict.UPDATE)),
        ({"columns": ["a"], "where": "b IS NULL"}, ContractUpsert(columns=("a",), where="b IS NULL")),
        ({"expressions": ["lower(b)"]}, ContractUpsert(expressions=("lower(b)",))),
        (
            {"columns": ["a"], "expressions": ["lower(b)", "(a + 1)"]},
            ContractUpsert(columns=("a",), expressions=("lower(b)", "(a + 1)")),
        ),
        ({"constraint": "t_Key"}, ContractUpsert(constraint="t_Key")),
        ({"constraint": LONG, "do": "nothing"}, ContractUpsert(constraint=CUT, action=OnConflict.NOTHING)),
        ({"columns": ["c" * 66]}, ContractUpsert(columns=("c" * 63,))),
    ],
)
def test_an_upsert_arrives(written: Any, expected: ContractUpsert) -> None:
    """Columns, expressions, predicate, constraint and action stand in the contract as they were written."""
    assert (expected,) == table(upserts=[written]).upserts


def test_constraints_arrive() -> None:
    """Everything that the image knows of a table's constraints stands in the contract, names cut like the server's."""
    written = {
        "unique": ["t_key", ["a", "b"], LONG],
        "foreign_keys": [
            {"columns": ["a", LONG], "references": 'billing."Odd.Name"'},
            {"columns": ["b"], "references": "account"},
        ],
        "checks": ["on", "null", LONG],
        "exclusions": ["1"],
        "triggers": ["Audit"],
    }
    assert (
        KnownConstraints(
            unique=("t_key", ("a", "b"), CUT),
            foreign_keys=(
                ForeignKey(columns=("a", CUT), references=Name("billing", "Odd.Name")),
                ForeignKey(columns=("b",), references=Name(None, "account")),
            ),
            checks=("on", "null", CUT),
            exclusions=("1",),
            triggers=("Audit",),
        )
        == table(constraints=written).constraints
    )


@pytest.mark.parametrize(
    ("written", "expected"), [({}, KnownConstraints()), (None, None)], ids=["none known", "no claim"]
)
def test_no_constraints_and_no_claim_are_two_things(written: Any, expected: KnownConstraints | None) -> None:
    """An empty mapping says that there was nothing; nothing says nothing."""
    assert expected == table(constraints=written).constraints
    assert table().constraints is None


def test_indexes_arrive() -> None:
    """An index is named, or told by its leading columns."""
    assert ("t_a_idx", ("a", "b"), CUT, (CUT,)) == table(indexes=["t_a_idx", ["a", "b"], LONG, [LONG]]).indexes


@pytest.mark.parametrize("policy", TypePolicy)
def test_a_columns_policy_arrives(policy: TypePolicy) -> None:
    """A column may be compared more or less strictly than the others."""
    first, second = table(columns={"a": {"type": "int", "types": policy.value}, "b": "text"}).columns
    assert (policy, None) == (first.type_policy, second.type_policy)


def test_truncate_is_a_use_of_the_relation_alone() -> None:
    """A table may be truncated; no column takes part in that."""
    made = table(use=["select", "insert", "truncate", "delete"])
    assert Use.TRUNCATE in made.use
    assert {frozenset({Use.SELECT, Use.INSERT})} == {column.use for column in made.columns}


@pytest.mark.parametrize("key", ["sequences", "collations", "text_search_configurations"])
def test_names_arrive(key: str) -> None:
    """Sequences, collations and text search configurations are exact names, with a schema where one is written."""
    contract = read({"contract": 1, key: ["on", "billing.order_id", '"Odd.Name"', LONG, "1"]})
    assert (
        Name(None, "on"),
        Name("billing", "order_id"),
        Name(None, "Odd.Name"),
        Name(None, CUT),
        Name(None, "1"),
    ) == getattr(contract, key)


@pytest.mark.parametrize("key", ["sequences", "collations", "text_search_configurations"])
def test_words_that_yaml_takes_for_values_stay_names(key: str) -> None:
    """YAML's booleans, numbers and nulls are legal names here, too."""
    contract = parse_contract(f"contract: 1\n{key}: [no, on, null, 1, ~]\n".encode())
    assert ["no", "on", "null", "1", "~"] == [name.name for name in getattr(contract, key)]


def test_names_of_constraints_stay_text_in_yaml() -> None:
    """A trigger called off, an index called 1 and a check called null are what they are called."""
    text = (
        "contract: 1\nrelations:\n  t:\n    use: [insert]\n    columns: {on: int}\n    indexes: [1, [on]]\n"
        "    upserts: [[on], {constraint: yes}]\n"
        "    constraints: {triggers: [off], checks: [null], unique: [y, [no]], exclusions: [~]}\n"
    )
    (relation,) = parse_contract(text.encode()).relations
    assert ("1", ("on",)) == relation.indexes
    assert (ContractUpsert(columns=("on",)), ContractUpsert(constraint="yes")) == relation.upserts
    assert KnownConstraints(triggers=("off",), checks=("null",), unique=("y", ("no",)), exclusions=("~",)) == (
        relation.constraints
    )


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("SELECT 1;", ContractQuery(name="q", sql="SELECT 1", parameters=0)),
        ({"sql": "SELECT $1"}, ContractQuery(name="q", sql="SELECT $1", parameters=1)),
        (
            {"sql": "SELECT $2, $1", "parameters": ["int4", 'public."Mood"[]']},
            ContractQuery(
                name="q",
                sql="SELECT $2, $1",
                parameters=2,
                parameter_types=(parse_type_name("integer"), parse_type_name('public."Mood"[]')),
                typed_sql='SELECT ($2::public."Mood"[]), (($1::integer[])[1])',
            ),
        ),
        ({"sql": "TABLE t", "run": True}, ContractQuery(name="q", sql="TABLE t", parameters=0, run=True)),
        ({"sql": "(SELECT 1)", "run": "true"}, ContractQuery(name="q", sql="(SELECT 1)", parameters=0, run=True)),
        ({"sql": "DELETE FROM t", "run": False}, ContractQuery(name="q", sql="DELETE FROM t", parameters=0)),
    ],
)
def test_a_query_arrives(written: Any, expected: ContractQuery) -> None:
    """A statement alone, or with the types of its parameters and whether it is run."""
    assert (expected,) == read({"contract": 1, "queries": {"q": written}}).queries


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({}, SessionNeeds()),
        ({"temporary_tables": True}, SessionNeeds(temporary_tables=True)),
        (
            {"statement_timeout_s": 30, "lock_timeout_s": 0.5},
            SessionNeeds(statement_timeout_s=30.0, lock_timeout_s=0.5),
        ),
        ({"statement_timeout_s": None}, SessionNeeds()),
    ],
)
def test_a_session_arrives(written: Any, expected: SessionNeeds) -> None:
    """What the image needs of its sessions stands in the contract; left out, it needs nothing."""
    assert expected == read(NOW | {"session": written}).session


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (1780756851885, {"": "1780756851885"}),
        ("1780756851885", {"": "1780756851885"}),
        ({"created_at": 1780756851885}, {"": "1780756851885"}),
        (10**30, {"": str(10**30)}),
        (0, {"": "0"}),
    ],
)
def test_a_head_may_be_a_number(written: Any, expected: dict[str, str]) -> None:
    """JSON's numbers are heads like texts, digit by digit."""
    migrations = read(NOW | {"migrations": {"tool": "drizzle", "head": written, "count": 3}}).migrations
    assert migrations is not None
    assert (expected, 3, "drizzle") == (migrations.head, migrations.count, migrations.tool)


def test_a_head_that_begins_with_zeros_stays_what_it_is_in_yaml() -> None:
    """A number with leading zeros is not read as another one."""
    contract = parse_contract(b"contract: 1\nfunctions: [now()]\nmigrations: {tool: django, head: {on: 0012_x}}\n")
    assert isinstance(contract.migrations, ContractMigrations)
    assert {"on": "0012_x"} == contract.migrations.head


def test_acceptances_arrive() -> None:
    """Code, object and reason stand in the contract, the reason in one line."""
    written = [{"code": "column-missing", "object": 'public."T".a', "reason": "  going\n next   week "}]
    expected = Acceptance(code="column-missing", object='public."T".a', reason="going next week")
    assert (expected,) == read(NOW | {"accept": written}).acceptances


@pytest.mark.parametrize("code", ALL, ids=lambda code: code.code)
def test_every_code_can_be_accepted(code: Any) -> None:
    """Whatever a preflight can find, the image's owners may know of."""
    written = [{"code": code.code, "object": "x", "reason": "y"}]
    assert code.code == read(NOW | {"accept": written}).acceptances[0].code


def within(lines: str) -> str:
    """Return a YAML document with a table t (a, b) and further lines of it, from line 5 on."""
    return f"contract: 1\nrelations:\n  t:\n    use: [select, insert]\n{lines}\n    columns: {{a: int, b: text}}\n"


def beside(lines: str) -> str:
    """Return a YAML document with further keys from line 3 on."""
    return f"contract: 1\nfunctions: [now()]\n{lines}\n"


U, K = "relations.t.upserts[0]", "relations.t.constraints"
BAD: dict[str, tuple[str, str, int, str]] = {
    # what: document, place, line, words
    "upsert without a target": (within("    upserts: [{}]"), U, 5, "name columns, expressions or a constraint"),
    "upsert with a predicate alone": (within("    upserts: [{where: a}]"), U, 5, "name columns, expressions"),
    "upsert with no columns": (within("    upserts: [{columns: []}]"), U, 5, "name columns, expressions"),
    "upsert by name and columns": (
        within("    upserts:\n    - {constraint: k, columns: [a]}"), U, 6, "constraint stands alone"
    ),
    "upsert by name and predicate": (within("    upserts: [{constraint: k, where: a}]"), U, 5, "stands alone"),
    "upsert by name and expression": (within("    upserts: [{constraint: k, expressions: [a]}]"), U, 5, "stands alone"),
    "upsert on an unknown column": (
        within("    upserts: [{columns: [zz]}]"), U, 5, "'zz' is not among the relation's columns"
    ),
    "unknown action": (
        within("    upserts: [{columns: [a], do: replace}]"), f"{U}.do", 5, "not one of nothing, update"
    ),
    "unknown key of an upsert": (
        within("    upserts: [{column: [a]}]"), f"{U}.column", 5, "did you mean columns?"
    ),
    "empty upsert": (within("    upserts: [[]]"), U, 5, "must not be empty"),
    "upsert of a word": (within("    upserts: [a]"), U, 5, "expected a mapping or a list"),
    "empty constraint": (within("    upserts: [{constraint: ''}]"), f"{U}.constraint", 5, "empty"),
    "empty predicate": (within("    upserts: [{columns: [a], where: ''}]"), f"{U}.where", 5, ""),
    "blank predicate": (within("    upserts: [{columns: [a], where: -- x}]"), f"{U}.where", 5, ""),
    "foreign key without columns": (
        within("    constraints:\n      foreign_keys: [{references: x}]"), f"{K}.foreign_keys[0]", 6,
        "the key columns is missing",
    ),
    "foreign key with no columns": (
        within("    constraints:\n      foreign_keys: [{references: x, columns: []}]"), f"{K}.foreign_keys[0].columns",
        6, "must not be empty",
    ),
    "foreign key to nowhere": (
        within("    constraints:\n      foreign_keys:\n      - {references: a.b.c, columns: [a]}"),
        f"{K}.foreign_keys[0].references", 7, "has 3 parts",
    ),
    "foreign key to an empty name": (
        within("    constraints: {foreign_keys: [{references: '', columns: [a]}]}"),
        f"{K}.foreign_keys[0].references", 5, "empty part",
    ),
    "checks in a mapping": (within("    constraints: {checks: {c: 1}}"), f"{K}.checks", 5, "expected a list"),
    "unknown kind of constraint": (within("    constraints: {check: [c]}"), f"{K}.check", 5, "did you mean checks?"),
    "unique on no column": (within("    constraints: {unique: [a, []]}"), f"{K}.unique[1]", 5, "must not be empty"),
    "unique of a word": (within("    constraints: {unique: a}"), f"{K}.unique", 5, "expected a list"),
    "constraints in a list": (within("    constraints: [c]"), K, 5, "expected a mapping"),
    "empty name of a check": (within("    constraints: {checks: ['']}"), f"{K}.checks[0]", 5, "empty"),
    "empty name of a unique index": (within("    constraints: {unique: ['']}"), f"{K}.unique[0]", 5, "empty"),
    "empty name of a trigger": (within("    constraints: {triggers: [a, '']}"), f"{K}.triggers[1]", 5, "empty"),
    "empty name of an index": (within("    indexes: ['']"), "relations.t.indexes[0]", 5, "empty"),
    "index on no column": (within("    indexes: [[a], []]"), "relations.t.indexes[1]", 5, "must not be empty"),
    "indexes in a mapping": (within("    indexes: {i: [a]}"), "relations.t.indexes", 5, "expected a list"),
    "unknown policy": (
        "contract: 1\nrelations:\n  t:\n    columns:\n      a: {types: loose}\n", "relations.t.columns.a.types", 5,
        "'loose' is not one of exact, widening, names",
    ),
    "truncated column": (
        "contract: 1\nrelations:\n  t:\n    use: [truncate]\n    columns:\n      a: {use: [truncate]}\n",
        "relations.t.columns.a.use[0]", 6, "not one of select, insert, update",
    ),
    "sequence of three parts": (beside("sequences:\n- a\n- a.b.c"), "sequences[1]", 5, "has 3 parts"),
    "sequence named twice": (beside("sequences: [a, '\"a\"']"), "sequences[1]", 3, "a stands there twice"),
    "sequence named twice by its first bytes": (
        beside(f"sequences: [{'s' * 64}, {'s' * 65}]"), "sequences[1]", 3, "stands there twice"
    ),
    "empty collation": (beside("collations: ['']"), "collations[0]", 3, "empty part"),
    "collations in a mapping": (beside("collations: {a: b}"), "collations", 3, "expected a list"),
    "text search configuration never closed": (
        beside("text_search_configurations: ['\"a']"), "text_search_configurations[0]", 3, "never closed"
    ),
    "query without a statement": (beside("queries: {q: {run: true}}"), "queries.q", 3, "the key sql is missing"),
    "query that writes and runs": (
        beside("queries:\n  q: {sql: DELETE FROM t, run: true}"), "queries.q.run", 4, "planned, never run"
    ),
    "query in a list": (beside("queries: {q: [a]}"), "queries.q", 3, "expected text or a mapping"),
    "query that is two": (beside("queries:\n  q:\n    sql: SELECT 1; SELECT 2"), "queries.q.sql", 5, "more than one"),
    "too few parameter types": (
        beside("queries:\n  q: {sql: 'SELECT $2', parameters: [int]}"), "queries.q.parameters", 4,
        "2 parameters, and 1 types are given",
    ),
    "types without parameters": (
        beside("queries:\n  q: {sql: SELECT 1, parameters: [int]}"), "queries.q.parameters", 4, "0 parameters"
    ),
    "parameter type that is more": (
        beside("queries:\n  q: {sql: 'SELECT $1', parameters: ['int) AS SELECT 1; DROP TABLE t; --']}"),
        "queries.q.parameters[0]", 4, "is not a type name",
    ),
    "parameter type that is a set": (
        beside("queries:\n  q: {sql: 'SELECT $1', parameters: [setof int]}"), "queries.q.parameters[0]", 4,
        "is not a type name",
    ),
    "run of another value": (
        beside("queries:\n  q: {sql: SELECT 1, run: maybe}"), "queries.q.run", 4, "expected true or false"
    ),
    "negative timeout": (
        beside("session: {statement_timeout_s: -1}"), "session.statement_timeout_s", 3, "greater than 0"
    ),
    "timeout of nothing": (beside("session: {lock_timeout_s: 0}"), "session.lock_timeout_s", 3, "greater than 0"),
    "endless timeout": (beside("session: {lock_timeout_s: inf}"), "session.lock_timeout_s", 3, ""),
    "timeout that is no number": (beside("session: {lock_timeout_s: nan}"), "session.lock_timeout_s", 3, ""),
    "timeout in words": (beside("session: {lock_timeout_s: 5s}"), "session.lock_timeout_s", 3, "expected a number"),
    "timeout beyond numbers": (
        '{"contract": 1, "functions": ["now()"],\n"session": {"statement_timeout_s": 1e999}}',
        "session.statement_timeout_s", 2, "",
    ),
    "unknown need": (beside("session: {temp_tables: true}"), "session.temp_tables", 3, "did you mean temporary_tables"),
    "temporary tables, maybe": (
        beside("session: {temporary_tables: maybe}"), "session.temporary_tables", 3, "expected true or false"
    ),
    "migrations without a head": (beside("migrations: {tool: goose}"), "migrations", 3, "the key head is missing"),
    "migrations of an unknown tool": (
        beside("migrations: {tool: gose, head: 1}"), "migrations.tool", 3, "goose"
    ),
    "migrations in a table of three parts": (
        beside("migrations: {tool: goose, head: 1, table: a.b.c}"), "migrations.table", 3, "has 3 parts"
    ),
    "migrations of nobody": (beside("migrations: {head: 1}"), "migrations", 3, "one of"),
    "a head of another tool": (beside("migrations: {tool: goose, head: x}"), "migrations.head", 3, "goose"),
    "a head that is true": (
        '{"contract": 1, "functions": ["now()"],\n"migrations": {"tool": "goose", "head": true}}', "migrations.head",
        2, "expected",
    ),
    "a head with a fraction": (
        '{"contract": 1, "functions": ["now()"],\n"migrations": {"tool": "goose", "head": 1.5}}', "migrations.head",
        2, "expected",
    ),
    "fewer than no migrations": (
        beside("migrations: {tool: goose, head: 1, count: -1}"), "migrations.count", 3, "0 or more"
    ),
    "acceptance of an unknown code": (
        beside("accept:\n- {code: column-mising, object: t.a, reason: r}"), "accept[0].code", 4,
        "'column-mising' is not the code of a finding; did you mean column-missing?",
    ),
    "acceptance without a reason": (
        beside("accept: [{code: column-missing, object: t.a}]"), "accept[0]", 3, "the key reason is missing"
    ),
    "acceptance with an empty reason": (
        beside("accept: [{code: column-missing, object: t.a, reason: ''}]"), "accept[0].reason", 3, "must"
    ),
    "acceptance with a blank reason": (
        beside("accept: [{code: column-missing, object: t.a, reason: '  '}]"), "accept[0].reason", 3, "say why"
    ),
    "acceptance of no object": (
        beside("accept: [{code: column-missing, object: '', reason: r}]"), "accept[0].object", 3, "must"
    ),
    "acceptance that stands there twice": (
        beside(
            "accept:\n- {code: column-missing, object: a, reason: r}\n- {code: column-missing, object: a, reason: s}"
        ),
        "accept[1]", 5, "accepted twice",
    ),
    "result that is no type": (beside("sequences: [s]\nenums: {e: [a]}").replace("now()", "f() returns my type"),
                               "functions[0]", 2, "'my type' is not a type name"),
    "result that is missing": (beside("").replace("now()", "f() returns setof"), "functions[0]", 2, "not a"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "place", "line", "words"), BAD.values(), ids=list(BAD))
def test_a_mistake_names_its_place_and_line(text: str, place: str, line: int, words: str) -> None:
    """Each mistake is told with what is wrong, where in the document and on which line of the file."""
    found = problem(text)
    assert (place, line) == (found.place, found.line)
    assert words in found.message


@pytest.mark.parametrize("text", [text for text, *_ in BAD.values()], ids=list(BAD))
def test_a_mistake_is_told_in_the_formats_words(text: str) -> None:
    """Messages are one line each and name no type of Python's or of the decoder's."""
    for found in problems(text):
        assert "\n" not in str(found)
        assert "`" not in found.message
        for word in ("object", "array", "dict", "NoneType", "msgspec", "ValidationError", "Struct", "float"):
            assert word not in found.message


INJECTIONS = [
    ") ; DROP TABLE x; --",
    "a) DO NOTHING; DROP TABLE x; --",
    "true) DO NOTHING --",
    "true\n) DO UPDATE SET a = (1",
    "true) DO UPDATE SET a = (1",
    "a; SELECT 1",
    "a;",
    ";",
    "(a",
    "a)",
    ")(",
    "((a)",
    "a /* never closed",
    "a /* /* */",
    "'never closed",
    '"never closed',
    "$$never closed",
    "$x$ $y$",
    "E'\\'",
    "a = $1",
    "a = $2 OR $1",
    "'it''s' || 'a')) --",
    "E'\\') ; DROP TABLE x; --'')",
    "a$$) ; --$$",
    "'\\') ; DROP TABLE x; --'",
    "U&'\\') ; DROP TABLE x; --'",
    "/* ( */ )",
    "-- (\n)",
    '")" )',
    "'(' )",
    "",
    "   ",
    "-- nothing",
    "/* nothing */",
    "a\x00",
]  # fmt: skip


@pytest.mark.parametrize("text", INJECTIONS, ids=repr)
def test_what_leaves_its_parentheses_is_refused(text: str) -> None:
    """Nothing that closes a parenthesis it has not opened, ends a statement or never ends gets into a statement."""
    with pytest.raises(ValueError, match=r".+"):
        parse_expression(text)
    for upsert in ({"columns": ["a"], "where": text}, {"expressions": ["lower(b)", text]}):
        found = problem({"contract": 1, "relations": {"t": TABLE | {"upserts": [upsert]}}})
        assert "\x00" in text or found.place.startswith("relations.t.upserts[0].")


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "lower(b)",
        "(a + 1) * (2)",
        "b = ')'",
        "b = E'\\')'",
        '")" IS NULL',
        "b = $$ ) ; -- $$",
        "b = $x$ ) $$ ; $x$",
        "a -- ) ;",
        "a /* ) ; /* ( */ */",
        "b = ';'",
        "a$1 = 1",
        "b = 'it''s'",
        "deleted_at IS NULL\n  AND a > 0\n",
        "b ~ '^\\('",
        "(a::text COLLATE \"C\") IN ('(', ')')",
    ],
)
def test_an_expression_is_taken_as_it_is(text: str) -> None:
    """Quotes and comments may hold whatever they like."""
    parse_expression(text)
    (upsert,) = table(upserts=[{"columns": ["a"], "where": text, "expressions": [text]}]).upserts
    assert ((text,), text) == (upsert.expressions, upsert.where)


@pytest.mark.parametrize(
    ("text", "name", "result", "returns_set"),
    [
        ("f(int) returns text", "f", "text", False),
        ("f(int)returns text", "f", "text", False),
        ("f(int) RETURNS SETOF text[]", "f", "text[]", True),
        ("f(int)\n  returns\n  setof\n  numeric(10, 2)", "f", "numeric(10,2)", True),
        ("f(int) returns \"setof x\"", "f", '"setof x"', False),
        ("f(int) returns setofx", "f", "setofx", False),
        ("returns(int) returns public.\"Mood\"", "returns", 'public."Mood"', False),
        ("f(int) returns timestamp(3) with time zone", "f", "timestamptz(3)", False),
    ],
)  # fmt: skip
def test_a_functions_result_arrives(text: str, name: str, result: str, returns_set: bool) -> None:
    """What a function returns follows its signature, in any case and over several lines."""
    assert parse_function(text) == ContractFunction(
        name=Name(None, name),
        arguments=(parse_type_name("int"),),
        result=parse_type_name(result),
        returns_set=returns_set,
    )


def test_a_bare_functions_result_arrives() -> None:
    """A bare name may say what it returns as well."""
    made = parse_function("public.f returns setof int")
    assert (None, parse_type_name("int"), True) == (made.arguments, made.result, made.returns_set)


@pytest.mark.parametrize(
    ("text", "name"), [('"a returns b"()', "a returns b"), ('"x returns y"', "x returns y"), ("returns", "returns")]
)
def test_a_name_may_have_the_word_in_it(text: str, name: str) -> None:
    """Only outside of quotes does the word say what a function returns."""
    made = parse_function(text)
    assert (Name(None, name), None) == (made.name, made.result)


@pytest.mark.parametrize(
    "text",
    ["f() returns", "f() returns setof", "f() returns  ", "returns text", "f() returns int int", "f( returns int)",
     "f() returns setof setof int", "f() returns table(a int)", "f() returns int; DROP TABLE t", "f() return int",
     "f() returns int returns text", "f() setof int", "() returns int"],
)  # fmt: skip
def test_what_is_no_result_is_refused(text: str) -> None:
    """Half a clause, two of them, and a table are refused."""
    with pytest.raises(ValueError, match="not a"):
        parse_function(text)


@given(st.text(max_size=30) | st.text(st.sampled_from('()"$, returnsetofi;x'), max_size=30))
def test_any_signature_is_one_or_refused(text: str) -> None:
    """Whatever the text, it is a signature or a ValueError that says something."""
    try:
        made = parse_function(text)
    except ValueError as error:
        assert str(error)
    else:
        assert made.name.name


@given(st.text(max_size=40) | st.text(st.sampled_from("()'\"$-*/;ax \n1eE\\"), max_size=20))
def test_any_expression_is_one_or_refused(text: str) -> None:
    """Whatever the text, it is taken or refused with a reason, and what is taken has no statement's end in it."""
    try:
        parse_expression(text)
    except ValueError as error:
        assert str(error)
    else:
        assert "\x00" not in text
