"""Tls → what asyncpg takes for its ``ssl`` argument."""

import contextlib
import ssl
from collections.abc import Iterator
from typing import Literal

from sidecar.postgres.target import TargetError, Tls


def ssl_argument(tls: Tls) -> ssl.SSLContext | Literal["allow", "prefer", False]:
    """Return asyncpg's ``ssl`` argument.

    ``prefer`` and ``allow`` go as words, for asyncpg does their fallbacks; the others as a context built here, so
    that what is verified does not depend on files in a home directory.

    Raises:
        TargetError: a certificate file cannot be read or used; the message names the parameter.
    """
    if tls.mode == "disable":
        return False
    if tls.mode == "allow" or tls.mode == "prefer":  # noqa: PLR1714 - mypy narrows the word by equality only
        return tls.mode
    context = _context(tls)
    if tls.revocation_list:
        with _named("sslcrl"):
            context.load_verify_locations(cafile=tls.revocation_list)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    if tls.certificate:
        password = None if tls.key_password is None else tls.key_password.reveal()
        with _named("sslcert or sslkey"):
            context.load_cert_chain(tls.certificate, tls.key, password)
    return context


def _context(tls: Tls) -> ssl.SSLContext:
    if not tls.mode.startswith("verify"):
        return _unverified()
    with _named("sslrootcert"):
        file = None if tls.root_certificate == "system" else tls.root_certificate
        context = ssl.create_default_context(cafile=file)
    context.check_hostname = tls.mode == "verify-full"
    return context


@contextlib.contextmanager
def _named(parameter: str) -> Iterator[None]:
    """Tell a file that cannot be used by the parameter that names it."""
    try:
        yield
    except OSError as error:  # ssl.SSLError is one
        reason = (error.strerror or type(error).__name__).lower()
        raise TargetError(f"the database URL's {parameter} names a file that cannot be used: {reason}") from error


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
