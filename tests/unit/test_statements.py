import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.compatibility.registry import compare
from sidecar.compatibility.verdicts import ProbeKind
from sidecar.contract.reader import parse_contract
from sidecar.contract.sql_text import parse_expression, parse_statement
from sidecar.identifiers import quote_identifier
from sidecar.model import Catalog, Contract, ContractQuery, ContractUpsert, KnownConstraints, OnConflict, Use
from sidecar.postgres.statements import ProbeStatement, as_plan, probe_statements, script_of
from tests.unit import builders
from tests.unit.builders import (
    ALL_USES,
    READ,
    WRITE,
    catalog,
    column,
    constraint,
    contract,
    function,
    index,
    live,
    live_column,
    live_function,
    relation,
    trigger,
    without_privilege,
)

ODD = ["a b", 'say "hi"', "a.b", "a;b", "userId", "select", "--", "/*", "$1", "'", "ä", "a\nb"]

T = " IS NOT DISTINCT FROM NULL"
"""How a column is read without its value being sent."""


def statements(wanted: Contract, there: Catalog) -> tuple[ProbeStatement, ...]:
    return probe_statements(wanted, there, compare(wanted, there))


def query(sql: str) -> ProbeStatement:
    parsed = parse_statement(sql)
    wanted = contract(queries=(ContractQuery(name="q", sql=parsed.sql, parameters=parsed.parameters),))
    (statement,) = statements(wanted, catalog())
    return statement


def everything(*names: str) -> tuple[Contract, Catalog]:
    uses = ALL_USES - {Use.DELETE}
    wanted = relation("t", *(column(name, use=uses) for name in names), use=ALL_USES, upserts=(names[:1],))
    there = live("t", *(live_column(name) for name in names), indexes=(index("i", names[0]),))
    return contract(wanted), catalog(there)


def test_a_relation_is_read_written_upserted_and_deleted_from() -> None:
    """Each kind of statement that the image issues is judged with the columns that it names."""
    made = statements(*everything("id", "name"))
    assert [
        ("SELECT", f'SELECT "id"{T}, "name"{T} FROM "public"."t" LIMIT 1', 0),
        ("INSERT", 'INSERT INTO "public"."t" ("id", "name") VALUES ($1, $2)', 2),
        (
            "INSERT … ON CONFLICT",
            'INSERT INTO "public"."t" ("id", "name") VALUES ($1, $2)'
            ' ON CONFLICT ("id") DO UPDATE SET "name" = EXCLUDED."name"',
            2,
        ),
        ("UPDATE", 'UPDATE "public"."t" SET "id" = $1, "name" = $2 WHERE false', 2),
        ("DELETE", 'DELETE FROM "public"."t" WHERE false', 0),
    ] == [(statement.action, statement.sql, statement.parameters) for statement in made]
    assert {"public.t"} == {statement.object for statement in made}


def test_a_read_can_do_without_a_row() -> None:
    """Where one row takes too long, the same read is judged with none."""
    (read,) = statements(contract(relation("t", column("a"))), catalog(live("t", live_column("a"))))
    assert (ProbeKind.READ, f'SELECT "a"{T} FROM "public"."t" LIMIT 0') == (read.kind, read.fallback)
    assert read.sql == script_of(read, 18, "p")
    assert read.fallback == script_of(read, 18, "p", shorter=True)
    assert read.sql == script_of(read, 15, "p")


def test_an_upsert_without_updates_does_nothing() -> None:
    """An image that never updates is judged with DO NOTHING."""
    wanted = contract(relation("t", column("a", use={Use.INSERT}), use={Use.INSERT}, upserts=(("a",),)))
    made = statements(wanted, catalog(live("t", live_column("a"), indexes=(index("i", "a"),))))
    assert made[1].sql.endswith(' ON CONFLICT ("a") DO NOTHING')


def test_an_upsert_of_its_own_target_updates_that() -> None:
    """Where the image updates only the target's columns, one of them is assigned."""
    made = statements(*everything("id"))
    assert made[2].sql.endswith(' ON CONFLICT ("id") DO UPDATE SET "id" = EXCLUDED."id"')


@pytest.mark.parametrize("name", ODD, ids=repr)
def test_identifiers_are_always_quoted(name: str) -> None:
    """A name with quotes, dots, semicolons or comments in it stays one name in every statement."""
    uses = ALL_USES - {Use.DELETE}
    wanted = contract(relation(name, column(name, use=uses), use=ALL_USES, upserts=((name,),)))
    there = live(name, live_column(name), schema=name, indexes=(index("i", name),))
    quoted = quote_identifier(name)
    made = statements(wanted, catalog(there))
    assert 5 == len(made)
    for statement in made:
        assert f"{quoted}.{quoted}" in statement.sql
        parsed = parse_statement(statement.sql)
        assert statement.parameters == parsed.parameters


