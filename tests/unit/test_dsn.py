from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.postgres.dsn import parse_dsn
from sidecar.postgres.target import Secret, Target, TargetError, Tls
from tests.unit.targets import BASE, URL, like_base, path, tls


@pytest.mark.parametrize(
    ("text", "environ", "target"),
    [
        ("", {"PGHOST": "h", "PGUSER": "u", "PGPASSWORD": "p", "PGDATABASE": "d"}, BASE),
        ("", {"PGHOST": "h", "PGUSER": "u", "PGPASSWORD": "p", "PGDATABASE": "d", "PGPORT": "6432"},
         like_base(hosts=(("h", 6432),))),
        ("postgresql://h/d", {"PGUSER": "u", "PGPASSWORD": "p"}, BASE),
        ("postgresql://u@h/d", {"PGPASSWORD": "p", "PGUSER": "other", "PGHOST": "other", "PGDATABASE": "other"}, BASE),
        (URL, {"PGSSLMODE": "require"}, tls("require")),
        (f"{URL}?sslmode=disable", {"PGSSLMODE": "require"}, tls("disable")),
        (f"{URL}?ssl=true", {"PGSSLMODE": "disable"}, tls("verify-full")),
        (f"{URL}?max=1&keepAlive=true", {"PGSSLMODE": "require"},
         like_base(tls=Tls(mode="verify-full"), ignored=("max", "keepAlive"))),
        (URL, {"PGSSLNEGOTIATION": "direct", "PGSSLMODE": "require", "PGSSLMINPROTOCOLVERSION": "TLSv1.3"},
         tls("require", direct=True, minimum_version="TLSv1.3")),
        (URL, {"PGSSLMODE": "verify-ca", "PGSSLMAXPROTOCOLVERSION": "TLSv1.2", "PGSSLCRLDIR": "/crls"},
         tls("verify-ca", maximum_version="TLSv1.2", revocation_directory="/crls")),
        (URL, {"PGSSLCERT": "/c", "PGSSLCERTMODE": "disable"}, BASE),
        (URL, {"PGCHANNELBINDING": "require"}, tls("require")),
        (URL, {"PGHOSTADDR": "10.0.0.7"}, BASE),
        ("postgresql:///d", {"PGHOSTADDR": "10.0.0.7", "PGUSER": "u", "PGPASSWORD": "p"},
         like_base(hosts=(("10.0.0.7", 5432),))),
        (f"{URL}?ssl=false", {"PGSSLMODE": "verify-full"}, tls("disable")),
        (URL, {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/ca", "PGSSLCERT": "/c", "PGSSLKEY": "/k",
               "PGSSLCRL": "/r"},
         tls("verify-full", root_certificate="/ca", certificate="/c", key="/k", revocation_list="/r")),
        (URL, {"PGOPTIONS": "-c search_path=a"}, path("a")),
        (f"{URL}?schema=b", {"PGOPTIONS": "-c search_path=a"}, path("b")),
        (URL, {"PGCONNECT_TIMEOUT": "9"}, like_base(connect_timeout_s=9.0)),
        (URL, {"PGTARGETSESSIONATTRS": "standby"}, like_base(session_attributes="standby")),
        (URL, {"PGHOST": "", "PGSSLMODE": ""}, BASE),
    ],
)  # fmt: skip
def test_libpq_variables_fill_in_what_the_text_leaves_out(text: str, environ: dict[str, str], target: Target) -> None:
    """A PG* variable counts where the address says nothing, and never against what it says."""
    assert target == parse_dsn(text, environ)


SERVICES = """
# comment
[app]
host=h
port=6432
user=u
password=p%40=;x
dbname=d
sslmode=require

[odd]
zzz=1
"""


