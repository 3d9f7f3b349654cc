"""Every sslmode against every kind of server: what is let through, what is refused, and in which words."""

import asyncio
import contextlib
import os
import shutil
import signal
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest

from sidecar.embedded import EmbeddedPostgres, embedded_postgres
from sidecar.model import Failure, Phase
from sidecar.postgres.dsn import parse_dsn
from sidecar.postgres.session import Limits, open_session
from tests.conftest import PASSWORD
from tests.integration.authority import OPENSSL, Authority, Certificate
from tests.integration.connecting import DEBIAN_BINARIES, connect, told
from tests.integration.process import command, running
from tests.integration.schemas import write_contract

pytestmark = [
    pytest.mark.skipif(not DEBIAN_BINARIES.is_dir(), reason=f"no PostgreSQL with TLS in {DEBIAN_BINARIES}"),
    pytest.mark.skipif(OPENSSL is None, reason="no openssl program to make certificates with"),
]

KEY_PASSWORD = "k@y #pass"
ROLES = ("app", "tlsonly", "plainonly", "certified")
ACCESS = """
local   all all                    trust
hostssl all certified 127.0.0.1/32 scram-sha-256 clientcert=verify-ca
hostssl all tlsonly   127.0.0.1/32 scram-sha-256
hostnossl all plainonly 127.0.0.1/32 scram-sha-256
host    all app,postgres 127.0.0.1/32 scram-sha-256
"""


class World(NamedTuple):
    """A server that can change its certificate, and everybody's files."""

    server: EmbeddedPostgres
    ca: Authority
    other_ca: Authority
    client: Certificate
    encrypted_client: Certificate
    wrong_client: Certificate
    revoked: Path
    nothing_revoked: Path

    def url(self, query: str, *, user: str = "app", host: str = "localhost", scheme: str = "postgresql") -> str:
        files = {
            "CA": self.ca.root,
            "OTHER": self.other_ca.root,
            "CERT": self.client.certificate,
            "KEY": self.client.key,
            "ENCRYPTED_CERT": self.encrypted_client.certificate,
            "ENCRYPTED_KEY": self.encrypted_client.key,
            "WRONG_CERT": self.wrong_client.certificate,
            "WRONG_KEY": self.wrong_client.key,
            "REVOKED": self.revoked,
            "NOTHING_REVOKED": self.nothing_revoked,
        }
        for name in sorted(files, key=len, reverse=True):
            query = query.replace(f"={name}", f"={quote(str(files[name]))}")
        return f"{scheme}://{user}:{PASSWORD}@{host}:{self.server.port}/postgres?{query}"