@given(st.text(st.characters(exclude_characters="\x00", codec="utf-8"), min_size=1, max_size=20))
def test_no_name_escapes_its_quotes(name: str) -> None:
    """Whatever a name holds, each statement is one statement with exactly its own parameters."""
    wanted, there = everything(name)
    for statement in statements(wanted, there):
        assert statement.parameters == parse_statement(statement.sql).parameters


def test_names_come_from_the_live_object() -> None:
    """The statements name the schema where the relation was found, not the search_path."""
    wanted = contract(relation("t", column("a")))
    (read,) = statements(wanted, catalog(live("t", live_column("a"), schema="Tenant")))
    assert f'SELECT "a"{T} FROM "Tenant"."t" LIMIT 1' == read.sql


def test_nothing_is_built_for_what_is_missing() -> None:
    """What the rules have told already is not asked of the server again."""
    uses = READ | WRITE
    wanted = contract(
        relation("gone", column("a")),
        relation("t", column("a", use=uses), column("lost", use=uses), use=uses, upserts=(("lost",), ("a",))),
        functions=(function("lost"), function("typed", "mood")),
    )
    there = catalog(live("t", live_column("a")), functions={"typed": (live_function("text"),)}, without_types=["mood"])
    made = statements(wanted, there)
    assert ["SELECT", "INSERT", "UPDATE"] == [statement.action for statement in made]
    assert not any("lost" in statement.sql or "gone" in statement.sql for statement in made)


def test_a_relation_without_any_of_its_columns_is_still_read() -> None:
    """Where every column is gone, the relation itself is judged."""
    (read,) = statements(contract(relation("t", column("a"))), catalog(live("t")))
    assert 'SELECT  FROM "public"."t" LIMIT 1' == read.sql


def test_columns_that_refuse_are_left_out() -> None:
    """Columns without the privilege, generated ones and identities are told by rules, and the rest is judged."""
    uses = READ | WRITE
    wanted = contract(relation("t", *(column(name, use=uses) for name in "abcd"), use=uses))
    there = live(
        "t",
        without_privilege(live_column("a"), Use.SELECT, Use.INSERT, Use.UPDATE),
        live_column("b", generated="s"),
        live_column("c", identity="a"),
        live_column("d"),
        can_select=False,
        can_insert=False,
        can_update=False,
    )
    assert [
        f'SELECT "b"{T}, "c"{T}, "d"{T} FROM "public"."t" LIMIT 1',
        'INSERT INTO "public"."t" ("d") VALUES ($1)',
        'UPDATE "public"."t" SET "d" = $1 WHERE false',
    ] == [statement.sql for statement in statements(wanted, catalog(there))]


def test_nothing_is_asked_that_is_refused_for_certain() -> None:
    """Without a privilege on the schema or the relation there is nothing to judge."""
    wanted = contract(relation("t", use={Use.SELECT, Use.DELETE}))
    assert () == statements(wanted, catalog(live("t", can_select=False, can_delete=False)))
    assert () == statements(wanted, catalog(live("t", can_use_schema=False)))


def test_system_columns_are_read_but_not_from_views() -> None:
    """A system column is read like any other where there are some."""
    wanted = contract(relation("t", column("xmin"), column("a")))
    assert f'"xmin"{T}, "a"{T}' in statements(wanted, catalog(live("t", live_column("a"))))[0].sql
    assert "xmin" not in statements(wanted, catalog(live("t", live_column("a"), kind="v")))[0].sql


def test_a_call_is_planned_with_arguments_that_are_no_constants() -> None:
    """A function is called with typed NULLs that the planner cannot fold away."""
    wanted = contract(functions=(function("F", "text", "numeric(10,2)[]", schema="public"),))
    there = catalog(functions={'public."F"': (live_function("text", "numeric[]"),)}, schemas={"public": True})
    (call,) = statements(wanted, there)
    assert (ProbeKind.CALL, 'public."F"(text, numeric(10,2)[])', 0) == (call.kind, call.object, call.parameters)
    assert call.sql == (
        'SELECT "public"."F"(x.a0, x.a1) FROM (SELECT NULL::text AS a0, NULL::numeric(10,2)[] AS a1 OFFSET 0) AS x'
    )