@pytest.fixture
def service_file(tmp_path: Path) -> str:
    file = tmp_path / "pg_service.conf"
    file.write_text(SERVICES)
    return str(file)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("service=app", {}),
        ("postgresql:///?service=app", {}),
        ("", {"PGSERVICE": "app"}),
        ("", {"PGSERVICE": "app", "PGPORT": "1"}),
    ],
)
def test_a_service_stands_for_its_parameters(text: str, rest: dict[str, str], service_file: str) -> None:
    """A service name leads to libpq's service file, whose words win over PG* variables."""
    expected = like_base(hosts=(("h", 6432),), password=Secret("p%40=;x"), tls=Tls(mode="require"))
    assert expected == parse_dsn(text, {"PGSERVICEFILE": service_file, **rest})


def test_the_text_wins_over_its_service(service_file: str) -> None:
    """What the address says itself counts before its service."""
    target = parse_dsn("service=app dbname=other", {"PGSERVICEFILE": service_file})
    assert ("other", "u") == (target.database, target.user)


def test_the_service_file_is_looked_for_at_home(tmp_path: Path) -> None:
    """Without PGSERVICEFILE the file is .pg_service.conf in the home directory."""
    (tmp_path / ".pg_service.conf").write_text(SERVICES)
    assert "d" == parse_dsn("service=app", {"HOME": str(tmp_path)}).database


@pytest.mark.parametrize(
    ("text", "words"),
    [("service=other", "no service of the name"), ("service=odd", "unknown key 'zzz'")],
)
def test_a_service_that_is_not_there_is_refused(text: str, words: str, service_file: str) -> None:
    """A service that the file does not have, or a key that means nothing, is refused."""
    with pytest.raises(TargetError, match=words):
        parse_dsn(text, {"PGSERVICEFILE": service_file})


def test_the_text_may_name_the_service_file(service_file: str) -> None:
    """servicefile counts before the variable."""
    assert "d" == parse_dsn(f"service=app servicefile={service_file}", {"PGSERVICEFILE": "/nonexistent"}).database


def test_the_systems_service_file_is_looked_at_last(service_file: str, tmp_path: Path) -> None:
    """What the user's own file does not have, or where there is none, the system's file may have."""
    environ = {"HOME": "/nonexistent", "PGSYSCONFDIR": str(Path(service_file).parent)}
    assert "d" == parse_dsn("service=app", environ).database
    own = tmp_path / "own.conf"
    own.write_text("[other]\nhost=x\n")
    assert "d" == parse_dsn("service=app", environ | {"PGSERVICEFILE": str(own)}).database
    with pytest.raises(TargetError, match=r"own\.conf or .* has no service"):
        parse_dsn("service=nowhere", environ | {"PGSERVICEFILE": str(own)})


PASSWORDS_FILE = r"""
# comment
a:5432:d:u:first
a:5432:d:u:second
b:*:*:u:with\:colon\\and:more
*:6432:other:*:never
localhost:5432:d:u:socket
/run/own:5432:d:u:own socket
c:1:d
*:*:d:u:
"""


@pytest.fixture
def passwords_file(tmp_path: Path) -> Path:
    file = tmp_path / ".pgpass"
    file.write_text(PASSWORDS_FILE)
    file.chmod(0o600)
    return file


@pytest.mark.parametrize(
    ("hosts", "passwords"),
    [
        ("a", ["first"]),
        ("a:5433", [""]),
        ("b:7", ["with:colon\\and:more"]),
        ("a,b,c", ["first", "with:colon\\and:more", ""]),
        ("%2Fvar%2Frun%2Fpostgresql", ["socket"]),
        ("%2Frun%2Fown", ["own socket"]),
        ("localhost", ["socket"]),
    ],
)
@pytest.mark.parametrize("how", ["HOME", "PGPASSFILE", "passfile"])
def test_each_host_gets_its_password_from_the_file(
    hosts: str, passwords: list[str], how: str, passwords_file: Path
) -> None:
    """The first entry that fits a host, port, database and user counts, with libpq's escapes."""
    environ = {"HOME": str(passwords_file.parent), "PGPASSFILE": str(passwords_file)}
    query = f"?passfile={passwords_file}" if how == "passfile" else ""
    target = parse_dsn(f"postgresql://u@{hosts}/d{query}", {how: environ[how]} if not query else {})
    assert passwords == [target.password_for(address) for address in target.hosts]
    assert {text for text in passwords if text} == set(target.secrets)