SERVER_CERTIFICATES = ("trusted", "elsewhere", "expired", "revoked")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("tls")
    ca, other_ca = Authority(directory / "ca"), Authority(directory / "other")
    names = "DNS:localhost,IP:127.0.0.1"
    certificates = {
        "trusted": ca.issue("trusted", alternatives=names),
        "elsewhere": ca.issue("elsewhere", alternatives="DNS:db.example.com"),
        "expired": ca.issue("late", alternatives=names, expired=True),
        "revoked": ca.issue("revoked", alternatives=names),
    }
    nothing_revoked = ca.revocations("nothing")
    ca.revoke(certificates["revoked"])
    with embedded_postgres(DEBIAN_BINARIES) as server:
        owner = server.data.stat()
        for name, certificate in certificates.items():
            for source, kind in ((certificate.certificate, "pem"), (certificate.key, "key")):
                target = server.data / f"{name}.{kind}"
                shutil.copy(source, target)
                target.chmod(0o600)
                os.chown(target, owner.st_uid, owner.st_gid)
        root = server.data / "root.pem"
        shutil.copy(ca.root, root)
        root.chmod(0o644)
        (server.data / "pg_hba.conf").write_text(ACCESS)
        with (server.data / "postgresql.conf").open("a") as configuration:
            configuration.write("\nssl_ca_file = 'root.pem'\ninclude 'tls.conf'\n")
        _choose(server, "trusted")
        server.start()
        made = World(
            server=server,
            ca=ca,
            other_ca=other_ca,
            client=ca.issue("certified"),
            encrypted_client=ca.issue("certified", password=KEY_PASSWORD),
            wrong_client=other_ca.issue("certified"),
            revoked=ca.revocations("revoked"),
            nothing_revoked=nothing_revoked,
        )
        for role in ROLES:
            _execute(server, f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
        yield made


def _choose(server: EmbeddedPostgres, certificate: str, more: str = "") -> None:
    text = "ssl = off\n"
    if certificate:
        text = f"ssl = on\nssl_cert_file = '{certificate}.pem'\nssl_key_file = '{certificate}.key'\n{more}\n"
    path = server.data / "tls.conf"
    path.write_text(text)
    path.chmod(0o644)


def _execute(server: EmbeddedPostgres, statement: str) -> str | None:
    """Run a statement as the superuser, past all that is tested here."""

    async def run() -> str | None:
        target = parse_dsn(f"host={server.directory} port={server.port} user=postgres dbname=postgres", {})
        async with open_session(target, Limits(), None) as session:
            await session.run("ROLLBACK", Phase.PROBE)
            return await session.fetch_text(statement, Phase.PROBE)

    return asyncio.run(run())


def _reload(world: World, certificate: str, more: str = "") -> None:
    """Give the server another certificate, or none, and wait until it shows it."""
    _choose(world.server, certificate, more)
    os.kill(world.server.pid, signal.SIGHUP)
    expected = (f"{certificate}.pem" if certificate else "off") + more
    query = (
        "SELECT CASE current_setting('ssl') WHEN 'on' THEN current_setting('ssl_cert_file') ELSE 'off' END ||"
        " CASE current_setting('ssl_max_protocol_version') WHEN '' THEN '' ELSE"
        " 'ssl_max_protocol_version = ''' || current_setting('ssl_max_protocol_version') || '''' END"
    )
    for _ in range(200):
        if _execute(world.server, query) == expected:
            return
    raise AssertionError("the server did not reload")


ORDINARY = {
    # query → what happens at a server with: the trusted certificate, another host's, an expired one, none
    "sslmode=disable": ("plain", "plain", "plain", "plain"),
    "sslmode=allow": ("plain", "plain", "plain", "plain"),
    "": ("TLS", "TLS", "TLS", "plain"),
    "sslmode=prefer": ("TLS", "TLS", "TLS", "plain"),
    "sslmode=prefer&sslrootcert=OTHER": ("TLS", "TLS", "TLS", "plain"),
    "sslmode=require": ("TLS", "TLS", "TLS", "no TLS"),
    "sslmode=no-verify": ("TLS", "TLS", "TLS", "no TLS"),
    "sslmode=require&sslrootcert=CA": ("TLS", "TLS", "untrusted", "no TLS"),
    "sslmode=require&sslrootcert=OTHER": ("untrusted", "untrusted", "untrusted", "no TLS"),
    "sslmode=verify-ca&sslrootcert=CA": ("TLS", "TLS", "untrusted", "no TLS"),
    "sslmode=verify-ca&sslrootcert=OTHER": ("untrusted", "untrusted", "untrusted", "no TLS"),
    "sslmode=verify-full&sslrootcert=CA": ("TLS", "untrusted", "untrusted", "no TLS"),
    "sslmode=verify-full&sslrootcert=OTHER": ("untrusted", "untrusted", "untrusted", "no TLS"),
    "sslmode=verify-full": ("untrusted", "untrusted", "untrusted", "no TLS"),
    "sslrootcert=system": ("untrusted", "untrusted", "untrusted", "no TLS"),
    "channel_binding=require": ("TLS", "TLS", "TLS", "no TLS"),
    # node-postgres
    "ssl=true": ("untrusted", "untrusted", "untrusted", "no TLS"),
    "ssl=true&sslrootcert=CA": ("TLS", "untrusted", "untrusted", "no TLS"),
    "sslmode=require&uselibpqcompat=true": ("TLS", "TLS", "TLS", "no TLS"),
    "sslmode=require&uselibpqcompat=false": ("untrusted", "untrusted", "untrusted", "no TLS"),
    "sslmode=prefer&uselibpqcompat=true": ("TLS", "TLS", "TLS", "no TLS"),
    # Prisma
    "sslmode=require&sslaccept=accept_invalid_certs&sslcert=OTHER": ("TLS", "TLS", "TLS", "no TLS"),
    "sslmode=require&sslaccept=strict&sslcert=CA": ("TLS", "untrusted", "untrusted", "no TLS"),
    "sslaccept=strict": ("untrusted", "untrusted", "untrusted", "no TLS"),
}
UNTRUSTED = "refused: TLS certificate not trusted"
WORDS = {"untrusted": UNTRUSTED, "no TLS": "refused: server does not offer TLS"}


@pytest.mark.parametrize("kind", ["trusted", "elsewhere", "expired", ""], ids=lambda kind: kind or "no TLS")
def test_each_mode_against_each_server(world: World, kind: str) -> None:
    """Every mode lets through and refuses what it says, and never falls back where it forbids that."""
    _reload(world, kind)
    column = ["trusted", "elsewhere", "expired", ""].index(kind)
    expected = {query: WORDS.get(row[column], row[column]) for query, row in ORDINARY.items()}
    assert expected == {query: told(connect(world.url(query))) for query in ORDINARY}


def test_the_address_is_verified_like_a_name(world: World) -> None:
    """verify-full with an IP address for a host looks for that address in the certificate."""
    _reload(world, "trusted")
    query = "sslmode=verify-full&sslrootcert=CA"
    assert "TLS" == told(connect(world.url(query, host="127.0.0.1")))
    _reload(world, "elsewhere")
    failure = connect(world.url(query, host="127.0.0.1"))
    assert isinstance(failure, Failure)
    assert "IP address mismatch" in failure.message


def test_why_a_certificate_is_not_trusted_is_said(world: World) -> None:
    """The words name the host that does not match, the date that is over, the root that is not ours."""
    messages = {}
    for kind, query in (("elsewhere", "CA"), ("expired", "CA"), ("trusted", "OTHER")):
        _reload(world, kind)
        failure = connect(world.url(f"sslmode=verify-full&sslrootcert={query}"))
        assert isinstance(failure, Failure)
        messages[kind] = failure.message
    assert "Hostname mismatch, certificate is not valid for 'localhost'" in messages["elsewhere"]
    assert "certificate has expired" in messages["expired"]
    assert "self-signed certificate in certificate chain" in messages["trusted"]


def test_the_systems_store_can_be_given_by_ssl_cert_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What verifies against the system's certificates finds the one in SSL_CERT_FILE."""
    monkeypatch.setenv("SSL_CERT_FILE", str(world.ca.root))
    _reload(world, "trusted")
    for query in ("sslrootcert=system", "sslmode=verify-full&sslrootcert=system", "ssl=true", "sslmode=verify-full"):
        assert "TLS" == told(connect(world.url(query))), query
    assert "TLS" == told(connect(world.url(f"user=app&password={PASSWORD}&ssl=true", scheme="jdbc:postgresql")))
    _reload(world, "elsewhere")
    assert UNTRUSTED == told(connect(world.url("sslrootcert=system")))


@pytest.mark.parametrize(
    ("user", "query", "expected"),
    [
        ("tlsonly", "sslmode=disable", "refused: role not allowed to connect"),
        ("tlsonly", "sslmode=allow", "TLS"),
        ("tlsonly", "sslmode=prefer", "TLS"),
        ("tlsonly", "sslmode=require", "TLS"),
        ("plainonly", "sslmode=disable", "plain"),
        ("plainonly", "sslmode=allow", "plain"),
        ("plainonly", "sslmode=prefer", "plain"),
        ("plainonly", "sslmode=require", "refused: role not allowed to connect"),
        ("plainonly", "sslmode=verify-full&sslrootcert=CA", "refused: role not allowed to connect"),
    ],
)
def test_the_other_way_in_is_found_where_the_mode_allows_it(world: World, user: str, query: str, expected: str) -> None:
    """allow and prefer get in where pg_hba.conf wants the other way; the others never change theirs."""
    _reload(world, "trusted")
    assert expected == told(connect(world.url(query, user=user)))


@pytest.mark.parametrize("mode", ["allow", "prefer"])
def test_a_wrong_password_is_sent_one_way_only(world: World, mode: str) -> None:
    """The fallback of allow and prefer is not for a wrong password."""
    _reload(world, "trusted")
    url = world.url(f"sslmode={mode}").replace(PASSWORD, "wrong")
    before = (world.server.directory / "log").read_text().count("password authentication failed")
    assert "refused: password authentication failed" == told(connect(url))
    assert before + 1 == (world.server.directory / "log").read_text().count("password authentication failed")


NO_CERTIFICATE = "refused: role not allowed to connect"
WRONG_CERTIFICATE = "refused: server refused the client certificate"
BAD_FILE = "misconfigured: database address not usable"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sslmode=require", NO_CERTIFICATE),
        ("sslmode=prefer", NO_CERTIFICATE),
        ("sslmode=require&sslcert=CERT&sslkey=KEY", "TLS"),
        ("sslmode=prefer&sslcert=CERT&sslkey=KEY", "TLS"),
        ("sslmode=allow&sslcert=CERT&sslkey=KEY", "TLS"),
        ("sslmode=verify-full&sslrootcert=CA&sslcert=CERT&sslkey=KEY", "TLS"),
        ("sslmode=require&sslcert=CERT&sslkey=KEY&sslcertmode=disable", NO_CERTIFICATE),
        ("sslmode=require&sslcert=WRONG_CERT&sslkey=WRONG_KEY", WRONG_CERTIFICATE),
        ("sslmode=require&sslcert=CERT&sslkey=WRONG_KEY", BAD_FILE),
        ("sslmode=require&sslcert=CERT&sslkey=/nonexistent", BAD_FILE),
        (f"sslmode=require&sslcert=ENCRYPTED_CERT&sslkey=ENCRYPTED_KEY&sslpassword={quote(KEY_PASSWORD)}", "TLS"),
        ("sslmode=require&sslcert=ENCRYPTED_CERT&sslkey=ENCRYPTED_KEY&sslpassword=wrong", BAD_FILE),
        ("sslmode=require&sslcert=ENCRYPTED_CERT&sslkey=ENCRYPTED_KEY", BAD_FILE),
    ],
)
@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_a_server_that_demands_client_certificates(world: World, query: str, expected: str, version: str) -> None:
    """The right certificate gets in, an encrypted key too; none, the wrong one and a broken one do not, for good."""
    _reload(world, "trusted")
    versions = f"&ssl_min_protocol_version={version}&ssl_max_protocol_version={version}"
    for _ in range(100):
        result = connect(world.url(query + versions, user="certified"))
        # In TLS 1.3 the server's alert races with the end of its connection, and what is lost is tried again.
        if told(result) != "retry: connection lost":
            break
    assert expected == told(result)
    assert isinstance(result, Failure) is (expected != "TLS")
    assert KEY_PASSWORD not in str(result)


