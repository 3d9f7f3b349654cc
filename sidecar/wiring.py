"""Settings → a running preflight: what ``serve`` and ``check`` share."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping

from sidecar.attempt import Checker
from sidecar.model import Contract
from sidecar.postgres.session import Limits
from sidecar.preflight import Policy, preflight
from sidecar.readiness import Event
from sidecar.report import Conclusion
from sidecar.settings import Settings


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
