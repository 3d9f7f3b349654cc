"""Builds the probe statements of an attempt: pure text, from a contract and the catalog it was compared with.

Only what the rules found nothing wrong with is probed, so that a mismatch is told once, in the rules' words;
what the catalog cannot show, the server's own judgement does.
"""

from collections.abc import Iterator

import msgspec

from sidecar.compatibility.matching import ROW_KINDS, SYSTEM_COLUMNS, hiding_function, is_told_with_schema
from sidecar.compatibility.types import is_domain, unresolved_arguments
from sidecar.compatibility.upserts import action_of, target_of
from sidecar.compatibility.verdicts import ProbeKind
from sidecar.identifiers import quote_identifier
from sidecar.model import (
    Catalog,
    CatalogColumn,
    CatalogRelation,
    Contract,
    ContractFunction,
    ContractQuery,
    ContractRelation,
    ContractUpsert,
    Finding,
    OnConflict,
    Severity,
    Use,
)

GENERIC_PLAN_SINCE = 16
"""First major version with EXPLAIN (GENERIC_PLAN) (release notes of PostgreSQL 16)."""


class ProbeStatement(msgspec.Struct, frozen=True, kw_only=True):
    """A statement for the server to judge."""

    kind: ProbeKind
    object: str
    action: str
    sql: str
    parameters: int = 0
    """How many $n the text has; plans only."""
    run: str | None = None
    """For a query that is to be run: what reads its first row."""
    fallback: str | None = None
    """For a read: the same without a row, for when the row takes too long."""
    is_view: bool = False
    target: str = ""
    """For an upsert: the relation with what its ON CONFLICT clause names."""

    @property
    def is_planned(self) -> bool:
        """True if the server plans the statement and does not run it."""
        return self.kind is not ProbeKind.READ and self.run is None

    def is_prepared(self, server_major: int) -> bool:
        """True if judging the statement takes an SQL-level PREPARE, which outlives the transaction."""
        if not self.parameters or self.kind is ProbeKind.READ:
            return False
        return server_major < GENERIC_PLAN_SINCE or self.run is not None


def probe_statements(contract: Contract, catalog: Catalog, findings: tuple[Finding, ...]) -> tuple[ProbeStatement, ...]:
    """Return the statements to judge: a read and the writes of each relation, a call of each function, each query."""
    faulty = {finding.object for finding in findings if finding.severity is Severity.ERROR}
    statements: list[ProbeStatement] = []
    for relation in contract.relations:
        live = catalog.relations.get(str(relation.name))
        if live is not None and live.can_use_schema and live.kind in ROW_KINDS:
            statements += _relation_statements(relation, live, faulty, catalog)
    for function in contract.functions:
        is_hidden = hiding_function(function, catalog) is not None
        is_told = is_hidden or is_told_with_schema(function.name, catalog)
        if str(function) not in faulty and not is_told and not unresolved_arguments(function, catalog):
            statements += _call(function)
    for query in contract.queries:
        statements.append(_query(query))
    return tuple(statements)


def _query(query: ContractQuery) -> ProbeStatement:
    # The row is made and stays behind; the newline ends a comment that the query may end with.
    sql = query.typed_sql or query.sql
    run = f"SELECT q IS NOT DISTINCT FROM NULL FROM ({sql}\n) AS q LIMIT 1"
    return ProbeStatement(
        kind=ProbeKind.QUERY,
        object=f"query {query.name}",
        action="the query",
        sql=sql,
        parameters=query.parameters,
        run=run if query.run else None,
    )


def _relation_statements(
    relation: ContractRelation, live: CatalogRelation, faulty: set[str], catalog: Catalog
) -> Iterator[ProbeStatement]:
    target = f"{quote_identifier(live.schema)}.{quote_identifier(live.name)}"
    there = {column.name: column for column in live.columns}
    allowed = {
        Use.SELECT: [c for c in there.values() if c.can_select],
        Use.INSERT: [c for c in there.values() if c.can_insert and not c.generated and c.identity != "a"],
        Use.UPDATE: [c for c in there.values() if c.can_update and not c.generated and c.identity != "a"],
    }
    names = {use: {column.name for column in columns} for use, columns in allowed.items()}
    if live.kind != "v":
        names[Use.SELECT] |= SYSTEM_COLUMNS
    reads = [c.name for c in relation.columns_for(Use.SELECT) if c.name in names[Use.SELECT]]
    inserts = [c.name for c in relation.columns_for(Use.INSERT) if c.name in names[Use.INSERT]]
    updates = [c.name for c in relation.columns_for(Use.UPDATE) if c.name in names[Use.UPDATE]]
    if live.refused_functions:  # told: some servers look for the privilege when they plan a write, others do not
        inserts, updates = [], []

    def statement(use: Use, sql: str, parameters: int = 0, fallback: str | None = None) -> ProbeStatement:
        kind = ProbeKind.READ if use is Use.SELECT else ProbeKind.WRITE
        return ProbeStatement(
            kind=kind,
            object=str(live),
            action=use.upper(),
            sql=sql,
            parameters=parameters,
            fallback=fallback,
            is_view=live.kind == "v",
        )

    is_unpopulated = live.kind == "m" and not live.is_populated
    if Use.SELECT in relation.use and (reads or live.can_select) and not is_unpopulated:
        # The row is read and its values stay behind: a document of megabytes would be fetched by every pod of a
        # rollout. IS NULL would look into composite values; this form does not, and wants no equality of the type.
        tests = ", ".join(f"{quote_identifier(name)} IS NOT DISTINCT FROM NULL" for name in reads)
        read = f"SELECT {tests} FROM {target}"
        yield statement(Use.SELECT, f"{read} LIMIT 1", fallback=f"{read} LIMIT 0")
    if inserts:
        values = ", ".join(_parameters(inserts, there, catalog))
        insert = f"INSERT INTO {target} ({_list(inserts)}) VALUES ({values})"
        yield statement(Use.INSERT, insert, len(inserts))
        for upsert in relation.upserts:
            if set(upsert.columns) <= there.keys() and target_of(live, upsert) not in faulty:
                # A missing privilege is told itself: without a column to update, the target alone is judged.
                assigned = updates if Use.UPDATE in relation.use else inserts
                sql = f"{insert} {_on_conflict(relation, upsert, assigned)}"
                yield msgspec.structs.replace(
                    statement(Use.INSERT, sql, len(inserts)),
                    action="INSERT … ON CONFLICT",
                    target=target_of(live, upsert),
                )
    if updates:
        assigned_to = zip(updates, _parameters(updates, there, catalog), strict=True)
        assignments = ", ".join(f"{quote_identifier(name)} = {value}" for name, value in assigned_to)
        yield statement(Use.UPDATE, f"UPDATE {target} SET {assignments} WHERE false", len(updates))
    if Use.DELETE in relation.use and live.can_delete:
        yield statement(Use.DELETE, f"DELETE FROM {target} WHERE false")