def test_what_is_wrong_with_a_key_is_said(world: World) -> None:
    """A key of another certificate, and one that cannot be decrypted, are told apart."""
    mixed = connect(world.url("sslmode=require&sslcert=CERT&sslkey=WRONG_KEY"))
    locked = connect(world.url("sslmode=require&sslcert=ENCRYPTED_CERT&sslkey=ENCRYPTED_KEY&sslpassword=wrong"))
    assert isinstance(mixed, Failure)
    assert isinstance(locked, Failure)
    assert mixed.message.endswith("certificate and key do not belong together")
    assert locked.message.endswith("encrypted with another sslpassword")


def test_a_revoked_certificate_is_not_trusted(world: World) -> None:
    """With sslcrl, a certificate that was taken back is refused; the others are not."""
    _reload(world, "revoked")
    query = "sslmode=verify-full&sslrootcert=CA&sslcrl="
    assert "TLS" == told(connect(world.url(query + "NOTHING_REVOKED")))
    failure = connect(world.url(query + "REVOKED"))
    assert UNTRUSTED == told(failure)
    assert isinstance(failure, Failure)
    assert "revoked" in failure.message
    _reload(world, "trusted")
    assert "TLS" == told(connect(world.url(query + "REVOKED")))


def test_no_common_version_is_a_refusal(world: World) -> None:
    """A server that is too old for ssl_min_protocol_version does not get newer by waiting."""
    _reload(world, "trusted", "ssl_max_protocol_version = 'TLSv1.2'")
    assert "TLS" == told(connect(world.url("sslmode=require&ssl_min_protocol_version=TLSv1.2")))
    failure = told(connect(world.url("sslmode=require&ssl_min_protocol_version=TLSv1.3")))
    assert "refused: no common TLS version" == failure


