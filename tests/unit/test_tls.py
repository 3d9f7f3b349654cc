import ssl
from pathlib import Path

import pytest

from sidecar.postgres.dsn import parse_dsn
from sidecar.postgres.target import TargetError, Tls, TlsMode
from sidecar.postgres.tls import may_try_the_other_way, offers_no_tls, refusal, ssl_arguments


class ServerError(Exception):
    """Like asyncpg's PostgresError: it has a SQLSTATE."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__("in the server's words")
        self.sqlstate = sqlstate


def context_of(tls: Tls) -> ssl.SSLContext:
    context = next(way for way in ssl_arguments(tls) if way is not False)
    assert isinstance(context, ssl.SSLContext)
    return context


@pytest.mark.parametrize(
    ("mode", "encrypted"),
    [
        ("disable", [False]),
        ("allow", [False, True]),
        ("prefer", [True, False]),
        ("require", [True]),
        ("verify-ca", [True]),
        ("verify-full", [True]),
    ],
)
def test_plain_text_is_tried_only_where_the_mode_allows_it(mode: TlsMode, encrypted: list[bool]) -> None:
    """Each mode has its ways in, in libpq's order; from require on there is no way without TLS."""
    assert encrypted == [way is not False for way in ssl_arguments(Tls(mode=mode))]


@pytest.mark.parametrize(
    ("mode", "verify", "hostname"),
    [
        ("allow", ssl.CERT_NONE, False),
        ("prefer", ssl.CERT_NONE, False),
        ("require", ssl.CERT_NONE, False),
        ("verify-ca", ssl.CERT_REQUIRED, False),
        ("verify-full", ssl.CERT_REQUIRED, True),
    ],
)
def test_what_is_verified_follows_libpq(mode: TlsMode, verify: ssl.VerifyMode, hostname: bool) -> None:
    """The certificate and the host name are verified exactly where libpq verifies them."""
    context = context_of(Tls(mode=mode))
    assert (verify, hostname) == (context.verify_mode, context.check_hostname)


@pytest.mark.parametrize("query", ["sslmode=no-verify", "sslmode=no-verify&sslrootcert=/nonexistent/ca.pem"])
def test_no_verify_verifies_nothing(query: str) -> None:
    """What node-postgres does not verify is not verified here either, a root certificate or not."""
    assert ssl.CERT_NONE is context_of(parse_dsn(f"postgresql://u@h/d?{query}", {}).tls).verify_mode


def test_the_systems_store_is_used_for_system() -> None:
    """sslrootcert=system verifies against the system's certificates."""
    context = context_of(Tls(mode="verify-full", root_certificate="system"))
    assert ssl.CERT_REQUIRED is context.verify_mode


def test_versions_are_bounded() -> None:
    """TLS 1.2 is the oldest that is spoken; both bounds can be drawn closer."""
    assert ssl.TLSVersion.TLSv1_2 is context_of(Tls(mode="require")).minimum_version
    context = context_of(Tls(mode="require", minimum_version="TLSv1.3"))
    assert ssl.TLSVersion.TLSv1_3 is context.minimum_version
    context = context_of(Tls(mode="require", maximum_version="TLSv1.2"))
    assert ssl.TLSVersion.TLSv1_2 is context.maximum_version


@pytest.mark.parametrize(
    ("tls", "words"),
    [
        (Tls(mode="verify-full", root_certificate="/nonexistent"), "sslrootcert names .* no such file"),
        (Tls(mode="verify-full", root_certificate="/dev/null"), "sslrootcert names .* not in PEM form"),
        (Tls(mode="verify-ca", revocation_list="/nonexistent"), "sslcrl names .* no such file"),
        (Tls(mode="require", certificate="/nonexistent"), "sslcert or sslkey names .* no such file"),
        (Tls(mode="prefer", certificate="/dev/null"), "sslcert or sslkey .* or encrypted with another sslpassword"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_by_its_parameter(tls: Tls, words: str) -> None:
    """Which of the files is missing or broken is said by the name of the key that leads there."""
    with pytest.raises(TargetError, match=words):
        ssl_arguments(tls)


def test_a_directory_of_revocation_lists_is_looked_at(tmp_path: Path) -> None:
    """With sslcrldir the whole chain is checked against revocation lists."""
    context = context_of(Tls(mode="verify-ca", revocation_directory=str(tmp_path)))
    assert context.verify_flags & ssl.VERIFY_CRL_CHECK_CHAIN


def lost_by(cause: Exception) -> Exception:
    """A lost connection as asyncpg tells it."""
    error = ServerError("08003")
    error.__cause__ = cause
    return error


def ssl_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] in OpenSSL's words")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ssl_error("TLSV1_ALERT_UNKNOWN_CA"), "server refused the client certificate"),
        (lost_by(ssl_error("TLSV1_ALERT_UNKNOWN_CA")), "server refused the client certificate"),
        (lost_by(ConnectionResetError()), ""),
        (ssl_error("TLSV13_ALERT_CERTIFICATE_REQUIRED"), "server refused the client certificate"),
        (ssl_error("SSLV3_ALERT_CERTIFICATE_EXPIRED"), "server refused the client certificate"),
        (ssl_error("SSLV3_ALERT_HANDSHAKE_FAILURE"), "server refused the TLS handshake"),
        (ssl_error("TLSV1_ALERT_PROTOCOL_VERSION"), "no common TLS version"),
        (ssl_error("WRONG_VERSION_NUMBER"), "no common TLS version"),
        (ssl_error("TLSV1_ALERT_INTERNAL_ERROR"), ""),
        (ssl_error("UNEXPECTED_EOF_WHILE_READING"), ""),
        (ssl.SSLCertVerificationError(1, "x"), ""),  # told elsewhere, with the reason for it
        (ConnectionResetError(), ""),
        (ServerError("28000"), ""),
    ],
    ids=repr,
)
def test_a_refused_handshake_is_told_from_one_that_broke_off(error: Exception, reason: str) -> None:
    """An alert of the other side does not heal by retrying; a connection that broke off may."""
    assert reason == refusal(error)


@pytest.mark.parametrize(
    ("error", "may"),
    [
        (ConnectionError('PostgreSQL server at "h:1" rejected SSL upgrade'), True),
        (ssl_error("WRONG_VERSION_NUMBER"), True),
        (ServerError("28000"), True),
        (ServerError("08P01"), True),
        (lost_by(ssl_error("TLSV1_ALERT_UNKNOWN_CA")), True),
        (lost_by(ConnectionResetError()), False),
        (ServerError("28P01"), False),
        (ServerError("53300"), False),
        (ConnectionRefusedError(), False),
        (TimeoutError(), False),
        (ConnectionError("server sent an error response during SSL exchange"), False),
    ],
    ids=repr,
)
def test_the_other_way_is_tried_only_where_it_may_help(error: Exception, may: bool) -> None:
    """With or without TLS, a wrong password and a dead server stay what they are."""
    assert may is may_try_the_other_way(error)
    assert offers_no_tls(error) is ("rejected SSL upgrade" in str(error))
