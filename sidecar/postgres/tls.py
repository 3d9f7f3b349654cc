"""Tls → what asyncpg takes for its ``ssl`` argument."""

import ssl
from typing import Literal

from sidecar.postgres.target import Tls


def ssl_argument(tls: Tls) -> ssl.SSLContext | Literal["allow", "prefer", False]:
    """Return asyncpg's ``ssl`` argument.

    ``prefer`` and ``allow`` go as words, for asyncpg does their fallbacks; the others as a context built here, so
    that what is verified does not depend on files in a home directory.

    Raises:
        OSError, ssl.SSLError: a certificate file cannot be read or used.
    """
    if tls.mode == "disable":
        return False
    if tls.mode == "allow" or tls.mode == "prefer":  # noqa: PLR1714 - mypy narrows the word by equality only
        return tls.mode
    if tls.root_certificate in (None, "system"):
        context = ssl.create_default_context() if tls.mode.startswith("verify") else _unverified()
    else:
        context = ssl.create_default_context(cafile=tls.root_certificate)
    if tls.mode == "verify-ca":
        context.check_hostname = False
    if tls.revocation_list:
        context.load_verify_locations(cafile=tls.revocation_list)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    if tls.certificate:
        password = None if tls.key_password is None else tls.key_password.reveal()
        context.load_cert_chain(tls.certificate, tls.key, password)
    return context


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
