from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.postgres.dsn import parse_dsn
from sidecar.postgres.target import Secret, Target, TargetError, Tls

BASE = Target(hosts=(("h", 5432),), user="u", password=Secret("p"), database="d")


def like_base(**changes: Any) -> Target:
    return msgspec.structs.replace(BASE, **changes)


def tls(mode: Any, **rest: Any) -> Target:
    return like_base(tls=Tls(mode=mode, **rest))


def path(value: str) -> Target:
    return like_base(settings=(("search_path", value),))


def dropped(*keys: str) -> Target:
    return like_base(ignored=keys)


URL = "postgresql://u:p@h/d"
MEANINGS: dict[str, Target] = {
    # schemes of every client
    URL: BASE,
    "postgres://u:p@h/d": BASE,
    "POSTGRESQL://u:p@h/d": BASE,
    "postgresql+psycopg2://u:p@h/d": BASE,
    "postgresql+psycopg://u:p@h/d": BASE,
    "postgresql+asyncpg://u:p@h/d": BASE,
    "postgres+pg8000://u:p@h/d": BASE,
    "jdbc:postgresql://h/d?user=u&password=p": BASE,
    "jdbc:postgresql://h:5432/d?user=u&password=p&ssl=false": tls("disable"),
    "jdbc:postgresql://h/d?user=u@server&password=p": like_base(user="u@server"),
    f"  {URL}\n": BASE,
    "postgresql://u:p@h/d?": BASE,
    # parts
    "postgresql://u:p[q@h/d": like_base(password=Secret("p[q")),
    "postgresql://u:p@h:6432/d": like_base(hosts=(("h", 6432),)),
    "postgresql://u:p@h": like_base(database="u"),
    "postgresql://u:p@h/": like_base(database="u"),
    "postgresql://u@h/d": like_base(password=None),
    "postgresql://u:@h/d": like_base(password=None),
    "postgresql://u:p@/d": like_base(hosts=(("localhost", 5432),)),
    "postgresql://u:p@:6432/d": like_base(hosts=(("localhost", 6432),)),
    "postgresql:///d?host=h&user=u&password=p": BASE,
    "postgresql://h/d?user=u&password=p": BASE,
    "postgresql://u:p@h/x?dbname=d": BASE,
    "postgresql://u:p@h?database=d&username=u": BASE,
    # percent-encoding and unescaped characters that stay unambiguous
    "postgresql://u%40x:p%40%23%2F%3F%5B%3A@h/d": like_base(user="u@x", password=Secret("p@#/?[:")),
    "postgresql://u:p:q@h/d": like_base(password=Secret("p:q")),
    "postgresql://u:p@q@h/d": like_base(password=Secret("p@q")),
    "postgresql://u:100%25@h/d": like_base(password=Secret("100%")),
    "postgresql://u:a+b@h/d": like_base(password=Secret("a+b")),
    "postgresql://u:p@h/my%20db": like_base(database="my db"),
    "postgresql://u:p%C3%A4@h/d": like_base(password=Secret("pä")),
    "postgresql://u:pä=&;!$@h/d": like_base(password=Secret("pä=&;!$")),
    # hosts
    "postgresql://u:p@[::1]/d": like_base(hosts=(("::1", 5432),)),
    "postgresql://u:p@[2001:db8::7]:6432/d": like_base(hosts=(("2001:db8::7", 6432),)),
    "postgresql://u:p@a,b:6432/d": like_base(hosts=(("a", 5432), ("b", 6432))),
    "postgresql://u:p@a:1,[::1]:2,c:3/d": like_base(hosts=(("a", 1), ("::1", 2), ("c", 3))),
    "postgresql://u:p@/d?host=a,b&port=6432": like_base(hosts=(("a", 6432), ("b", 6432))),
    "postgresql://u:p@/d?host=a,b&port=1,2": like_base(hosts=(("a", 1), ("b", 2))),
    "postgresql://u:p@%2Fvar%2Frun%2Fpostgresql/d": like_base(hosts=(("/var/run/postgresql", 5432),)),
    "postgresql://u:p@/d?host=/var/run/postgresql": like_base(hosts=(("/var/run/postgresql", 5432),)),
    "postgresql://u:p@%2Frun:6432/d": like_base(hosts=(("/run", 6432),)),
    "postgresql://u:p@h/d?hostaddr=10.0.0.7": like_base(hosts=(("10.0.0.7", 5432),)),
    # search_path in every dialect
    f"{URL}?schema=tenant": path("tenant"),
    f"{URL}?schema=MySchema": path('"MySchema"'),
    f"{URL}?currentSchema=a,b": path("a,b"),
    f"{URL}?search_path=a,public": path("a,public"),
    f"{URL}?options=-c%20search_path%3Da,b": path("a,b"),
    f"{URL}?options=-csearch_path%3Da": path("a"),
    f"{URL}?options=--search_path%3Da": path("a"),
    f"{URL}?options=--search-path%3Dmy-schema": path("my-schema"),
    f"{URL}?options=-c%20search_path%3Da,%5C%20b": path("a, b"),
    f"{URL}?options=-c%20statement_timeout%3D5s%20-c%20app.tenant%3D7": like_base(
        settings=(("app.tenant", "7"), ("statement_timeout", "5s"))
    ),
    f"{URL}?options=endpoint%3Dep-cool-123": BASE,
    f"{URL}?options=endpoint%3Dep-cool-123%20-c%20search_path%3Da": path("a"),
    f"{URL}?options=": BASE,
    # time
    f"{URL}?connect_timeout=7": like_base(connect_timeout_s=7.0),
    f"{URL}?connect_timeout=0": BASE,
    f"{URL}?connect_timeout=-1": BASE,
    f"{URL}?connectTimeout=3": like_base(connect_timeout_s=3.0),
    # TLS
    f"{URL}?sslmode=disable": tls("disable"),
    f"{URL}?sslmode=allow": tls("allow"),
    f"{URL}?sslmode=prefer": BASE,
    f"{URL}?sslmode=require": tls("require"),
    f"{URL}?sslmode=verify-ca": tls("verify-ca"),
    f"{URL}?sslmode=verify-full": tls("verify-full"),
    f"{URL}?sslmode=no-verify": tls("require"),
    f"{URL}?sslmode=no-verify&sslrootcert=/ca.pem": tls("require"),
    f"{URL}?ssl=true": tls("require"),
    f"{URL}?ssl=1": tls("require"),
    f"{URL}?ssl": tls("require"),
    f"{URL}?ssl=false": tls("disable"),
    f"{URL}?ssl=0": tls("disable"),
    f"{URL}?ssl=true&sslmode=verify-full": tls("verify-full"),
    f"{URL}?sslmode=require&uselibpqcompat=true": like_base(tls=Tls(mode="require"), ignored=("uselibpqcompat",)),
    f"{URL}?sslrootcert=system": tls("verify-full", root_certificate="system"),
    f"{URL}?sslmode=verify-full&sslrootcert=system": tls("verify-full", root_certificate="system"),
    f"{URL}?sslmode=require&sslrootcert=/ca.pem": tls("verify-ca", root_certificate="/ca.pem"),
    f"{URL}?sslmode=verify-full&sslrootcert=/ca.pem&sslcrl=/crl.pem": tls(
        "verify-full", root_certificate="/ca.pem", revocation_list="/crl.pem"
    ),
    f"{URL}?sslmode=require&sslcert=/c.pem&sslkey=/k.pem&sslpassword=s": tls(
        "require", certificate="/c.pem", key="/k.pem", key_password=Secret("s")
    ),
    # which server
    f"{URL}?target_session_attrs=read-write": like_base(session_attributes="read-write"),
    f"{URL}?target_session_attrs=prefer-standby": like_base(session_attributes="prefer-standby"),
    f"{URL}?targetServerType=primary": like_base(session_attributes="primary"),
    f"{URL}?targetServerType=master": like_base(session_attributes="primary"),
    f"{URL}?targetServerType=secondary": like_base(session_attributes="standby"),
    f"{URL}?targetServerType=preferSecondary": like_base(session_attributes="prefer-standby"),
    # tuning of other clients
    f"{URL}?pgbouncer=true&connection_limit=5&pool_timeout=2&socket_timeout=3": dropped(
        "pgbouncer", "connection_limit", "pool_timeout", "socket_timeout"
    ),
    f"{URL}?statement_cache_size=0&prepareThreshold=0": dropped("statement_cache_size", "prepareThreshold"),
    f"{URL}?channel_binding=require&gssencmode=disable&require_auth=scram-sha-256": dropped(
        "channel_binding", "gssencmode", "require_auth"
    ),
    f"{URL}?keepalives=1&keepalives_idle=30&keepalives_interval=5&keepalives_count=3": dropped(
        "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"
    ),
    f"{URL}?application_name=a@b&max=10": dropped("application_name", "max"),
    f"{URL}?passfile=/pgpass": like_base(passfile="/pgpass"),
    # libpq's keywords
    "host=h user=u password=p dbname=d": BASE,
    "host = h user = u password = p dbname = d": BASE,
    "host=h\nuser=u\tpassword=p dbname=d": BASE,
    "host=h user=u password='a b\\'c\\\\d' dbname=d": like_base(password=Secret("a b'c\\d")),
    "host=h user=u password=a\\ b dbname=d": like_base(password=Secret("a b")),
    "host=h user=u password=a://b dbname=d": like_base(password=Secret("a://b")),
    "host=h user=u password='' dbname=d": like_base(password=None),
    "host=/run port=6432 user=u password=p dbname=d": like_base(hosts=(("/run", 6432),)),
    "host=a,b port=1,2 user=u password=p dbname=d target_session_attrs=any": like_base(hosts=(("a", 1), ("b", 2))),
    "host=h user=u password=p dbname=d options='-c search_path=a'": path("a"),
    "host=h user=u password=p dbname=d sslmode=require connect_timeout=4": like_base(
        tls=Tls(mode="require"), connect_timeout_s=4.0
    ),
    "host=h user=u password=p dbname=d application_name='my app'": dropped("application_name"),
}  # fmt: skip
REFUSALS: dict[str, str] = {
    "mysql://u:p@h/d": "does not begin with postgresql://",
    "http://h": "does not begin with postgresql://",
    "://h": "does not begin with postgresql://",
    "postgresql:u:p@h/d": "neither a URL .* nor a list of key=value pairs",
    "h:5432/d": "neither a URL",
    "host=h user": "neither a URL",
    "host=h password='a": "neither a URL",
    f"{URL}?zzz=1": "unknown key 'zzz'",
    f"{URL}?sslmod=require": "unknown key 'sslmod'",
    "host=h zzz=1": "unknown key 'zzz'",
    f"{URL}?sslmode=on": "sslmode is not one of disable, allow, prefer, require, verify-ca, verify-full, no-verify",
    f"{URL}?sslmode=REQUIRE": "sslmode is not one of",
    f"{URL}?ssl=maybe": "ssl is neither true nor false",
    f"{URL}?sslmode=require&sslrootcert=system": "needs sslmode=verify-full",
    f"{URL}?connect_timeout=5s": "connect_timeout is not a number",
    f"{URL}?target_session_attrs=leader": "target_session_attrs is not one of any, primary",
    f"{URL}?options=search_path": "options hold something other than -c name=value",
    f"{URL}?options=-c": "options hold something other",
    f"{URL}?options=-c%20x": "options hold something other",
    f"{URL}?options=-d%205": "options hold something other",
    "postgresql://u:p@h:0/d": "port is not a number from 1 to 65535",
    "postgresql://u:p@h:65536/d": "port is not a number",
    "postgresql://u:p@/d?port=x": "port is not a number",
    "postgresql://u:p@h:x/d": "host and port cannot be read",
    "postgresql://u:p@/d?host=a,b,c&port=1,2": "3 hosts and 2 ports",
    "postgresql://u:p@::1/d": "host and port cannot be read",
    "postgresql://u:p@[::1/d": "host and port cannot be read",
    "postgresql://u:p#q@h/d": "unescaped reserved character",
    "postgresql://u:p/q@h/d": "unescaped reserved character",
    "postgresql://u:p?q@h/d": "unescaped reserved character",
    "postgresql://u:p@h/d\x00": "NUL",
    URL + "?" + "&".join(["max=1"] * 200): "too many keys",
}