@contextlib.asynccontextmanager
async def _direct_tls(world: World) -> AsyncIterator[tuple[int, list[str | None]]]:
    """In front of the server, one that speaks TLS from the first byte, as PostgreSQL 17 does."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(world.server.data / "trusted.pem", world.server.data / "trusted.key")
    context.set_alpn_protocols(["postgresql"])
    protocols: list[str | None] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocols.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        there, back = await asyncio.open_connection("127.0.0.1", world.server.port)
        await asyncio.gather(pump(reader, back), pump(there, writer))

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with listener:
        yield listener.sockets[0].getsockname()[1], protocols


async def test_direct_tls_asks_no_questions_first(world: World) -> None:
    """With sslnegotiation=direct the first byte is TLS, with the protocol's name and the certificate verified."""
    async with _direct_tls(world) as (port, protocols):
        url = world.url("sslmode=verify-full&sslnegotiation=direct&sslrootcert=CA")
        target = parse_dsn(url.replace(f":{world.server.port}/", f":{port}/"), {})
        async with open_session(target, Limits(), None) as session:
            assert "1" == await session.fetch_text("SELECT '1'", Phase.PROBE)
    assert ["postgresql"] == protocols


@pytest.mark.parametrize(
    ("certificate", "query", "words"),
    [
        ("elsewhere", "sslmode=verify-full&sslrootcert=CA", f"{UNTRUSTED}: Hostname mismatch"),
        ("expired", "sslmode=verify-ca&sslrootcert=CA", f"{UNTRUSTED}: certificate has expired"),
        ("", "sslmode=require", "refused: server does not offer TLS"),
        ("trusted", "sslmode=require&sslcert=WRONG_CERT&sslkey=WRONG_KEY", WRONG_CERTIFICATE),
    ],
)  # fmt: skip
def test_a_refusal_ends_the_check_with_its_reason(
    world: World, tmp_path: Path, certificate: str, query: str, words: str
) -> None:
    """What TLS refuses is exit code 5 after it was seen three times, long before the deadline."""
    _reload(world, certificate)
    environ = {
        "DATABASE_URL": world.url(query),
        "SIDECAR_CONTRACT": write_contract(tmp_path, "contract: 1\nfunctions: [now()]\n"),
        "SIDECAR_BACKOFF_BASE_S": "0.05",
        "SIDECAR_BACKOFF_MAX_S": "0.2",
    }
    done = command("check", environ=environ)
    assert (5, True) == (done.returncode, done.stdout.startswith(words)), done.stdout + done.stderr
    assert PASSWORD not in done.stdout + done.stderr


def test_the_daemon_gives_up_on_a_certificate_and_says_why(world: World, tmp_path: Path) -> None:
    """The last words of a pod whose database shows the wrong certificate name the host that did not match."""
    _reload(world, "elsewhere")
    environ = {
        "DATABASE_URL": world.url("sslmode=verify-full&sslrootcert=CA"),
        "SIDECAR_CONTRACT": write_contract(tmp_path, "contract: 1\nfunctions: [now()]\n"),
    }
    with running(tmp_path, environ) as sidecar:
        assert 5 == sidecar.wait()
        assert "certificate is not valid for 'localhost'" in sidecar.termination_log.read_text()
        assert 3 == len(sidecar.events("attempt failed"))
        assert PASSWORD not in sidecar.everything_written()
