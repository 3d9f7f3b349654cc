"""The daemon, put together: listeners, preflight, signals, drain, last words, exit code. Reads from the top down."""

import asyncio
import contextlib
import gc
import platform
import random
import signal
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry

from sidecar import __version__, drift, logs
from sidecar.attempt import Checker
from sidecar.bugs import bug_line, frames_of
from sidecar.contract.errors import ContractError
from sidecar.endpoints import BusyError, admin_app, probe_app
from sidecar.listen import ListenError, bind, shown
from sidecar.metrics import Metrics
from sidecar.model import Contract, Disposition, Failure
from sidecar.model import Phase as AttemptPhase
from sidecar.postgres.target import TargetError
from sidecar.preflight import OUTCOMES
from sidecar.readiness import Concluded, DrainStarted, DriftChecked, Event, PassRestored, Phase, State, advance
from sidecar.report import Conclusion, ContractSummary, ExitCode, Outcome, Report, termination_message
from sidecar.settings import Settings, Values
from sidecar.state_file import Key, Pass, StateFileError, key_of, read_pass, write_pass
from sidecar.status import About
from sidecar.termination import write_termination_log
from sidecar.wiring import arriving_contract, checker_of, policy_of, run_preflight

CONNECTIONS_END_WITHIN_S = 0.2
"""How long open HTTP connections may delay the exit."""


async def serve(settings: Settings, environ: Mapping[str, str], logger: logs.Logger) -> ExitCode:
    """Run the daemon from start to exit.

    Args:
        settings: the settings in force.
        environ: where the database's address is read again for each attempt.
        logger: takes one line an attempt and one a transition.

    Returns:
        The exit code; the termination message is written and the last line logged by then.
    """
    daemon = _Daemon(settings, environ, logger)
    with _signals() as stop:
        try:
            async with daemon.listening():
                code = await daemon.run(stop)
        except ListenError as error:
            daemon.misconfigured((str(error),))
            code = ExitCode.MISCONFIGURED
    last_words(settings.values, logger, code, daemon.state.conclusion, daemon.last_line(code))
    return code


def last_words(values: Values, logger: logs.Logger, code: ExitCode, conclusion: Conclusion | None, line: str) -> None:
    """Leave the termination message of a failed run, and log the last line."""
    if code is not ExitCode.OK:
        message = f"{line}\nexit code {int(code)}\n".encode(errors="replace")
        if conclusion is not None and conclusion.exit_code is code:
            message = termination_message(conclusion)
        error = write_termination_log(values.termination_log, message)
        if error is not None:
            logger.warning(logs.TERMINATION_LOG_FAILED, path=values.termination_log, error=error.strerror)
    logs.log_exit(logger, code, conclusion, line)