def test_a_password_that_is_given_counts_before_the_file(passwords_file: Path) -> None:
    """A password in the address or in PGPASSWORD leaves the file unread."""
    environ = {"PGPASSFILE": str(passwords_file)}
    assert ("mine",) == parse_dsn("postgresql://u:mine@a/d", environ).secrets
    assert ("mine",) == parse_dsn("postgresql://u@a/d", environ | {"PGPASSWORD": "mine"}).secrets


@pytest.mark.parametrize("spoil", ["mode", "encoding", "directory", "missing"])
def test_a_password_file_that_libpq_would_not_use_counts_for_nothing(spoil: str, passwords_file: Path) -> None:
    """A file that others may read, that is no text or not there is passed over in silence."""
    if spoil == "mode":
        passwords_file.chmod(0o640)
    elif spoil == "encoding":
        passwords_file.write_bytes(b"*:*:*:*:\xff")
    else:
        passwords_file.unlink()
        if spoil == "directory":
            passwords_file.mkdir()
    assert () == parse_dsn("postgresql://u@a/d", {"PGPASSFILE": str(passwords_file)}).secrets


@pytest.mark.parametrize("content", [None, b"\xff", b"no section\n", b"[a]\n[a]\n"], ids=repr)
def test_a_broken_service_file_is_refused(content: bytes | None, tmp_path: Path) -> None:
    """A service file that is missing or cannot be read is refused as that."""
    file = tmp_path / "services"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(TargetError, match="cannot be read"):
        parse_dsn("service=a", {"PGSERVICEFILE": str(file)})


def test_a_secret_shows_itself_to_nobody() -> None:
    """Neither the target nor any part of it shows a password by accident."""
    target = parse_dsn("postgresql://u:canary@h/d?sslpassword=bird", {})
    for text in (repr(target), str(target), f"{target.password}", repr(target.password)):
        assert "canary" not in text
        assert "bird" not in text
    assert ("canary", "bird") == target.secrets


CANARY = "Xk7vQz9mLw2t"
RESERVED = "@#/?[]:%&=+ ;,'\"\\!$()*<>{}|^`~\t\n.-_"
URL_SHAPES = [
    "postgresql://u:{}@h/d",
    "postgresql://u:{}@h:5432/d?sslmode=require",
    "postgres://u:{}@h,g:6432/d",
    "postgresql+asyncpg://u:{}@[::1]:5432/d",
    "postgresql://{}:x@h/d",
    "postgresql://:{}@h/d",
    "postgresql://u:{}@/d?host=/run",
    "postgresql://u:{}@h/d?zzz=1",
    "postgresql://u:{}@h:x/d",
    "postgresql://u:{}@h/d?sslmode=on",
    "mysql://u:{}@h/d",
    "u:{}@h/d",
]
KEY_SHAPES = [
    "jdbc:postgresql://h/d?user=u&password={}",
    "postgresql://h/d?password={}&user=u",
    "postgresql://u@h/d?sslpassword={}&sslmode=require",
    "host=h user=u password={} dbname=d",
    "password={}",
    "host=h password='{}' dbname=d",
    "dbname=d sslpassword={} zzz=1",
]


def leaked_part(password: str, message: str) -> str | None:
    parts = (password[start : start + 4] for start in range(len(password) - 3))
    return next((part for part in parts if part in message), None)


def message_of(text: str) -> str:
    try:
        parse_dsn(text, {"HOME": "/nonexistent"})
    except TargetError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("shape", [*URL_SHAPES, *KEY_SHAPES])
