"""Tls → what asyncpg takes for its ``ssl`` argument, and which of TLS's failures do not heal."""

import contextlib
import ssl
from collections.abc import Iterator
from typing import Literal

from sidecar.postgres.target import TargetError, Tls

SslArgument = ssl.SSLContext | Literal[False]

_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


def ssl_arguments(tls: Tls) -> tuple[SslArgument, ...]:
    """Return asyncpg's ``ssl`` arguments, in the order in which they are to be tried.

    There are two only where the mode allows to fall back. Contexts are built here, so that what is verified does
    not depend on files in a home directory, and for asyncpg's own fallback knows no client certificate.

    Raises:
        TargetError: a certificate file cannot be read or used; the message names the parameter.
    """
    match tls.mode:
        case "disable":
            return (False,)
        case "allow":
            return (False, _context(tls))
        case "prefer":
            return (_context(tls), False)
    return (_context(tls),)


def may_try_the_other_way(error: BaseException) -> bool:
    """True if ``error`` may be about TLS: the server does not speak it, or not without, or lets nobody in so."""
    # 28000 is pg_hba.conf's, 08P01 PgBouncer's. A wrong password is as wrong the other way.
    if getattr(error, "sqlstate", None) in ("28000", "08P01"):
        return True
    return _handshake_error(error) is not None or offers_no_tls(error)


def offers_no_tls(error: BaseException) -> bool:
    """True if the server has answered that it does not speak TLS."""
    return isinstance(error, ConnectionError) and "rejected SSL upgrade" in str(error)  # asyncpg's own words


_TRANSIENT_ALERTS = ("CLOSE_NOTIFY", "USER_CANCELLED", "INTERNAL_ERROR", "NO_RENEGOTIATION")
_DISAGREEMENTS = ("WRONG_VERSION_NUMBER", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE", "HTTP_REQUEST")


def refusal(error: BaseException) -> str:
    """Return the reason if either side refused the other in the handshake; trying again would not mend that."""
    found = _handshake_error(error)
    if found is None or isinstance(found, ssl.SSLCertVerificationError):
        return ""
    reason = found.reason or ""
    if reason in _DISAGREEMENTS or "PROTOCOL_VERSION" in reason:
        return "no common TLS version"
    if "ALERT" not in reason or reason.endswith(_TRANSIENT_ALERTS):
        return ""
    if "UNKNOWN_CA" in reason or "CERTIFICATE" in reason or "DECRYPT_ERROR" in reason:
        return "server refused the client certificate"
    return "server refused the TLS handshake"


def _handshake_error(error: BaseException | None) -> ssl.SSLError | None:
    """Return OpenSSL's error. In TLS 1.3 a server refuses a certificate when the client takes the handshake to be over.

    The driver has it as the cause of a lost connection then.
    """
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__
    return error


def _context(tls: Tls) -> ssl.SSLContext:
    if tls.mode.startswith("verify"):
        with _named("sslrootcert"):
            file = None if tls.root_certificate == "system" else tls.root_certificate
            context = ssl.create_default_context(cafile=file)
        context.check_hostname = tls.mode == "verify-full"
        _add_revocations(context, tls)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.minimum_version = _VERSIONS[tls.minimum_version or "TLSv1.2"]
    if tls.maximum_version:
        context.maximum_version = _VERSIONS[tls.maximum_version]
    context.set_alpn_protocols(["postgresql"])  # a server demands it of direct TLS
    if tls.certificate:
        # Without a function, OpenSSL would ask for the password of an encrypted key on the terminal.
        password = "" if tls.key_password is None else tls.key_password.reveal()
        with _named("sslcert or sslkey"):
            context.load_cert_chain(tls.certificate, tls.key, lambda: password)
    return context


def _add_revocations(context: ssl.SSLContext, tls: Tls) -> None:
    if tls.revocation_list:
        with _named("sslcrl"):
            context.load_verify_locations(cafile=tls.revocation_list)
    if tls.revocation_directory:
        with _named("sslcrldir"):
            context.load_verify_locations(capath=tls.revocation_directory)
    if tls.revocation_list or tls.revocation_directory:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN


@contextlib.contextmanager
def _named(parameter: str) -> Iterator[None]:
    """Tell a file that cannot be used by the parameter that names it."""
    try:
        yield
    except ssl.SSLError as error:
        reason = "certificate and key do not belong together"
        if error.reason != "KEY_VALUES_MISMATCH":
            reason = "not in PEM form" + (", or encrypted with another sslpassword" if "key" in parameter else "")
        raise TargetError(f"the database URL's {parameter} names a file that cannot be used: {reason}") from error
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise TargetError(f"the database URL's {parameter} names a file that cannot be used: {reason}") from error
