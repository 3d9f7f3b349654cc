"""Runs the probe statements: all in one round trip while they pass, by halves to find every one that does not."""

import os

from sidecar.compatibility.codes import NOT_CHECKED
from sidecar.compatibility.verdicts import Refusal, finding_of
from sidecar.model import Disposition, Failure, Finding, Phase
from sidecar.postgres.failures import AttemptError
from sidecar.postgres.session import Session
from sidecar.postgres.statements import GENERIC_PLAN_SINCE, ProbeStatement, script_of

_OPEN = "SAVEPOINT sidecar_probes"
_CLOSE = "RELEASE SAVEPOINT sidecar_probes"
_UNDO = f"ROLLBACK TO {_OPEN}; {_CLOSE}"
_STATEMENT_TIMEOUT = "57014"
_LOCK_TIMEOUT = "55P03"
_NEEDS_A_REAL_SESSION = frozenset({"42704", "25006"})
"""A custom setting that the application sets for itself; a function that writes: neither is in our transaction."""

_LEFT_PREPARED = """
    SELECT pg_catalog.string_agg('DEALLOCATE ' || pg_catalog.quote_ident(name), '; ')
    FROM pg_catalog.pg_prepared_statements
    WHERE pg_catalog.starts_with(name, $1)
"""
_LOCKED_RELATIONS = """
    SELECT pg_catalog.string_agg(DISTINCT pg_catalog.format('%I.%I', n.nspname, c.relname), ', ')
    FROM pg_catalog.pg_locks AS l
    JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'AccessExclusiveLock'
      AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = $1)
"""


async def run_probes(session: Session, statements: tuple[ProbeStatement, ...], database: str) -> tuple[Finding, ...]:
    """Return a finding for every statement that the server refuses for a reason of the schema's.

    On the passing path this is one round trip, the end of the transaction included.

    Args:
        session: an open session; its transaction is over when this returns.
        statements: what to judge.
        database: the database's name, to tell its locks from those of others.

    Raises:
        AttemptError: a statement failed for another reason (a lock, a timeout, a lost connection).
    """
    run = _Run(session, database)
    try:
        findings = await run.judge(statements, last=True)
    except AttemptError as error:
        if error.failure.sqlstate != _STATEMENT_TIMEOUT or not any(s.fallback for s in statements):
            raise
        await run.undo()
        run.shorter = True
        findings = (_reads_not_run(database, error.failure), *await run.judge(statements, last=True))
    if findings:  # a pooler would have to throw its server connection away if we left inside the transaction
        await session.run("ROLLBACK", Phase.PROBE)
    return findings


class _Run:
    def __init__(self, session: Session, database: str) -> None:
        self._session = session
        self._database = database
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
            if failure.sqlstate == _LOCK_TIMEOUT:
                raise AttemptError(await self._with_locked_relations(failure)) from error
            is_judgement = failure.disposition is Disposition.INCOMPATIBLE or failure.sqlstate in _NEEDS_A_REAL_SESSION
            if not statements or not is_judgement:
                raise
            await self.undo()
            if len(statements) == 1:
                return (_finding(statements[0], failure),)
        else:
            return ()
        middle = len(statements) // 2
        return await self.judge(statements[:middle]) + await self.judge(statements[middle:])

    async def undo(self) -> None:
        """Make the transaction usable again after a refusal, leaving nothing prepared behind."""
        await self._session.run(_UNDO, Phase.PROBE)
        if self._session.server_major < GENERIC_PLAN_SINCE:
            script = await self._session.fetch_text(_LEFT_PREPARED, self._prefix, Phase.PROBE)
            if script is not None:
                await self._session.run(script, Phase.PROBE)

    async def _with_locked_relations(self, failure: Failure) -> Failure:
        """Add which relations are locked: the server's own words do not say."""
        await self._session.run(_UNDO, Phase.PROBE)
        names = await self._session.fetch_text(_LOCKED_RELATIONS, self._database, Phase.PROBE)
        if names is None:
            return failure
        return Failure(
            phase=failure.phase,
            disposition=failure.disposition,
            reason="a migration holds a lock",
            message=f"ACCESS EXCLUSIVE lock on {names}",
            sqlstate=failure.sqlstate,
            help=failure.help,
        )


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
        )
    )


def _reads_not_run(database: str, failure: Failure) -> Finding:
    return NOT_CHECKED.at(
        database,
        f"reading one row of each relation ran into the statement timeout ({failure.message});"
        " the reads were planned, not run",
        "Raise SIDECAR_STATEMENT_TIMEOUT_S if a view of the contract needs longer for its first row.",
    )
