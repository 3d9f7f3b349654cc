"""What an attempt that did not pass asks further: who holds a lock, and where the migrations stand.

Nothing here can make an attempt fail: a question that is not answered leaves the diagnosis as it was.
"""

import msgspec

from sidecar.compatibility.migrations import position, rows_query, unknown
from sidecar.model import ContractMigrations, Failure, MigrationPosition, Phase
from sidecar.postgres.failures import AttemptError
from sidecar.postgres.session import Session

LOCK_TIMEOUT = "55P03"
"""SQLSTATE lock_not_available."""

_LOCKED_RELATIONS = """
    SELECT pg_catalog.string_agg(DISTINCT pg_catalog.format('%I.%I', n.nspname, c.relname), ', ')
    FROM pg_catalog.pg_locks AS l
    JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'AccessExclusiveLock'
      AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
"""


async def with_locked_relations(session: Session, failure: Failure) -> Failure:
    """Add to a lock timeout which relations are locked: the server's own words do not say. Ends the transaction."""
    try:
        await session.run("ROLLBACK", failure.phase)
        names = await session.fetch_text(_LOCKED_RELATIONS, failure.phase)
    except AttemptError:
        return failure
    if names is None:
        return failure
    return msgspec.structs.replace(
        failure, reason="a migration holds a lock", message=f"ACCESS EXCLUSIVE lock on {names}"
    )


async def read_position(session: Session, migrations: ContractMigrations) -> MigrationPosition:
    """Return where the migration tool's table says that the database stands; two round trips."""
    try:
        document = await session.fetch_text(rows_query(migrations), Phase.PROBE)
    except AttemptError as error:
        return unknown(error.failure.message or error.failure.reason, migrations)
    return position(migrations, document or "")