def test_a_function_without_a_signature_is_not_called() -> None:
    """A bare name gives nothing to call; the rule has looked for it."""
    there = catalog(functions={"f": (live_function("text"),)})
    assert () == statements(contract(functions=(function("f", bare=True),)), there)


def test_a_function_without_arguments_is_called() -> None:
    """A call without arguments is one statement too."""
    (call,) = statements(contract(functions=(function("now"),)), catalog(functions={"now": (live_function(),)}))
    assert 'SELECT "now"() FROM (SELECT  OFFSET 0) AS x' == call.sql


def test_a_newer_server_plans_generically_by_itself() -> None:
    """From PostgreSQL 16 on, EXPLAIN plans parameters without values."""
    statement = query("SELECT id FROM t WHERE id = $1;")
    expected = "EXPLAIN (GENERIC_PLAN, COSTS OFF) SELECT id FROM t WHERE id = $1"
    assert expected == script_of(statement, 16, "p").strip()
    assert expected == script_of(statement, 18, "p").strip()


def test_an_older_server_needs_a_prepared_statement() -> None:
    """Up to PostgreSQL 15, parameters are planned through PREPARE, which is taken back at once."""
    script = script_of(query("SELECT $2, $1"), 15, "sidecar_1")
    assert [
        "PREPARE sidecar_1 AS SELECT $2, $1",
        "EXPLAIN (COSTS OFF) EXECUTE sidecar_1(NULL, NULL)",
        "DEALLOCATE sidecar_1",
    ] == [part.strip() for part in script.split(";")]


def test_an_older_server_explains_what_has_no_parameters() -> None:
    """Without parameters a plain EXPLAIN is enough."""
    assert "EXPLAIN (COSTS OFF) SELECT 1" == script_of(query("SELECT 1"), 15, "p").strip()


def uncommented(sql: str) -> str:
    """Return SQL without line comments: what the server sees of it."""
    return re.sub(r"--[^\n\r]*", "", sql)


@pytest.mark.parametrize("major", [13, 15, 16, 18])
@pytest.mark.parametrize("sql", ["SELECT 1 -- the end", "SELECT $1 -- the end", "SELECT 1 --", "SELECT $1 -- a; b"])
def test_a_comment_at_the_end_of_a_query_swallows_nothing(sql: str, major: int) -> None:
    """What follows a query in the batch is seen by the server, whatever the query ends with."""
    script = uncommented(";\n".join([script_of(query(sql), major, "p"), "ROLLBACK"]))
    assert script.endswith(";\nROLLBACK")
    assert ("DEALLOCATE p" in script) == (major < 16 and "$1" in sql)


def test_every_query_is_asked_whatever_the_rules_found() -> None:
    """The image's own queries are judged by the server alone, under their own names."""
    wanted = contract(
        relation("gone"), queries=(ContractQuery(name="authorize", sql="SELECT id FROM gone", parameters=0),)
    )
    (statement,) = statements(wanted, catalog())
    assert ("query authorize", ProbeKind.QUERY, "SELECT id FROM gone") == (
        statement.object,
        statement.kind,
        statement.sql,
    )


def test_the_order_is_that_of_the_contract() -> None:
    """Relations come first, then functions, then queries, each in the contract's order."""
    wanted = contract(
        relation("b", column("a")),
        relation("a", column("a")),
        functions=(function("f"),),
        queries=(ContractQuery(name="q", sql="SELECT 1", parameters=0),),
    )
    there = catalog(
        live("a", live_column("a")), live("b", live_column("a")), functions={"f": (builders.live_function(),)}
    )
    assert ["public.b", "public.a", "f()", "query q"] == [statement.object for statement in statements(wanted, there)]


def typed_query(sql: str, *types: str, run: bool = False) -> ProbeStatement:
    """Return the statement for a query of a contract document that declares these types."""
    document = {"contract": 1, "queries": {"q": {"sql": sql, "parameters": types, "run": run}}}
    (statement,) = statements(parse_contract(json.dumps(document).encode()), catalog())
    return statement


