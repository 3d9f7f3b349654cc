import errno
import socket
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model import Disposition, Failure, Phase
from sidecar.postgres.dsn import parse_dsn
from sidecar.postgres.failures import AttemptError, failure_of, scrubbed
from sidecar.postgres.target import TargetError, Tls
from sidecar.postgres.tls import ssl_arguments
from tests.unit import builders


class ServerError(Exception):
    """Like asyncpg's PostgresError: a message and a SQLSTATE."""

    def __init__(self, message: str, sqlstate: str | None = None, function: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate
        self.server_source_function = function


class InterfaceError(Exception):
    """Named like asyncpg's: classes are told by their names."""


class ClientConfigurationError(InterfaceError, ValueError):
    """Named like asyncpg's."""


class InternalClientError(Exception):
    """Named like asyncpg's."""


class TargetServerAttributeNotMatched(InternalClientError):  # noqa: N818 - the driver's name
    """Named like asyncpg's."""


def raised(*errors: BaseException, hidden: bool = False) -> BaseException:
    """Return the last error as raised while handling the one before it, and so on down to the first."""
    inner: BaseException | None = None
    for error in errors:
        if inner is not None and hidden:
            error.__context__, error.__suppress_context__ = inner, True
        else:
            error.__context__ = inner
        inner = error
    return errors[-1]


def test_the_servers_words_are_shown() -> None:
    """A server's error keeps its code and its message, in one line."""
    failure = failure_of(ServerError('role "x"\n does not exist', "28000"), Phase.CONNECT)
    assert ("28000", 'role "x" does not exist', Disposition.REFUSED) == (
        failure.sqlstate,
        failure.message,
        failure.disposition,
    )


@pytest.mark.parametrize(
    "wrapper", [RuntimeError("wrapped"), OSError("wrapped"), TimeoutError(), InterfaceError("x")], ids=repr
)
def test_a_wrapper_does_not_hide_the_server(wrapper: Exception) -> None:
    """Whatever was raised on top, the server's error below it decides and its message is shown."""
    failure = failure_of(raised(ServerError("no such table", "42P01"), wrapper), Phase.PROBE)
    assert ("42P01", "no such table", Disposition.INCOMPATIBLE) == (
        failure.sqlstate,
        failure.message,
        failure.disposition,
    )


def test_the_innermost_server_error_wins() -> None:
    """Of several errors of the server, the first to happen is the reason for the others."""
    error = raised(ServerError("lock timeout", "55P03"), ServerError("transaction aborted", "25P02"))
    assert "55P03" == failure_of(error, Phase.PROBE).sqlstate


def test_an_explicit_cause_is_walked() -> None:
    """An error raised from another leads to that one."""
    wrapper = RuntimeError("wrapped")
    wrapper.__cause__ = ServerError("gone", "57P01")
    assert "57P01" == failure_of(wrapper, Phase.PROBE).sqlstate


def test_a_context_that_was_cut_off_is_not_walked() -> None:
    """What was raised from None stands for itself."""
    failure = failure_of(
        raised(ServerError("x", "42P01"), ConnectionResetError(104, "reset"), hidden=True), Phase.PROBE
    )
    assert (None, "connection reset") == (failure.sqlstate, failure.reason)


@pytest.mark.parametrize("attribute", ["__cause__", "__context__"])
def test_a_circle_of_causes_ends(attribute: str) -> None:
    """Errors that cause each other do not hang the walk."""
    one, two = RuntimeError("one"), RuntimeError("two")
    setattr(one, attribute, two)
    setattr(two, attribute, one)
    assert Disposition.UNDETERMINED is failure_of(one, Phase.PROBE).disposition


def test_a_base_class_without_a_code_is_no_server_error() -> None:
    """The driver's base class has a sqlstate of None, which says nothing."""
    assert Disposition.UNDETERMINED is failure_of(ServerError("x", None), Phase.PROBE).disposition


def test_the_servers_function_decides() -> None:
    """The source function that the server names reaches the classification."""
    assert Disposition.RETRY is failure_of(ServerError("x", "0A000", "RevalidateCachedQuery"), Phase.PROBE).disposition


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ECONNREFUSED, "connection refused"),
        (errno.ECONNRESET, "connection reset"),
        (errno.ECONNABORTED, "connection reset"),
        (errno.EPIPE, "connection reset"),
        (errno.ETIMEDOUT, "connection timed out"),
        (errno.EHOSTUNREACH, "host unreachable"),
        (errno.ENETUNREACH, "network unreachable"),
        (errno.EADDRNOTAVAIL, "network unreachable"),
        (errno.ENOENT, "no socket there"),
        (errno.EMFILE, "connection failed"),
    ],
    ids=errno.errorcode.get,
)
def test_errors_of_the_system_are_retried_with_their_reason(number: int, reason: str) -> None:
    """An error of the operating system is told in a few stable words and retried."""
    failure = failure_of(OSError(number, "in the system's words"), Phase.CONNECT)
    assert (reason, Disposition.RETRY) == (failure.reason, failure.disposition)
    assert "Errno" not in failure.message


