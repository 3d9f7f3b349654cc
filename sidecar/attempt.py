"""One attempt: connect → read the catalog → apply the rules → run the probes → close."""

import asyncio
from collections.abc import Mapping

import msgspec

from sidecar.compatibility.acceptances import with_acceptances
from sidecar.compatibility.codes import BY_CODE, RELATION_NOT_POPULATED, SERVER_READ_ONLY
from sidecar.compatibility.registry import compare, in_order
from sidecar.compatibility.sides import with_side
from sidecar.compatibility.verdicts import ProbeKind
from sidecar.model import Contract, Disposition, Failure, Phase
from sidecar.postgres.catalog import read_catalog
from sidecar.postgres.diagnosis import LOCK_TIMEOUT, read_position, with_locked_relations
from sidecar.postgres.failures import AttemptError, failure_of
from sidecar.postgres.probes import run_probes
from sidecar.postgres.session import Limits, Session, open_session
from sidecar.postgres.source import DatabaseSource
from sidecar.postgres.statements import ProbeStatement, probe_statements
from sidecar.postgres.target import TargetError
from sidecar.report import ContractSummary, Coverage, Report

STATEMENT_TIMEOUT_CEILING_S = 60.0
"""How far a statement timeout may grow after attempts that ran into it."""


_REASONS = {
    RELATION_NOT_POPULATED.code: "materialized view not populated",
    SERVER_READ_ONLY.code: "server is read-only",
}


class Checker(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an attempt needs and that stays the same from one to the next."""

    contract: Contract
    source: DatabaseSource
    environ: Mapping[str, str]
    """Where libpq's PG* variables stand."""
    limits: Limits
    strict: bool = False

    async def attempt(self, budget_s: float, statement_timeouts: int = 0) -> Report | Failure:
        """Make one attempt.

        Args:
            budget_s: an outer bound in seconds; whatever hangs, the attempt ends by then.
            statement_timeouts: how many attempts so far ran into the statement timeout; it doubles with each, for
                a server that is slow today would otherwise never get to the end.

        Returns:
            A report if there is a verdict, else why there is none.
        """
        limits = self.limits
        if statement_timeouts:
            doubled = limits.statement_timeout_s * 2 ** min(statement_timeouts, 10)
            ceiling = max(STATEMENT_TIMEOUT_CEILING_S, limits.statement_timeout_s)
            limits = msgspec.structs.replace(limits, statement_timeout_s=min(doubled, ceiling))
        progress = _Progress()
        try:
            async with asyncio.timeout(budget_s):
                return await self._check(limits, progress)
        except AttemptError as error:
            return error.failure
        except TargetError as error:
            return failure_of(error, Phase.TARGET)
        except TimeoutError:
            return Failure(
                phase=progress.phase,
                disposition=Disposition.RETRY,
                reason="connection timed out" if progress.phase is Phase.CONNECT else "attempt timed out",
                message=f"no answer within {budget_s:.3g} s",
            )

    async def _check(self, limits: Limits, progress: "_Progress") -> Report | Failure:
        target = self.source.load(self.environ)
        progress.phase = Phase.CONNECT
        async with open_session(target, limits, self.contract.search_path) as session:
            try:
                report = await self._judge(session, progress)
            except AttemptError as error:
                if error.failure.sqlstate != LOCK_TIMEOUT:
                    raise
                return await with_locked_relations(session, error.failure)
        return _not_yet(report) or report

    async def _judge(self, session: Session, progress: "_Progress") -> Report:
        contract = self.contract
        progress.phase = Phase.CATALOG
        catalog = await read_catalog(session, contract)
        found = compare(contract, catalog)
        progress.phase = Phase.PROBE
        statements = probe_statements(contract, catalog, found)
        refused = await run_probes(session, statements, catalog.database.name, last=not found)
        findings = in_order(with_acceptances((*found, *refused), contract.acceptances))
        position = None
        if any(finding.gates(strict=self.strict) for finding in findings) and contract.migrations is not None:
            position = await read_position(session, contract.migrations)
        if found or refused:  # left inside the transaction, a pooler would have to throw its server connection away
            await session.run("ROLLBACK", Phase.PROBE)
        return Report(
            contract=ContractSummary.of(contract),
            database=catalog.database,
            findings=with_side(findings, position),
            strict=self.strict,
            coverage=_coverage_of(statements),
            migrations=position,
        )


def _coverage_of(statements: tuple[ProbeStatement, ...]) -> Coverage:
    return Coverage(
        relations_read=sum(statement.kind is ProbeKind.READ for statement in statements),
        queries_run=sum(statement.run is not None for statement in statements),
        statements_planned=sum(statement.is_planned for statement in statements),
    )


def _not_yet(report: Report) -> Failure | None:
    """Return why there is no verdict yet, where all that gates is something that passes by itself."""
    if not report.errors or not all(BY_CODE[finding.code].passes_by_itself for finding in report.errors):
        return None
    first = report.errors[0]
    return Failure(
        phase=Phase.CATALOG,
        disposition=Disposition.RETRY,
        reason=_REASONS[first.code],
        message=first.message,
        sqlstate=first.sqlstate,
        help=first.help,
        findings=report.errors,
    )


class _Progress:
    """Where the attempt is, for telling what hung."""

    def __init__(self) -> None:
        self.phase = Phase.TARGET