class _Daemon:
    def __init__(self, settings: Settings, environ: Mapping[str, str], logger: logs.Logger) -> None:
        self.state = State(since=time.time())
        self._settings = settings
        self._environ = environ
        self._logger = logger
        self._metrics = Metrics(CollectorRegistry(), drift_interval_s=settings.values.drift_interval_s)
        self._about = About(
            version=__version__,
            python=platform.python_version(),
            contract_file=settings.values.contract,
            drift_interval_s=settings.values.drift_interval_s,
            settings=settings.in_force,
        )
        self._checker: Checker | None = None
        self._is_asked = False
        self._one_connection = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Answer on both listeners, from before the first attempt until the end.

        Raises:
            ListenError: a listener cannot be bound.
        """
        count = self._metrics.observe_request
        apps = [("SIDECAR_LISTEN", self._settings.listen, probe_app(self._current, self._metrics.expose, count))]
        if self._settings.admin_listen is not None:
            admin = admin_app(self._current, self._describe, self._check, count)
            apps.append(("SIDECAR_ADMIN_LISTEN", self._settings.admin_listen, admin))
        async with contextlib.AsyncExitStack() as stack:
            listeners = []
            for variable, address, _ in apps:
                try:
                    listeners.append(stack.enter_context(contextlib.closing(bind(address))))
                except ListenError as error:
                    raise ListenError(f"{variable}: {error}") from error
            for (_, _, app), listener in zip(apps, listeners, strict=True):
                runner = web.AppRunner(
                    app, handle_signals=False, access_log=None, shutdown_timeout=CONNECTIONS_END_WITHIN_S
                )
                await runner.setup()
                stack.push_async_callback(runner.cleanup)
                await web.SockSite(runner, listener).start()
            addresses = [shown(listener) for listener in listeners]
            self._logger.info(logs.LISTENING, probe=addresses[0], admin=addresses[1] if len(addresses) > 1 else None)
            yield

    async def run(self, stop: "asyncio.Future[signal.Signals]") -> ExitCode:
        """Load the contract, make the preflight, stay while ready, and return the exit code."""
        for variable in self._settings.ignored_variables:
            self._logger.warning(logs.VARIABLE_IGNORED, variable=variable)
        if self._settings.ignored_keys:
            self._logger.debug(logs.KEYS_IGNORED, keys=list(self._settings.ignored_keys))
        values = self._settings.values
        reading = asyncio.create_task(arriving_contract(values.contract, values.contract_wait_s))
        await asyncio.wait((reading, stop), return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            reading.cancel()
            return self._interrupted(stop.result())
        try:
            contract = reading.result()
        except ContractError as error:
            self.misconfigured(error.lines)
            return ExitCode.MISCONFIGURED
        self._note_contract(contract)
        self._checker = checker_of(self._settings, contract, self._environ)
        if not self._restored(contract):
            task = asyncio.create_task(run_preflight(self._checker, policy_of(self._settings), self._apply))
            await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                await _cancelled(task)
                return self._interrupted(stop.result())
            conclusion = task.result()
            if conclusion.outcome is not Outcome.COMPATIBLE:
                return conclusion.exit_code
            self._remember(contract, conclusion.report)
        gc.collect()  # the catalog and the contract's scaffolding go now, not at some scrape
        await self._stay(stop)
        return ExitCode.OK

    async def _stay(self, stop: "asyncio.Future[signal.Signals]") -> None:
        """Stay ready until told to stop, looking for drift meanwhile; then drain."""
        schedule = drift.Schedule(
            interval_s=self._settings.values.drift_interval_s,
            backoff=msgspec.structs.replace(self._settings.backoff, max_s=drift.VERIFY_MAX_S),
        )
        is_restored = self.state.restored_from is not None
        watching = asyncio.create_task(
            drift.watch(self._look, schedule, is_restored=is_restored, sleep=asyncio.sleep, jitter=random.random)
        )
        received = await asyncio.shield(stop)
        self._apply(DrainStarted(at=time.time(), signal=received.name))
        await _cancelled(watching)
        await self._drain()

    def last_line(self, code: ExitCode) -> str:
        """Return the one line that says why the process ends."""
        if code not in (ExitCode.TERMINATED, ExitCode.INTERRUPTED):
            return self.state.line
        if self.state.blocked_by is not None:
            return f"interrupted while a mismatch was checked again: {self.state.blocked_by.headline}"
        failure = self.state.last_failure
        return "interrupted before a verdict" + (f": {failure}" if failure else "")

    def misconfigured(self, problems: tuple[str, ...]) -> None:
        """Conclude before any attempt."""
        self._apply(Concluded(at=time.time(), conclusion=Conclusion.misconfigured(problems)))

    async def _drain(self) -> None:
        """Answer 503 for the drain period; a second signal ends it."""
        if self._settings.values.drain_s:
            with _signals() as again, contextlib.suppress(TimeoutError):
                await asyncio.wait_for(again, self._settings.values.drain_s)

    def _interrupted(self, received: signal.Signals) -> ExitCode:
        self._apply(DrainStarted(at=time.time(), signal=received.name))
        return ExitCode.INTERRUPTED if received is signal.SIGINT else ExitCode.TERMINATED

    async def _check(self) -> Conclusion:
        """Make one attempt on demand. It changes no readiness; once ready, what it finds is drift."""
        if self._checker is None or self.state.phase in (Phase.STARTING, Phase.CHECKING, Phase.BLOCKED):
            raise BusyError("the preflight is under way; see /status")
        if self._is_asked:
            raise BusyError("another check is under way")
        self._is_asked = True
        began = time.monotonic()
        try:
            result = await self._look()
        finally:
            self._is_asked = False
        elapsed_s = time.monotonic() - began
        if isinstance(result, Report):
            return Conclusion(outcome=Outcome(result.verdict), attempts=1, elapsed_s=elapsed_s, report=result)
        return Conclusion(outcome=OUTCOMES[result.disposition], attempts=1, elapsed_s=elapsed_s, failure=result)

    async def _look(self) -> Report | Failure:
        """Make one attempt after the preflight, never two at a time, and tell what it found."""
        assert self._checker is not None
        async with self._one_connection:
            began = time.monotonic()
            try:
                result = await self._checker.attempt(policy_of(self._settings).attempt_timeout_s, 0)
            except Exception as error:  # a bug is no reason to close /ready, nor to stop looking
                self._logger.debug(logs.BUG, frames=frames_of(error))
                result = Failure(
                    phase=AttemptPhase.CATALOG, disposition=Disposition.UNDETERMINED, reason=bug_line(error)
                )
            duration_s = time.monotonic() - began
        report, failure = (result, None) if isinstance(result, Report) else (None, result)
        self._apply(DriftChecked(at=time.time(), duration_s=duration_s, report=report, failure=failure))
        return result

    def _restored(self, contract: Contract) -> bool:
        """Open /ready with the pass that an earlier process of this pod left, if there is one."""
        path = self._settings.values.state_file
        key = self._key(contract)
        if path == "off" or key is None:
            return False
        try:
            found = read_pass(path, key)
        except StateFileError as error:
            self._note(logs.STATE_FILE_UNUSED, str(error))
            return False
        if found is not None:
            self._apply(PassRestored(at=time.time(), verdict_at=found.verdict_at, report=found.report))
        return found is not None

    def _remember(self, contract: Contract, report: Report | None) -> None:
        """Leave the pass for the next process of this pod."""
        path = self._settings.values.state_file
        key = self._key(contract)
        if path == "off" or key is None or report is None:
            return
        try:
            write_pass(path, Pass(key=key, verdict_at=self.state.since, report=report))
        except (OSError, ValueError) as error:  # ValueError: a name that is no text
            self._note(logs.STATE_FILE_FAILED, (getattr(error, "strerror", None) or type(error).__name__).lower())

    def _key(self, contract: Contract) -> Key | None:
        """Return what a pass of this process is about; None where the database's address cannot be read now."""
        try:
            target = self._settings.source.load(self._environ)
        except TargetError:
            return None
        return key_of(contract.digest, self._settings.values.pod_uid, target)

    def _note(self, event: str, error: str) -> None:
        """Tell what went wrong with the state file, in the log and in /status."""
        path = self._settings.values.state_file
        self._logger.warning(event, path=path, error=error)
        note = f"{event}: {path}: {error}"
        self._about = msgspec.structs.replace(self._about, notes=(*self._about.notes, note))

    def _note_contract(self, contract: Contract) -> None:
        summary = ContractSummary.of(contract)
        self._metrics.observe_contract(summary)
        written_at = None
        with contextlib.suppress(OSError):
            written_at = Path(self._settings.values.contract).stat().st_mtime
        self._about = msgspec.structs.replace(self._about, contract=summary, contract_written_at=written_at)
        self._logger.info(
            logs.CONTRACT_LOADED,
            contract=summary.name,
            digest=summary.digest,
            relations=summary.relations,
            columns=summary.columns,
        )

    def _current(self) -> State:
        return self.state

    def _describe(self) -> About:
        return self._about

    def _apply(self, event: Event) -> None:
        self.state = advance(self.state, event)
        self._metrics.observe(self.state, event)
        logs.observe(self._logger, self.state, event)


async def _cancelled(task: "asyncio.Task[Any]") -> None:
    """End a task and wait until it has let go of its connection."""
    task.cancel()
    await asyncio.wait((task,))


@contextlib.contextmanager
def _signals() -> "Iterator[asyncio.Future[signal.Signals]]":
    """Give a future that the first SIGTERM or SIGINT completes."""
    loop = asyncio.get_running_loop()
    received: asyncio.Future[signal.Signals] = loop.create_future()

    def receive(number: signal.Signals) -> None:
        if not received.done():
            received.set_result(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, receive, number)
    yield received