@pytest.mark.parametrize(
    ("major", "expected"),
    [
        (13, ["PREPARE p AS {}", "EXPLAIN (COSTS OFF) EXECUTE p(NULL, NULL)", "DEALLOCATE p"]),
        (15, ["PREPARE p AS {}", "EXPLAIN (COSTS OFF) EXECUTE p(NULL, NULL)", "DEALLOCATE p"]),
        (16, ["EXPLAIN (GENERIC_PLAN, COSTS OFF) {}"]),
        (18, ["EXPLAIN (GENERIC_PLAN, COSTS OFF) {}"]),
    ],
)
def test_declared_types_stand_in_the_statement(major: int, expected: list[str]) -> None:
    """Types that the image's driver declares are written beside the parameters, whatever the server."""
    statement = typed_query("SELECT $1, $2", "int[]", 'public."Odd Type"')
    sql = 'SELECT ($1::integer[]), (($2::public."Odd Type"[])[1])'
    parts = [part.strip() for part in script_of(statement, major, "p").split(";")]
    assert [part.format(sql) for part in expected] == parts
    assert (2, sql) == (statement.parameters, statement.sql)
    assert statement.is_planned


@pytest.mark.parametrize("major", [13, 18])
def test_a_query_that_runs_reads_its_first_row(major: int) -> None:
    """Without parameters the row is read as it is, and its values stay behind."""
    statement = typed_query("SELECT * FROM t -- all", run=True)
    expected = "SELECT q IS NOT DISTINCT FROM NULL FROM (SELECT * FROM t -- all\n) AS q LIMIT 1"
    assert expected == script_of(statement, major, "p") == statement.run
    assert not statement.is_prepared(major)
    assert not statement.is_planned


@pytest.mark.parametrize("major", [13, 18])
@pytest.mark.parametrize(
    ("types", "shown"),
    [((), "SELECT $1, $2"), (("text", "int"), "SELECT (($1::text[])[1]), (($2::integer[])[1])")],
)
def test_a_query_with_parameters_runs_with_nulls(major: int, types: tuple[str, ...], shown: str) -> None:
    """Parameters are NULL in a prepared statement that is taken back, and nothing is explained."""
    statement = typed_query("SELECT $1, $2", *types, run=True)
    script = script_of(statement, major, "p")
    assert script.startswith(f"PREPARE p AS SELECT q IS NOT DISTINCT FROM NULL FROM ({shown}\n) AS q")
    assert script.endswith("\n;EXECUTE p(NULL, NULL);DEALLOCATE p")
    assert "EXPLAIN" not in script
    assert statement.is_prepared(major)


@pytest.mark.parametrize("major", [13, 15, 16, 18])
@pytest.mark.parametrize("types", [(), ("text",)])
@pytest.mark.parametrize("sql", ["SELECT $1", "SELECT $1 -- the end"])
def test_what_ran_can_be_planned_instead(sql: str, types: tuple[str, ...], major: int) -> None:
    """As a plan, a query is the same one, declared types included, and nothing of it is run."""
    running, planned = typed_query(sql, *types, run=True), typed_query(sql, *types)
    assert planned == as_plan(running)
    assert script_of(planned, major, "p") == script_of(as_plan(running), major, "p")
    assert "EXPLAIN" in script_of(as_plan(running), major, "p")


def test_a_plan_stays_a_plan() -> None:
    """What was to be planned, and what is read, is left as it is."""
    made = statements(*everything("id", "name"))
    assert made == tuple(map(as_plan, made))


@pytest.mark.parametrize("sql", ["SELECT 1 -- end", "SELECT $1 -- a; b", "SELECT 1 --"])
@pytest.mark.parametrize("major", [13, 18])
def test_a_comment_at_the_end_of_a_query_that_runs_swallows_nothing(sql: str, major: int) -> None:
    """What closes the row's reader is seen by the server."""
    script = uncommented(script_of(typed_query(sql, run=True), major, "p"))
    assert ") AS q LIMIT 1" in script


def upsert_sql(upsert: ContractUpsert, use: frozenset[Use] = READ | WRITE, **changes: Any) -> list[str]:
    """Return the ON CONFLICT clauses that are judged for an upsert on a table t (a, b)."""
    wanted = relation("t", *(column(name, use=use) for name in "ab"), use=use, upserts=(upsert,))
    there = catalog(live("t", live_column("a"), live_column("b"), **changes))
    return [
        statement.sql.partition(" ON CONFLICT ")[2]
        for statement in statements(contract(wanted), there)
        if "CONFLICT" in statement.action
    ]


