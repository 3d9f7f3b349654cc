"""Runs the probe statements: all in one round trip while they pass, by halves to find every one that does not."""

import contextlib
import os

from sidecar.compatibility.codes import NOT_CHECKED
from sidecar.compatibility.verdicts import Refusal, finding_of
from sidecar.model import Disposition, Failure, Finding, Phase
from sidecar.postgres.failures import AttemptError
from sidecar.postgres.session import Session
from sidecar.postgres.statements import ProbeStatement, as_plan, script_of

_OPEN = "SAVEPOINT sidecar_probes"
_CLOSE = "RELEASE SAVEPOINT sidecar_probes"
_UNDO = f"ROLLBACK TO {_OPEN}; {_CLOSE}"
_STATEMENT_TIMEOUT = "57014"
_NEEDS_A_REAL_SESSION = frozenset({"42704", "25006", "0A000", "23502", "23514"})
"""A setting that the application makes for itself, a statement that writes or locks, a value that is not NULL: none of
it is in our transaction."""

_REFUSES_NULL = frozenset({"23502", "23514"})
"""A domain that refuses the NULL which stands for a parameter while its statement is planned."""

# The types that the server inferred, those of domains as what they are made of: such a parameter can be NULL, and is
# made the domain's where the statement says so, which planning does not do.
_BASE_TYPES = """
    WITH RECURSIVE parameter AS (
        SELECT p.place, p.type::pg_catalog.oid AS type
        FROM pg_catalog.pg_prepared_statements AS s
        CROSS JOIN LATERAL pg_catalog.unnest(s.parameter_types) WITH ORDINALITY AS p(type, place)
        WHERE s.name = $1
        UNION ALL
        SELECT p.place, t.typbasetype
        FROM parameter AS p
        JOIN pg_catalog.pg_type AS t ON t.oid = p.type
        WHERE t.typtype = 'd'
    )
    SELECT pg_catalog.string_agg(pg_catalog.format_type(p.type, NULL), ', ' ORDER BY p.place)
    FROM parameter AS p
    JOIN pg_catalog.pg_type AS t ON t.oid = p.type AND t.typtype <> 'd'
"""
_LEFT_PREPARED = """
    SELECT pg_catalog.string_agg('DEALLOCATE ' || pg_catalog.quote_ident(name), '; ')
    FROM pg_catalog.pg_prepared_statements
    WHERE pg_catalog.starts_with(name, $1)
"""


async def run_probes(
    session: Session, statements: tuple[ProbeStatement, ...], database: str, *, last: bool
) -> tuple[Finding, ...]:
    """Return a finding for every statement that the server refuses for a reason of the schema's.

    On the passing path this is one round trip.

    Args:
        session: an open session.
        statements: what to judge.
        database: the database's name, for messages.
        last: end the transaction in the same round trip, if nothing is found; else it stays open.

    Raises:
        AttemptError: a statement failed for another reason (a lock, a timeout, a lost connection).
    """
    run = _Run(session, statements)
    try:
        return await run.judge(statements, last=last)
    except AttemptError as error:
        if error.failure.sqlstate != _STATEMENT_TIMEOUT or not any(s.fallback or s.run for s in statements):
            if error.failure.sqlstate:  # the server lives, and so does what was prepared in it
                with contextlib.suppress(AttemptError):
                    await run.undo()
            raise
        await run.undo()
        run.shorter = True
        planned = tuple(as_plan(statement) for statement in statements)
        return (_reads_not_run(database, error.failure), *await run.judge(planned))