def test_several_addresses_that_refuse_alike_are_told_once() -> None:
    """asyncio's joined text for a name with several addresses still says what happened."""
    text = (
        "Multiple exceptions: [Errno 111] Connect call failed ('::1', 5432, 0, 0),"
        " [Errno 111] Connect call failed ('127.0.0.1', 5432)"
    )
    failure = failure_of(OSError(text), Phase.CONNECT)
    assert ("connection refused", Disposition.RETRY) == (failure.reason, failure.disposition)
    assert "Errno" not in failure.message


def test_several_addresses_that_fail_differently_are_told_in_general() -> None:
    """Two reasons at once are no one reason."""
    text = "Multiple exceptions: [Errno 111] Connect call failed, [Errno 101] Network is unreachable"
    assert "connection failed" == failure_of(OSError(text), Phase.CONNECT).reason


def verification_error() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("error", "phase", "reason", "disposition"),
    [
        (socket.gaierror(-2, "Name or service not known"), Phase.CONNECT, "host name not resolved", Disposition.RETRY),
        (TimeoutError(), Phase.CONNECT, "connection timed out", Disposition.RETRY),
        (TimeoutError(), Phase.PROBE, "timed out", Disposition.RETRY),
        (verification_error(), Phase.CONNECT, "TLS certificate not trusted", Disposition.REFUSED),
        (ssl.SSLError(1, "wrong version number"), Phase.CONNECT, "TLS failed", Disposition.RETRY),
        (FileNotFoundError(2, "No file", "/run/.s.PGSQL.5432"), Phase.CONNECT, "no socket there", Disposition.RETRY),
        (FileNotFoundError(2, "No such file or directory"), Phase.CONNECT, "no socket there", Disposition.RETRY),
        (PermissionError(13, "Permission denied", "/.postgresql/root.crt"), Phase.CONNECT,
         "a file of the connection is not readable", Disposition.MISCONFIGURED),
        (ClientConfigurationError("bad"), Phase.CONNECT, "database address not usable", Disposition.MISCONFIGURED),
        (ValueError("bad"), Phase.CONNECT, "database address not usable", Disposition.MISCONFIGURED),
        (KeyError("uid not found"), Phase.CONNECT, "database address not usable", Disposition.MISCONFIGURED),
        (InterfaceError("connection is closed"), Phase.PROBE, "connection lost", Disposition.RETRY),
        (InternalClientError("x"), Phase.CATALOG, "connection lost", Disposition.RETRY),
        (TargetServerAttributeNotMatched("x"), Phase.CONNECT, "no host has the wanted role", Disposition.RETRY),
        (TargetError("DATABASE_URL: x"), Phase.TARGET, "database address not usable", Disposition.MISCONFIGURED),
        (RuntimeError("x"), Phase.PROBE, "unexpected error", Disposition.UNDETERMINED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)  # fmt: skip
def test_errors_of_the_client_side(error: Exception, phase: Phase, reason: str, disposition: Disposition) -> None:
    """Each kind of error of the driver and the system has its words and its consequence."""
    failure = failure_of(error, phase)
    assert (phase, reason, disposition, None) == (failure.phase, failure.reason, failure.disposition, failure.sqlstate)


@pytest.mark.parametrize(
    "tls",
    [
        pytest.param(Tls(mode="verify-full", root_certificate="/nonexistent/ca.pem"), id="no CA file"),
        pytest.param(Tls(mode="verify-full", root_certificate="/dev/null"), id="empty CA file"),
        pytest.param(
            Tls(mode="require", certificate="/nonexistent/c.pem", key="/nonexistent/k.pem"), id="no certificate"
        ),
        pytest.param(Tls(mode="require", certificate="/dev/null"), id="empty certificate"),
    ],
)
def test_certificate_files_that_cannot_be_used_are_a_misconfiguration(tls: Tls) -> None:
    """A certificate file that is missing or broken does not heal by retrying, and is no missing socket."""
    with pytest.raises(Exception) as caught:
        ssl_arguments(tls)
    failure = failure_of(caught.value, Phase.CONNECT)
    assert Disposition.MISCONFIGURED is failure.disposition
    assert "socket" not in failure.reason


def test_the_drivers_complaint_about_a_parameter_is_not_repeated() -> None:
    """An error about a parameter's value may hold the value, so only its kind is told."""
    assert "canary" not in str(failure_of(ValueError("invalid literal: 'canary'"), Phase.CONNECT))


@pytest.mark.parametrize(
    "error",
    [
        ServerError("password is canary-S3cr3t", "28P01"),
        OSError("cannot use canary-S3cr3t"),
        OSError(111, "cannot use canary-S3cr3t"),
        RuntimeError("canary-S3cr3t canary-S3cr3t"),
        InterfaceError("with canary-S3cr3t"),
        ssl.SSLError(1, "key canary-S3cr3t"),
        raised(ServerError("canary-S3cr3t", "42P01"), RuntimeError("canary-S3cr3t")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_secrets_are_blotted_out(error: Exception) -> None:
    """A credential in any message is replaced, whoever wrote the message."""
    failure = failure_of(error, Phase.CONNECT, ("canary-S3cr3t",))
    assert "canary" not in str(failure)
    assert "***" in failure.message


@pytest.mark.parametrize("secret", ["two  spaces", "a\ttab", "a\nline"], ids=repr)
def test_secrets_with_space_in_them_are_blotted_out(secret: str) -> None:
    """Putting a message into one line does not let a credential slip through."""
    for error in (ServerError(f"password {secret} refused", "28P01"), OSError(f"password {secret} refused")):
        message = failure_of(error, Phase.CONNECT, (secret,)).message
        assert " ".join(secret.split()) not in message
        assert secret.rsplit(maxsplit=1)[-1] not in message.replace("refused", "")


def test_a_secret_inside_of_another_is_blotted_out_whole() -> None:
    """A target's credentials come longest first, so that none leaves the end of another behind."""
    target = parse_dsn("postgresql://u:abcd@h/d?sslpassword=abcdefgh", {})
    assert "x *** y" == scrubbed(builders.failure(message="x abcdefgh y"), target.secrets).message


@given(
    secret=st.text(st.characters(codec="utf-8"), min_size=4, max_size=12).filter(
        lambda text: text.strip("* ") == text and len(text.split()) == 1
    ),
    before=st.text(max_size=10),
    after=st.text(max_size=10),
)
def test_any_secret_is_blotted_out(secret: str, before: str, after: str) -> None:
    """Whatever the credential and wherever it stands, it does not come out."""
    failure = failure_of(ServerError(f"{before}{secret}{after}", "28P01"), Phase.CONNECT, (secret,))
    assert secret not in failure.message


def test_an_attempt_error_tells_its_failure() -> None:
    """The exception's text is the failure's line."""
    failure = builders.failure(sqlstate="53300", message="sorry")
    assert "connection refused: sorry (SQLSTATE 53300)" == str(AttemptError(failure))


@pytest.mark.parametrize(
    ("failure", "line"),
    [
        (builders.failure(), "connection refused"),
        (builders.failure(message="Connection Refused"), "connection refused"),
        (builders.failure(message="no route"), "connection refused: no route"),
        (builders.failure(sqlstate="57P03"), "connection refused (SQLSTATE 57P03)"),
    ],
)
def test_a_failure_is_one_line(failure: Failure, line: str) -> None:
    """The message is added where it says more than the reason, the code where there is one."""
    assert line == str(failure)