def _on_conflict(relation: ContractRelation, upsert: ContractUpsert, updates: list[str]) -> str:
    action = "NOTHING"
    if updates and action_of(relation, upsert) is OnConflict.UPDATE:
        assigned = next((name for name in updates if name not in upsert.columns), updates[0])
        action = f"UPDATE SET {quote_identifier(assigned)} = EXCLUDED.{quote_identifier(assigned)}"
    if upsert.constraint is not None:
        return f"ON CONFLICT ON CONSTRAINT {quote_identifier(upsert.constraint)} DO {action}"
    # An expression may end with a comment, which the newline ends.
    keys = [*map(quote_identifier, upsert.columns), *(f"({text}\n)" for text in upsert.expressions)]
    where = f" WHERE ({upsert.where}\n)" if upsert.where else ""
    return f"ON CONFLICT ({', '.join(keys)}){where} DO {action}"


def _call(function: ContractFunction) -> Iterator[ProbeStatement]:
    """Yield a call that is planned with arguments that are not constants, so that planning runs nothing."""
    if function.arguments is None:
        return  # without a signature there is nothing to call; the rule has looked for the name
    name = ".".join(quote_identifier(p) for p in (function.name.schema, function.name.name) if p is not None)
    columns = [f"a{n}" for n in range(len(function.arguments))]
    nulls = ", ".join(f"NULL::{t} AS {c}" for t, c in zip(function.arguments, columns, strict=True))
    sql = f"SELECT {name}({', '.join(f'x.{c}' for c in columns)}) FROM (SELECT {nulls} OFFSET 0) AS x"
    yield ProbeStatement(kind=ProbeKind.CALL, object=str(function), action="a call", sql=sql)


def _list(names: list[str]) -> str:
    return ", ".join(quote_identifier(name) for name in names)


def _parameters(names: list[str], there: dict[str, CatalogColumn], catalog: Catalog) -> list[str]:
    """Return $1 … $n for values of the columns.

    For a domain the parameter is taken out of an array: that can be NULL for planning where the domain refuses it.
    """
    return [
        f"((${n}::{there[name].type_text}[])[1])" if is_domain(there[name].type_oid, catalog) else f"${n}"
        for n, name in enumerate(names, 1)
    ]


def as_plan(statement: ProbeStatement) -> ProbeStatement:
    """Return the statement to be planned where it was to be run."""
    return msgspec.structs.replace(statement, run=None)


def script_of(statement: ProbeStatement, server_major: int, name: str, *, shorter: bool = False) -> str:
    """Return SQL text that makes the server judge the statement without anything being written.

    Args:
        statement: what to judge.
        server_major: the server's major version.
        name: a name for a prepared statement, for servers that plan generically no other way; unique in the attempt.
        shorter: for a read, take the fallback.
    """
    if statement.kind is ProbeKind.READ:
        return (statement.fallback or statement.sql) if shorter else statement.sql
    # The newline ends a comment that the image's own query may end with.
    if statement.is_prepared(server_major):
        nulls = ", ".join(["NULL"] * statement.parameters)
        explain = "EXPLAIN (COSTS OFF) " if statement.run is None else ""
        sql = statement.run or statement.sql
        return f"PREPARE {name} AS {sql}\n;{explain}EXECUTE {name}({nulls});DEALLOCATE {name}"
    if statement.run is not None:
        return statement.run
    if statement.parameters:
        return f"EXPLAIN (GENERIC_PLAN, COSTS OFF) {statement.sql}\n"
    return f"EXPLAIN (COSTS OFF) {statement.sql}\n"
