"""One attempt: connect → read the catalog → apply the rules → run the probes → close."""

import asyncio
from collections.abc import Mapping

import msgspec

from sidecar.compatibility.registry import compare, in_order
from sidecar.model import Contract, Disposition, Failure, Phase
from sidecar.postgres.catalog import read_catalog
from sidecar.postgres.failures import AttemptError, failure_of
from sidecar.postgres.probes import run_probes
from sidecar.postgres.session import Limits, open_session
from sidecar.postgres.source import DatabaseSource
from sidecar.postgres.statements import probe_statements
from sidecar.postgres.target import TargetError
from sidecar.report import ContractSummary, Report

STATEMENT_TIMEOUT_CEILING_S = 60.0
"""How far a statement timeout may grow after attempts that ran into it."""


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

    async def _check(self, limits: Limits, progress: "_Progress") -> Report:
        target = self.source.load(self.environ)
        progress.phase = Phase.CONNECT
        async with open_session(target, limits, self.contract.search_path) as session:
            progress.phase = Phase.CATALOG
            catalog = await read_catalog(session, self.contract)
            findings = compare(self.contract, catalog)
            progress.phase = Phase.PROBE
            statements = probe_statements(self.contract, catalog, findings)
            refused = await run_probes(session, statements, catalog.database.name)
        return Report(
            contract=ContractSummary.of(self.contract),
            database=catalog.database,
            findings=in_order((*findings, *refused)),
            strict=self.strict,
        )


class _Progress:
    """Where the attempt is, for telling what hung."""

    def __init__(self) -> None:
        self.phase = Phase.TARGET
