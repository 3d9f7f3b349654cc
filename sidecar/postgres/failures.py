"""Exceptions of the driver and the operating system → Failure: translated once, here.

An exception means "could not find out". Its chain of causes is walked to the innermost error of the server,
for a wrapper's words must not hide the server's.
"""

import errno
import re
import socket
import ssl
from collections.abc import Iterator

from sidecar.model import CONNECTION_LOST, Disposition, Failure, Phase
from sidecar.postgres.target import TargetError
from sidecar.sqlstate import classify


class AttemptError(Exception):
    """An attempt could not find out. Carries why."""

    def __init__(self, failure: Failure) -> None:
        """Remember the failure."""
        super().__init__(str(failure))
        self.failure = failure


_ERRNO_REASONS: dict[int, str] = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.ECONNABORTED: "connection reset",
    errno.EPIPE: "connection reset",
    errno.ETIMEDOUT: "connection timed out",
    errno.EHOSTUNREACH: "host unreachable",
    errno.ENETUNREACH: "network unreachable",
    errno.EADDRNOTAVAIL: "network unreachable",
    errno.ENOENT: "no socket there",
}


def failure_of(error: BaseException, phase: Phase, secrets: tuple[str, ...] = ()) -> Failure:
    """Return what ``error`` means.

    Args:
        error: the exception as it was caught; its ``__cause__`` and ``__context__`` are walked.
        phase: where in the attempt it was caught.
        secrets: texts that must not appear in the message; replaced by ``***``.
    """
    chain = list(_chain(error))
    server_errors = [e for e in chain if isinstance(getattr(e, "sqlstate", None), str)]
    if server_errors:
        failure = _server_failure(server_errors[-1], phase)
    else:
        failure = next((f for e in chain if (f := _client_failure(e, phase)) is not None), None) or Failure(
            phase=phase,
            disposition=Disposition.UNDETERMINED,
            reason="unexpected error",
            message=f"{type(error).__name__}: {error}",
        )
    return scrubbed(failure, secrets)


def scrubbed(failure: Failure, secrets: tuple[str, ...]) -> Failure:
    """Return the failure with every text of ``secrets`` blotted out of its message."""
    message = failure.message
    for secret in secrets:
        for spelled in (secret, " ".join(secret.split())):  # messages have their white space folded
            message = message.replace(spelled, "***") if spelled else message
    return Failure(
        phase=failure.phase,
        disposition=failure.disposition,
        reason=failure.reason,
        message=message,
        sqlstate=failure.sqlstate,
        help=failure.help,
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes, outermost first; an error that causes itself ends the walk.

    So does one that was told already: a connection that is lost while a refusal is dealt with is lost, not refused.
    """
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen and not isinstance(following, AttemptError):
        seen.add(id(following))
        yield following
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)


def _server_failure(error: BaseException, phase: Phase) -> Failure:
    sqlstate = str(getattr(error, "sqlstate", ""))
    function = str(getattr(error, "server_source_function", None) or "")
    message = str(getattr(error, "message", None) or error)
    meaning = classify(phase, sqlstate, function=function, message=message)
    return Failure(
        phase=phase,
        disposition=meaning.disposition,
        reason=meaning.reason,
        message=" ".join(message.split()),
        sqlstate=sqlstate,
        help=_HELP.get(sqlstate, ""),
    )


_HELP: dict[str, str] = {
    "28P01": "Check the password in the secret that the sidecar and the application share.",
    "28000": "Check pg_hba.conf and the role's LOGIN attribute.",
    "3D000": "Check the database's name, and that it has been created.",
    "53300": "Raise max_connections or the role's CONNECTION LIMIT, or put a pooler in front.",
    "55P03": "A migration may hold a lock on a table of the contract; the preflight waits for it.",
}


def _client_failure(error: BaseException, phase: Phase) -> Failure | None:
    message = str(error)
    disposition = Disposition.RETRY
    match error:
        case TargetError():
            disposition, reason = Disposition.MISCONFIGURED, "database address not usable"
        case ssl.SSLCertVerificationError():
            disposition, reason = Disposition.REFUSED, "TLS certificate not trusted"
            message = error.verify_message or message
        case ssl.SSLError():
            reason = "TLS failed"
        case socket.gaierror():
            reason = "host name not resolved"
            message = error.strerror or message
        case TimeoutError():
            reason, message = ("connection timed out" if phase is Phase.CONNECT else "timed out"), ""
        case FileNotFoundError() | PermissionError() if phase is Phase.CONNECT and error.filename:
            if str(error.filename).rpartition("/")[2].startswith(".s.PGSQL."):
                reason = _ERRNO_REASONS.get(error.errno or 0, "socket not usable")
            else:
                disposition, reason = Disposition.MISCONFIGURED, "a file of the connection is not readable"
        case ConnectionError() if error.errno is None and "rejected SSL upgrade" in message:  # asyncpg's own words
            disposition, reason = Disposition.REFUSED, "server does not offer TLS"
        case OSError():
            reason = _os_reason(error)
        case _:
            return _driver_failure(error, phase)
    message = re.sub(r"\[Errno \d+\] ", "", " ".join(message.split()))
    return Failure(phase=phase, disposition=disposition, reason=reason, message=message)


def _os_reason(error: OSError) -> str:
    if error.errno is not None:
        return _ERRNO_REASONS.get(error.errno, "connection failed")
    # asyncio joins the errors of a name's several addresses into one text without an errno
    numbers = {int(number) for number in re.findall(r"\[Errno (\d+)\]", str(error))}
    reasons = {_ERRNO_REASONS.get(number, "connection failed") for number in numbers}
    return reasons.pop() if len(reasons) == 1 else "connection failed"


def _driver_failure(error: BaseException, phase: Phase) -> Failure | None:
    """Tell asyncpg's own exceptions by the names of their classes: this module does not need the driver loaded."""
    names = {cls.__name__ for cls in type(error).__mro__}
    message = " ".join(str(error).split())
    if "TargetServerAttributeNotMatched" in names:
        return Failure(
            phase=phase, disposition=Disposition.RETRY, reason="no host has the wanted role", message=message
        )
    if "ClientConfigurationError" in names or isinstance(error, ValueError | KeyError):
        return Failure(
            phase=phase,
            disposition=Disposition.MISCONFIGURED,
            reason="database address not usable",
            message=f"{type(error).__name__} in the connection's parameters",
        )
    if "InterfaceError" in names or "InternalClientError" in names:
        return Failure(phase=phase, disposition=Disposition.RETRY, reason=CONNECTION_LOST, message=message)
    return None