@pytest.mark.parametrize("character", RESERVED, ids=repr)
def test_no_message_repeats_a_part_of_a_password(character: str, shape: str) -> None:
    """Wherever an unescaped character breaks an address, no four characters of the password come out."""
    first, middle, last = CANARY[:4], CANARY[4:8], CANARY[8:]
    for password in (
        f"{first}{character}{middle}{last}",
        f"{character}{CANARY}",
        f"{CANARY}{character}",
        f"{first}{character}{middle}{character}{last}",
        f"{first}@{middle}{character}{last}=x",
        f"{first}{character}{middle}={last}",
        f"{first}@{middle}?{last}{character}=1",
    ):
        message = message_of(shape.format(password))
        assert leaked_part(password, message) is None, password


PASSWORDS = st.lists(
    st.sampled_from(["Xk7v", "Qz9m", "Lw2t", "%ff", "%00", "ä", "€", "😀", *"@#/?[]:%&=+ ;,'\\"]),
    min_size=2,
    max_size=9,
).map("".join)


@given(password=PASSWORDS, shape=st.sampled_from([*URL_SHAPES, *KEY_SHAPES]))
def test_no_message_repeats_a_part_of_any_password(password: str, shape: str) -> None:
    """Whatever the password, none of its words comes out in a message."""
    message = message_of(shape.format(password))
    assert [] == [word for word in ("Xk7v", "Qz9m", "Lw2t") if word in message]


ANY_PASSWORD = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20),
    st.text("@#/?[]:%&=+ ;,'\\ä€😀aB1", min_size=1, max_size=20),
)


def every_byte(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def as_little_as_possible(text: str) -> str:
    return quote(text, safe="!$'()*,;:&=+~é€")


@given(password=ANY_PASSWORD, encoded=st.sampled_from([every_byte, as_little_as_possible]))
@pytest.mark.parametrize("shape", ["postgresql://u:{}@h/d", "postgres://u:{}@[::1]:1,b:2/d?sslmode=require&max=1"])
def test_any_encoded_password_arrives(password: str, encoded: Callable[[str], str], shape: str) -> None:
    """A percent-encoded password arrives as it is, whatever it holds, and the rest of the address with it."""
    target = parse_dsn(shape.format(encoded(password)), {})
    assert (Secret(password), "u", "d") == (target.password, target.user, target.database)


@given(ANY_PASSWORD)
def test_any_encoded_password_arrives_in_the_query(password: str) -> None:
    """A password in the query arrives as it is, the key's password too."""
    target = parse_dsn(f"jdbc:postgresql://h/d?user=u&password={quote(password, safe='')}", {})
    assert Secret(password) == target.password
    target = parse_dsn(f"postgresql://u@h/d?sslpassword={every_byte(password)}", {})
    assert Secret(password) == target.tls.key_password


@given(ANY_PASSWORD)
def test_any_quoted_password_arrives(password: str) -> None:
    """A quoted password in libpq's own form arrives as it is, whatever it holds."""
    quoted = password.replace("\\", "\\\\").replace("'", "\\'")
    assert Secret(password) == parse_dsn(f"host=h user=u password='{quoted}'", {}).password


@given(
    st.one_of(
        st.text(max_size=60),
        st.text(max_size=60).map(lambda rest: f"postgresql://{rest}"),
        st.lists(st.sampled_from(["postgresql://", "u", ":", "@", "h", "/", "d", "?", "&", "=", "[", "]", ",", "%",
                                  "%2",
                                  "sslmode", "options", "-c", " ", "port", "'", "host", "5432", "#", "ssl"]),
                 max_size=12).map("".join),
    )
)  # fmt: skip
def test_any_text_is_a_target_or_a_target_error(text: str) -> None:
    """Whatever the text, it is an address or a TargetError."""
    try:
        target = parse_dsn(text, {"HOME": "/nonexistent", "PGUSER": "u"})
    except TargetError as error:
        assert str(error)
    else:
        assert target.hosts