class _Run:
    def __init__(self, session: Session, statements: tuple[ProbeStatement, ...]) -> None:
        self._session = session
        self._prepares = any(statement.is_prepared(session.server_major) for statement in statements)
        # Unique, for through a pooler a name could meet one that another client left behind.
        self._prefix = f"sidecar_probe_{os.urandom(4).hex()}_"
        self.shorter = False

    async def judge(self, statements: tuple[ProbeStatement, ...], *, last: bool = False) -> tuple[Finding, ...]:
        """Judge all of the statements; with ``last``, end the transaction too if they pass."""
        scripts = [
            script_of(statement, self._session.server_major, f"{self._prefix}{number}", shorter=self.shorter)
            for number, statement in enumerate(statements)
        ]
        try:
            await self._session.run(";\n".join([_OPEN, *scripts, _CLOSE, *(["ROLLBACK"] if last else [])]), Phase.PROBE)
        except AttemptError as error:
            failure = error.failure
            if not statements or not _is_judgement(failure):
                raise
            await self.undo()
            if len(statements) == 1:
                return await self._refused(statements[0], failure)
        else:
            return ()
        middle = len(statements) // 2
        return await self.judge(statements[:middle]) + await self.judge(statements[middle:])

    async def undo(self) -> None:
        """Make the transaction usable again after a refusal, leaving nothing prepared behind."""
        await self._session.run(_UNDO, Phase.PROBE)
        if self._prepares:
            script = await self._session.fetch_text(_LEFT_PREPARED, Phase.PROBE, self._prefix)
            if script is not None:
                await self._session.run(script, Phase.PROBE)

    async def _refused(self, statement: ProbeStatement, failure: Failure) -> tuple[Finding, ...]:
        """Tell a refusal; what cannot be run in a read-only session is planned at least."""
        if failure.disposition is not Disposition.INCOMPATIBLE and statement.run is not None:
            planned = await self.judge((as_plan(statement),))
            return planned or (_finding(statement, failure),)
        if failure.sqlstate in _REFUSES_NULL and statement.is_prepared(self._session.server_major):
            return await self._with_base_types(statement)
        return (_finding(statement, failure),)

    async def _with_base_types(self, statement: ProbeStatement) -> tuple[Finding, ...]:
        """Judge a statement whose parameters are domains that refuse NULL."""
        name = f"{self._prefix}domains"
        await self._session.run(f"PREPARE {name} AS {statement.sql}\n", Phase.PROBE)
        types = await self._session.fetch_text(_BASE_TYPES, Phase.PROBE, name)
        await self._session.run(f"DEALLOCATE {name}", Phase.PROBE)
        nulls = ", ".join(["NULL"] * statement.parameters)
        script = f"PREPARE {name}({types}) AS {statement.sql}\n;EXPLAIN EXECUTE {name}({nulls});DEALLOCATE {name}"
        try:
            await self._session.run(f"{_OPEN};{script};{_CLOSE}", Phase.PROBE)
        except AttemptError as error:
            if not _is_judgement(error.failure):
                raise
            await self.undo()
            return (_finding(statement, error.failure),)
        return ()


def _is_judgement(failure: Failure) -> bool:
    """True if the server has judged the statement itself, and not failed to."""
    if failure.disposition is Disposition.UNDETERMINED:
        return failure.sqlstate in _NEEDS_A_REAL_SESSION
    return failure.disposition is Disposition.INCOMPATIBLE


def _finding(statement: ProbeStatement, failure: Failure) -> Finding:
    if failure.disposition is not Disposition.INCOMPATIBLE:
        return NOT_CHECKED.at(
            statement.object,
            f"{statement.action} on {statement.object} cannot be judged in a read-only session: {failure.message}",
            "Nothing to mend; this one is not covered by the check.",
        )
    return finding_of(
        Refusal(
            kind=statement.kind,
            object=statement.object,
            action=statement.action,
            sqlstate=failure.sqlstate or "",
            message=failure.message,
            is_view=statement.is_view,
            target=statement.target,
        )
    )


def _reads_not_run(database: str, failure: Failure) -> Finding:
    return NOT_CHECKED.at(
        database,
        f"reading first rows ran into the statement timeout ({failure.message}); the reads were planned, not run",
        "Raise SIDECAR_STATEMENT_TIMEOUT_S if a view or a query of the contract needs longer for its first row.",
    )
