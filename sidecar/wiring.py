"""Settings → a running preflight: what ``serve`` and ``check`` share."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping

from sidecar.attempt import Checker
from sidecar.contract.errors import ContractError
from sidecar.contract.reader import is_arriving, read_contract
from sidecar.model import Contract
from sidecar.postgres.session import Limits
from sidecar.preflight import Policy, preflight
from sidecar.readiness import Event
from sidecar.report import Conclusion
from sidecar.settings import Settings

CONTRACT_POLL_S = 0.2
"""How often to look for the contract's file."""


def policy_of(settings: Settings) -> Policy:
    """Return the preflight's bounds that the settings ask for."""
    values = settings.values
    return Policy(
        deadline_s=values.deadline_s,
        max_attempts=values.max_attempts or None,
        mismatch_grace_s=values.mismatch_grace_s,
        # Connecting may take its bound per host; a passing attempt is four round trips of statements after that.
        attempt_timeout_s=values.connect_timeout_s * 4 + values.statement_timeout_s * 4,
        backoff=settings.backoff,
    )


def checker_of(settings: Settings, contract: Contract, environ: Mapping[str, str]) -> Checker:
    """Return what makes attempts for these settings."""
    values = settings.values
    return Checker(
        contract=contract,
        source=settings.source,
        environ=environ,
        limits=Limits(
            connect_timeout_s=values.connect_timeout_s,
            statement_timeout_s=values.statement_timeout_s,
            lock_timeout_s=values.lock_timeout_s,
        ),
        strict=values.strict,
    )


async def arriving_contract(path: str, wait_s: float) -> Contract:
    """Read the contract, waiting for its file to appear.

    Raises:
        ContractError: it cannot be read, or has not come within ``wait_s``.
    """
    ends_at = time.monotonic() + wait_s
    while True:
        try:
            return read_contract(path)
        except ContractError:
            if time.monotonic() >= ends_at or not is_arriving(path, time.time()):
                raise
        await asyncio.sleep(min(CONTRACT_POLL_S, max(0.0, ends_at - time.monotonic())))


async def run_preflight(checker: Checker, policy: Policy, notify: Callable[[Event], None]) -> Conclusion:
    """Make the preflight with the real clock, real waits and real chance."""
    return await preflight(
        checker.attempt,
        policy,
        clock=time.monotonic,
        wall_clock=time.time,
        sleep=asyncio.sleep,
        jitter=random.random,
        notify=notify,
    )