@pytest.mark.parametrize(("text", "target"), MEANINGS.items(), ids=list(MEANINGS))
def test_every_dialect_means_what_the_application_means(text: str, target: Target) -> None:
    """An address in any client's dialect leads where that client would go."""
    assert target == parse_dsn(text, {})


@pytest.mark.parametrize(("text", "words"), REFUSALS.items(), ids=[repr(text)[:60] for text in REFUSALS])
def test_what_cannot_be_understood_is_refused(text: str, words: str) -> None:
    """An address that means nothing for certain is refused with the part that is wrong."""
    with pytest.raises(TargetError, match=words):
        parse_dsn(text, {})


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
        (f"{URL}?ssl=true", {"PGSSLMODE": "disable"}, tls("require")),
        (f"{URL}?ssl=false", {"PGSSLMODE": "verify-full"}, tls("disable")),
        (URL, {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/ca", "PGSSLCERT": "/c", "PGSSLKEY": "/k",
               "PGSSLCRL": "/r"},
         tls("verify-full", root_certificate="/ca", certificate="/c", key="/k", revocation_list="/r")),
        (URL, {"PGOPTIONS": "-c search_path=a"}, path("a")),
        (f"{URL}?schema=b", {"PGOPTIONS": "-c search_path=a"}, path("b")),
        (URL, {"PGCONNECT_TIMEOUT": "9"}, like_base(connect_timeout_s=9.0)),
        (URL, {"PGTARGETSESSIONATTRS": "standby"}, like_base(session_attributes="standby")),
        (URL, {"PGPASSFILE": "/pgpass"}, like_base(passfile="/pgpass")),
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


PASSWORDS = st.lists(st.sampled_from(["Xk7v", "Qz9m", "Lw2t", *"@#/?[]:%&=+ ;,'\\"]), min_size=2, max_size=9).map(
    "".join
)


@given(password=PASSWORDS, shape=st.sampled_from([*URL_SHAPES, *KEY_SHAPES]))
def test_no_message_repeats_a_part_of_any_password(password: str, shape: str) -> None:
    """Whatever the password, none of its words comes out in a message."""
    message = message_of(shape.format(password))
    assert [] == [word for word in ("Xk7v", "Qz9m", "Lw2t") if word in message]


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(lambda t: "\x00" not in t))
def test_any_encoded_password_arrives(password: str) -> None:
    """A percent-encoded password arrives as it is, whatever it holds."""
    encoded = "".join(f"%{byte:02X}" for byte in password.encode())
    assert Secret(password) == parse_dsn(f"postgresql://u:{encoded}@h/d", {}).password


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(lambda t: "\x00" not in t))
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
