import ssl

import pytest

from sidecar.postgres.dsn import parse_dsn
from sidecar.postgres.target import Tls, TlsMode
from sidecar.postgres.tls import ssl_argument


def test_disable_means_no_tls() -> None:
    """With disable nothing is encrypted."""
    assert ssl_argument(Tls(mode="disable")) is False


@pytest.mark.parametrize("mode", ["allow", "prefer"])
def test_modes_with_a_fallback_are_left_to_the_driver(mode: TlsMode) -> None:
    """The driver itself falls back where the mode allows it."""
    assert mode == ssl_argument(Tls(mode=mode))


@pytest.mark.parametrize(
    ("mode", "verify", "hostname"),
    [
        ("require", ssl.CERT_NONE, False),
        ("verify-ca", ssl.CERT_REQUIRED, False),
        ("verify-full", ssl.CERT_REQUIRED, True),
    ],
)
def test_what_is_verified_follows_libpq(mode: TlsMode, verify: ssl.VerifyMode, hostname: bool) -> None:
    """The certificate and the host name are verified exactly where libpq verifies them."""
    context = ssl_argument(Tls(mode=mode))
    assert isinstance(context, ssl.SSLContext)
    assert (verify, hostname) == (context.verify_mode, context.check_hostname)


@pytest.mark.parametrize(
    "query", ["sslmode=no-verify", "ssl=true", "sslmode=no-verify&sslrootcert=/nonexistent/ca.pem"]
)
def test_no_verify_verifies_nothing(query: str) -> None:
    """What node-postgres does not verify is not verified here either, a root certificate or not."""
    context = ssl_argument(parse_dsn(f"postgresql://u@h/d?{query}", {}).tls)
    assert isinstance(context, ssl.SSLContext)
    assert ssl.CERT_NONE is context.verify_mode


def test_the_systems_store_is_used_for_system() -> None:
    """sslrootcert=system verifies against the system's certificates."""
    context = ssl_argument(Tls(mode="verify-full", root_certificate="system"))
    assert isinstance(context, ssl.SSLContext)
    assert ssl.CERT_REQUIRED is context.verify_mode