@pytest.mark.parametrize(
    ("upsert", "clause"),
    [
        (ContractUpsert(columns=("a",), where="b IS NULL"), '("a") WHERE (b IS NULL\n) DO UPDATE SET "b" = '),
        (ContractUpsert(expressions=("lower(a)",)), '((lower(a)\n)) DO UPDATE SET "a" = '),
        (ContractUpsert(expressions=("(a || b)",)), '(((a || b)\n)) DO UPDATE SET "a" = '),
        (
            ContractUpsert(columns=("a",), expressions=("lower(b) -- x",)),
            '("a", (lower(b) -- x\n)) DO UPDATE SET "b" = ',
        ),
        (ContractUpsert(columns=("b", "a")), '("b", "a") DO UPDATE SET "a" = '),
    ],
    ids=["predicate", "expression", "expression in parentheses", "column and expression with a comment", "columns"],
)
def test_an_upsert_is_judged_with_its_own_clause(upsert: ContractUpsert, clause: str) -> None:
    """Expressions and predicates stand in parentheses of their own, which a comment at their end does not swallow."""
    indexes = (index("i", "a", "b"),) if upsert.is_plain else ()
    (found,) = upsert_sql(upsert, indexes=indexes)
    assert found.startswith(clause)
    assert found.endswith("EXCLUDED." + found.rpartition("EXCLUDED.")[2])


def test_an_upsert_by_a_constraints_name_is_judged_by_it() -> None:
    """The name is quoted, and what is assigned is a column."""
    upsert = ContractUpsert(constraint='t "Key"')
    (found,) = upsert_sql(upsert, constraints=(constraint('t "Key"', "u", "a"),))
    assert found.startswith('ON CONSTRAINT "t ""Key""" DO UPDATE SET "a" = EXCLUDED."a"')


@pytest.mark.parametrize(
    ("action", "use", "end"),
    [
        (OnConflict.NOTHING, READ | WRITE, "DO NOTHING"),
        (None, READ | {Use.INSERT}, "DO NOTHING"),
        (OnConflict.UPDATE, READ | {Use.INSERT}, 'DO UPDATE SET "b" = EXCLUDED."b"'),
        (OnConflict.UPDATE, READ | WRITE, 'DO UPDATE SET "b" = EXCLUDED."b"'),
    ],
)
def test_an_upsert_does_what_the_contract_says(action: OnConflict | None, use: frozenset[Use], end: str) -> None:
    """DO NOTHING and DO UPDATE are judged as the image issues them."""
    (found,) = upsert_sql(ContractUpsert(columns=("a",), action=action), use, indexes=(index("i", "a"),))
    assert found.endswith(end)


def test_what_the_rules_told_of_an_upsert_is_not_asked_again() -> None:
    """A constraint that is missing or deferrable is told once."""
    upsert = ContractUpsert(constraint="k")
    assert [] == upsert_sql(upsert)
    assert [] == upsert_sql(upsert, constraints=(constraint("k", "u", "a", is_deferrable=True),))


def test_a_warning_of_the_same_name_does_not_silence_an_upsert() -> None:
    """An index that a view's table lacks is a warning; what the server says to the upsert has still to be asked."""
    wanted = relation(
        "t", *(column(name, use=WRITE) for name in "ab"), use=READ | WRITE, upserts=(("a",),), indexes=(("a",),)
    )
    there = catalog(live("t", live_column("a"), live_column("b"), kind="v"))
    actions = [statement.action for statement in statements(contract(wanted), there)]
    assert "INSERT … ON CONFLICT" in actions


def test_a_trigger_of_the_same_name_does_not_silence_an_upsert() -> None:
    """A trigger may be called like the constraint that an upsert names."""
    wanted = relation(
        "t",
        column("a", use=WRITE),
        use=WRITE,
        upserts=(ContractUpsert(constraint="k"),),
        constraints=KnownConstraints(unique=("k",)),
    )
    there = live("t", live_column("a"), constraints=(constraint("k", "u", "a"),), triggers=(trigger("k", Use.INSERT),))
    actions = [statement.action for statement in statements(contract(wanted), catalog(there))]
    assert "INSERT … ON CONFLICT" in actions


@given(
    st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=30)
    | st.text(st.sampled_from("()'\"$-*/;ax \n1e\\"), max_size=12)
)
def test_no_expression_that_the_reader_takes_escapes_its_parentheses(text: str) -> None:
    """Whatever an expression holds, if it is taken, the statement it stands in is one statement of the same shape."""
    try:
        parse_expression(text)
    except ValueError:
        return
    (clause,) = upsert_sql(ContractUpsert(columns=("a",), expressions=(text,), where=text))
    statement = f"INSERT INTO t VALUES (1) ON CONFLICT {clause}"
    assert 0 == parse_statement(statement).parameters
    marked = parse_statement(f"{statement} RETURNING $7")
    assert 7 == marked.parameters
