"""Every dialect of DATABASE_URL, in one table: what it means, or the words with which it is refused."""

import pytest

from sidecar.postgres.dsn import parse_dsn
from sidecar.postgres.target import Secret, Target, TargetError, Tls
from tests.unit.targets import BASE, URL, dropped, hosts, like_base, password, path, session, settings, tls

SCHEMES: dict[str, Target] = {
    URL: BASE,
    "postgres://u:p@h/d": BASE,
    "POSTGRESQL://u:p@h/d": BASE,
    "postgresql+psycopg2://u:p@h/d": BASE,
    "postgresql+psycopg://u:p@h/d": BASE,
    "postgresql+asyncpg://u:p@h/d": BASE,
    "postgres+pg8000://u:p@h/d": BASE,
    "postgis://u:p@h/d": BASE,  # Rails, Django
    "pgsql://u:p@h/d": BASE,  # django-environ
    "psql://u:p@h/d": BASE,
    "ecto://u:p@h/d": BASE,
    "jdbc:postgresql://h/d?user=u&password=p": BASE,
    "jdbc:postgresql://h:6432/d?user=u&password=p": hosts(("h", 6432)),
    "jdbc:postgresql://a:1,b:2/d?user=u&password=p": hosts(("a", 1), ("b", 2)),
    "jdbc:postgresql://h/d?user=u@server&password=p": like_base(user="u@server"),
    f"  {URL}\n": BASE,
    f"{URL}?": BASE,
}
PARTS: dict[str, Target] = {
    "postgresql://u:p@h:6432/d": hosts(("h", 6432)),
    "postgresql://u:p@h": like_base(database="u"),
    "postgresql://u:p@h/": like_base(database="u"),
    "postgresql://u@h/d": like_base(password=None),
    "postgresql://u:@h/d": like_base(password=None),
    "postgresql://u:p@/d": hosts(("localhost", 5432)),
    "postgresql://u:p@:6432/d": hosts(("localhost", 6432)),
    "postgresql:///d?host=h&user=u&password=p": BASE,
    "postgresql://h/d?user=u&password=p": BASE,
    "postgresql://u:p@h/x?dbname=d": BASE,
    "postgresql://u:p@h?database=d&username=u": BASE,
    "postgresql://u:p@h/d?password=q": password("q"),
}
ENCODING: dict[str, Target] = {
    "postgresql://u%40x:p%40%23%2F%3F%5B%3A@h/d": like_base(user="u@x", password=Secret("p@#/?[:")),
    "postgresql://u:100%25@h/d": password("100%"),
    "postgresql://u:a%26b%3Dc%20d@h/d": password("a&b=c d"),
    "postgresql://u:a+b@h/d": password("a+b"),
    "postgresql://h/d?user=u&password=a%2Bb%26c%3Dd%40e": password("a+b&c=d@e"),
    "postgresql://u:p@h/my%20db": like_base(database="my db"),
    "postgresql://u:p%C3%A4@h/d": password("pä"),
    # unescaped characters that stay unambiguous
    "postgresql://u:p:q@h/d": password("p:q"),
    "postgresql://u:p@q@h/d": password("p@q"),
    "postgresql://u:p[q@h/d": password("p[q"),
    "postgresql://u:50%@h/d": password("50%"),
    "postgresql://u:pä=&;!$@h/d": password("pä=&;!$"),
}
HOSTS: dict[str, Target] = {
    "postgresql://u:p@[::1]/d": hosts(("::1", 5432)),
    "postgresql://u:p@[2001:db8::7]:6432/d": hosts(("2001:db8::7", 6432)),
    "postgresql://u:p@[fe80::1%25eth0]/d": hosts(("fe80::1%eth0", 5432)),
    "postgresql://u:p@a,b:6432/d": hosts(("a", 5432), ("b", 6432)),
    "postgresql://u:p@a:1,[::1]:2,c:3/d": hosts(("a", 1), ("::1", 2), ("c", 3)),
    "postgresql://u:p@/d?host=a,b&port=6432": hosts(("a", 6432), ("b", 6432)),
    "postgresql://u:p@/d?host=a,b&port=1,2": hosts(("a", 1), ("b", 2)),
    "postgresql+psycopg2://u:p@/d?host=a:1&host=b:2": hosts(("a", 1), ("b", 2)),  # SQLAlchemy
    "postgresql+asyncpg://u:p@/d?host=a:1,b": hosts(("a", 1), ("b", 5432)),
    "postgresql+psycopg://u:p@/d?host=[::1]:1,::2": hosts(("::1", 1), ("::2", 5432)),
    "postgresql://u:p@%2Fvar%2Frun%2Fpostgresql/d": hosts(("/var/run/postgresql", 5432)),
    "postgresql://u:p@/d?host=/var/run/postgresql": hosts(("/var/run/postgresql", 5432)),
    "postgresql://u:p@%2Frun:6432/d": hosts(("/run", 6432)),
    "postgresql://u:p@localhost/d?host=/cloudsql/project:region:name": hosts(("/cloudsql/project:region:name", 5432)),
    "postgresql://u:p@%2Fcloudsql%2Fproject%3Aregion%3Aname/d": hosts(("/cloudsql/project:region:name", 5432)),
    f"{URL}?hostaddr=10.0.0.7": hosts(("10.0.0.7", 5432)),
    f"{URL}?hostaddr=10.0.0.7&sslrootcert=system": tls("verify-full", root_certificate="system"),
    f"{URL}?hostaddr=10.0.0.7&sslmode=verify-full": tls("verify-full"),
}
SETTINGS: dict[str, Target] = {
    f"{URL}?schema=tenant": path("tenant"),  # Prisma: one schema, by its very name
    f"{URL}?schema=MySchema": path('"MySchema"'),
    f"{URL}?currentSchema=a,b": path("a,b"),  # JDBC
    f"{URL}?search_path=a,public": path("a,public"),
    f"{URL}?schema_search_path=a,public": path("a,public"),  # Rails
    f"{URL}?options=-c%20search_path%3Da,b": path("a,b"),
    f"{URL}?options=-csearch_path%3Da": path("a"),
    f"{URL}?options=--search_path%3Da": path("a"),
    f"{URL}?options=--search-path%3Dmy-schema": path("my-schema"),
    f"{URL}?options=-c%20search_path%3Da,%5C%20b": path("a, b"),
    f"{URL}?options=-c+search_path%3Da": path("a"),
    f"{URL}?options=-c%20statement_timeout%3D5s%20-c%20app.tenant%3D7": settings(
        **{"app.tenant": "7", "statement_timeout": "5s"}
    ),
    f"{URL}?options[search_path]=a&options%5BTimeZone%5D=UTC": settings(search_path="a", timezone="UTC"),  # sqlx
    f"{URL}?variables[lock_timeout]=2s": settings(lock_timeout="2s"),  # Rails
    f"{URL}?options=endpoint%3Dep-cool-123": BASE,  # Neon, for clients without SNI
    f"{URL}?options=endpoint%3Dep-cool-123%20-c%20search_path%3Da": path("a"),
    f"{URL}?options=project%3Dcool-123": BASE,
    f"{URL}?options=": BASE,
}
TIME_AND_ROLE: dict[str, Target] = {
    f"{URL}?connect_timeout=7": like_base(connect_timeout_s=7.0),
    f"{URL}?connect_timeout=0": BASE,
    f"{URL}?connect_timeout=-1": BASE,
    f"{URL}?connectTimeout=3": like_base(connect_timeout_s=3.0),
    f"{URL}?target_session_attrs=read-write": session("read-write"),
    f"{URL}?target_session_attrs=prefer-standby": session("prefer-standby"),
    f"{URL}?targetServerType=primary": session("primary"),
    f"{URL}?targetServerType=master": session("primary"),
    f"{URL}?targetServerType=secondary": session("standby"),
    f"{URL}?targetServerType=preferSecondary": session("prefer-standby"),
}
LIBPQ_TLS: dict[str, Target] = {
    f"{URL}?sslmode=disable": tls("disable"),
    f"{URL}?sslmode=allow": tls("allow"),
    f"{URL}?sslmode=prefer": BASE,
    f"{URL}?sslmode=require": tls("require"),
    f"{URL}?sslmode=verify-ca": tls("verify-ca"),
    f"{URL}?sslmode=verify-full": tls("verify-full"),
    f"{URL}?sslrootcert=system": tls("verify-full", root_certificate="system"),
    f"{URL}?sslmode=verify-full&sslrootcert=system": tls("verify-full", root_certificate="system"),
    f"{URL}?sslmode=require&sslrootcert=/ca.pem": tls("verify-ca", root_certificate="/ca.pem"),
    f"{URL}?sslmode=verify-full&sslrootcert=/ca.pem&sslcrl=/crl.pem&sslcrldir=/crls": tls(
        "verify-full", root_certificate="/ca.pem", revocation_list="/crl.pem", revocation_directory="/crls"
    ),
    f"{URL}?sslmode=require&sslcert=/c.pem&sslkey=/k.pem&sslpassword=s": tls(
        "require", certificate="/c.pem", key="/k.pem", key_password=Secret("s")
    ),
    f"{URL}?sslmode=prefer&sslcert=/c.pem&sslkey=/k.pem": tls("prefer", certificate="/c.pem", key="/k.pem"),
    f"{URL}?sslcert=/c.pem&sslcertmode=disable": BASE,
    f"{URL}?sslmode=require&sslnegotiation=direct": tls("require", direct=True),
    f"{URL}?sslmode=require&sslnegotiation=postgres": tls("require"),
    f"{URL}?sslmode=require&ssl_min_protocol_version=TLSv1.3": tls("require", minimum_version="TLSv1.3"),
    f"{URL}?sslmode=require&ssl_max_protocol_version=TLSv1.2": tls("require", maximum_version="TLSv1.2"),
    f"{URL}?sslmode=require&ssl_min_protocol_version=TLSv1": tls("require"),  # older than what is spoken at all
    f"{URL}?channel_binding=require": tls("require"),
    f"{URL}?channel_binding=require&sslmode=verify-full": tls("verify-full"),
    f"{URL}?channel_binding=prefer": BASE,
    f"{URL}?gssencmode=disable": BASE,
}
OTHER_CLIENTS_TLS: dict[str, Target] = {
    # node-postgres: whatever is true verifies in full
    f"{URL}?ssl=true": tls("verify-full"),
    f"{URL}?ssl=1": tls("verify-full"),
    f"{URL}?ssl": tls("verify-full"),
    f"{URL}?ssl=false": tls("disable"),
    f"{URL}?ssl=0": tls("disable"),
    f"{URL}?ssl=no-verify": tls("require"),
    f"{URL}?sslmode=no-verify": tls("require"),
    f"{URL}?sslmode=no-verify&sslrootcert=/ca.pem": tls("require"),
    f"{URL}?ssl=true&sslmode=require": tls("verify-full"),
    f"{URL}?ssl=true&sslmode=disable": tls("disable"),
    f"{URL}?ssl=true&sslmode=no-verify": tls("require"),
    f"{URL}?ssl=true&sslrootcert=/ca.pem": tls("verify-full", root_certificate="/ca.pem"),
    f"{URL}?sslmode=require&uselibpqcompat=false": tls("verify-full"),
    f"{URL}?sslmode=prefer&keepAlive=true": dropped("keepAlive", tls=Tls(mode="verify-full")),
    f"{URL}?sslmode=require&idleTimeoutMillis=1": dropped("idleTimeoutMillis", tls=Tls(mode="verify-full")),
    f"{URL}?sslnegotiation=direct&uselibpqcompat=false": tls("verify-full", direct=True),
    f"{URL}?sslmode=require&uselibpqcompat=true": tls("require"),
    f"{URL}?sslmode=prefer&uselibpqcompat=true": tls("require"),  # it never falls back to plain text
    f"{URL}?sslmode=verify-ca&uselibpqcompat=true": tls("verify-ca"),
    f"{URL}?sslmode=require&sslrootcert=/ca.pem&uselibpqcompat=true": tls("verify-ca", root_certificate="/ca.pem"),
    # postgres.js, SQLAlchemy with asyncpg: libpq's modes
    f"{URL}?ssl=require": tls("require"),
    "postgresql+asyncpg://u:p@h/d?ssl=verify-full": tls("verify-full"),
    "postgresql+asyncpg://u:p@h/d?ssl=prefer": BASE,
    # JDBC
    "jdbc:postgresql://h/d?user=u&password=p&ssl=true": tls("verify-full"),
    "jdbc:postgresql://h/d?user=u&password=p&ssl": tls("verify-full"),
    "jdbc:postgresql://h/d?user=u&password=p&ssl=false": BASE,
    "jdbc:postgresql://h/d?user=u&password=p&ssl=true&sslmode=require": tls("require"),
    "jdbc:postgresql://h/d?user=u&password=p&ssl=true&sslfactory=org.postgresql.ssl.NonValidatingFactory": tls(
        "require"
    ),
    "jdbc:postgresql://h/d?user=u&password=p&sslmode=require&sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory": tls(
        "verify-ca"
    ),
    "jdbc:postgresql://h/d?user=u&password=p&sslmode=require&sslNegotiation=direct": tls("require", direct=True),
    # Prisma
    f"{URL}?sslmode=require&sslaccept=strict": tls("verify-full"),
    f"{URL}?sslaccept=strict": tls("verify-full"),
    f"{URL}?sslmode=disable&sslaccept=strict": tls("disable"),
    f"{URL}?sslmode=require&sslaccept=accept_invalid_certs&sslcert=/ca.pem": tls("require"),
    f"{URL}?sslaccept=accept_invalid_certs": BASE,
    f"{URL}?sslmode=require&sslcert=/ca.pem&sslaccept=strict": tls("verify-full", root_certificate="/ca.pem"),
    f"{URL}?sslmode=require&sslcert=/ca.pem&connection_limit=5": dropped(
        "connection_limit", tls=Tls(mode="verify-ca", root_certificate="/ca.pem")
    ),
    # sqlx
    f"{URL}?ssl-mode=require&ssl-root-cert=/ca.pem": tls("verify-ca", root_certificate="/ca.pem"),
}
DROPPED: dict[str, Target] = {
    f"{URL}?pgbouncer=true&connection_limit=5&pool_timeout=2&socket_timeout=3": dropped(
        "pgbouncer", "connection_limit", "pool_timeout", "socket_timeout"
    ),
    f"{URL}?statement_cache_size=0&prepareThreshold=0": dropped("statement_cache_size", "prepareThreshold"),
    f"{URL}?require_auth=scram-sha-256&sslsni=1&load_balance_hosts=random": dropped(
        "require_auth", "sslsni", "load_balance_hosts"
    ),
    f"{URL}?keepalives=1&keepalives_idle=30&keepalives_interval=5&keepalives_count=3": dropped(
        "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"
    ),
    f"{URL}?application_name=a@b&max=10": dropped("application_name", "max"),
    f"{URL}?pool=5&prepared_statements=false&checkout_timeout=5": dropped(
        "pool", "prepared_statements", "checkout_timeout"
    ),
    f"{URL}?pool_max_conns=5&default_query_exec_mode=exec": dropped("pool_max_conns", "default_query_exec_mode"),
    f"{URL}?max=5&max=6": dropped("max"),
}
CLOUDS: dict[str, Target] = {
    # Neon
    "postgresql://u:p@ep-cool-123-pooler.eu-central-1.neon.tech/d?sslmode=require&channel_binding=require": like_base(
        hosts=(("ep-cool-123-pooler.eu-central-1.neon.tech", 5432),), tls=Tls(mode="require")
    ),
    # Supabase, through its pooler
    "postgresql://postgres.abcdefgh:p@aws-0-eu-central-1.pooler.supabase.com:6543/d?pgbouncer=true": dropped(
        "pgbouncer", user="postgres.abcdefgh", hosts=(("aws-0-eu-central-1.pooler.supabase.com", 6543),)
    ),
    # Azure
    "postgresql://u%40server:p@server.postgres.database.azure.com/d?sslmode=require": like_base(
        user="u@server", hosts=(("server.postgres.database.azure.com", 5432),), tls=Tls(mode="require")
    ),
}
KEYWORDS: dict[str, Target] = {
    "host=h user=u password=p dbname=d": BASE,
    "host = h user = u password = p dbname = d": BASE,
    "host=h\nuser=u\tpassword=p dbname=d": BASE,
    "host=h user=u password='a b\\'c\\\\d' dbname=d": password("a b'c\\d"),
    "host=h user=u password=a\\ b dbname=d": password("a b"),
    "host=h user=u password=a://b dbname=d": password("a://b"),
    "host=h user=u password=50%25 dbname=d": password("50%25"),
    "host=h user=u password='' dbname=d": like_base(password=None),
    "host=/run port=6432 user=u password=p dbname=d": hosts(("/run", 6432)),
    "host=::1 user=u password=p dbname=d": hosts(("::1", 5432)),
    "host=a,b port=1,2 user=u password=p dbname=d target_session_attrs=any": hosts(("a", 1), ("b", 2)),
    "host=h user=u password=p dbname=d options='-c search_path=a'": path("a"),
    "host=h user=u password=p dbname=d sslmode=require connect_timeout=4": like_base(
        tls=Tls(mode="require"), connect_timeout_s=4.0
    ),
    "host=h user=u password=p dbname=d application_name='my app'": dropped("application_name"),
}
MEANINGS = (
    SCHEMES
    | PARTS
    | ENCODING
    | HOSTS
    | SETTINGS
    | TIME_AND_ROLE
    | LIBPQ_TLS
    | OTHER_CLIENTS_TLS
    | DROPPED
    | CLOUDS
    | KEYWORDS
)

REFUSALS: dict[str, str] = {
    # not an address
    "mysql://u:p@h/d": "does not begin with postgresql://",
    "http://h": "does not begin with postgresql://",
    "://h": "does not begin with postgresql://",
    "postgresql:u:p@h/d": "neither a URL .* nor a list of key=value pairs",
    "h:5432/d": "neither a URL",
    "host=h user": "neither a URL",
    "host=h password='a": "neither a URL",
    f"{URL}\x00": "NUL",
    "postgresql://u:p%00@h/d": "NUL character",
    "postgresql://u:p\udcff@h/d": "not UTF-8",
    "postgresql://u:50%ff@h/d": "not UTF-8 text; a percent sign itself is %25",
    f"{URL}?application_name=%ff": "not UTF-8 text",
    f"{URL}?" + "&".join(["max=1"] * 200): "too many keys",
    # keys
    f"{URL}?zzz=1": "unknown key 'zzz'",
    f"{URL}?sslmod=require": "unknown key 'sslmod'; did you mean sslmode",
    "host=h zzz=1": "unknown key 'zzz'",
    f"{URL}?sslidentity=/c.p12&sslpassword=x": "sslidentity names a PKCS #12 archive; give its parts as PEM files",
    f"{URL}?sslinline=true": "sslinline puts certificates into the URL",
    f"{URL}?requirepeer=postgres": "requirepeer cannot be checked here",
    f"{URL}?socketFactory=com.google.SocketFactory": "socketFactory names a class that only Java has",
    f"{URL}?sslfactory=com.example.Factory": "sslfactory names a class that only Java has",
    f"{URL}?sslhostnameverifier=com.example.Verifier": "sslhostnameverifier names a class that only Java has",
    # values
    f"{URL}?sslmode=on": "sslmode is not one of disable, allow, prefer, require, verify-ca, verify-full, no-verify",
    f"{URL}?sslmode=REQUIRE": "sslmode is not one of",
    f"{URL}?ssl=maybe": "ssl is neither true nor false",
    f"{URL}?sslaccept=maybe": "sslaccept is neither strict nor accept_invalid_certs",
    f"{URL}?sslmode=require&sslrootcert=system": "needs sslmode=verify-full",
    f"{URL}?sslnegotiation=direct": "sslnegotiation=direct needs sslmode=require or stronger",
    f"{URL}?sslnegotiation=maybe": "sslnegotiation is neither postgres nor direct",
    f"{URL}?ssl_min_protocol_version=SSLv3": "ssl_min_protocol_version is not one of TLSv1, TLSv1.1, TLSv1.2",
    f"{URL}?ssl_max_protocol_version=TLSv1.1": "ssl_max_protocol_version is older than TLSv1.2",
    f"{URL}?ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2": "ssl_min_protocol_version is above",
    f"{URL}?channel_binding=require&sslmode=disable": "contradict each other",
    f"{URL}?gssencmode=require": "gssencmode=require cannot be met",
    f"{URL}?connect_timeout=5s": "connect_timeout is not a number",
    f"{URL}?target_session_attrs=leader": "target_session_attrs is not one of any, primary",
    f"{URL}?options=search_path": "options hold something other than -c name=value",
    f"{URL}?options=-c": "options hold something other",
    f"{URL}?options=-c%20x": "options hold something other",
    f"{URL}?options=-d%205": "options hold something other",
    # hosts
    "postgresql://u:p@h:0/d": "port is not a number from 1 to 65535",
    "postgresql://u:p@h:65536/d": "port is not a number",
    "postgresql://u:p@/d?port=x": "port is not a number",
    "postgresql://u:p@h:x/d": "host and port cannot be read",
    "postgresql://u:p@/d?host=a,b,c&port=1,2": "3 hosts and 2 ports",
    "postgresql://u:p@::1/d": "host and port cannot be read",
    "postgresql://u:p@[::1/d": "host and port cannot be read",
    "postgresql://u:p@%40name/d": "abstract Unix socket",
    # unescaped characters in the password
    "postgresql://u:p#q@h/d": "unescaped reserved character",
    "postgresql://u:p/q@h/d": "unescaped reserved character",
    "postgresql://u:p?q@h/d": "unescaped reserved character",
    "postgresql://u:p q@h/d": "unescaped reserved character",
    "postgresql://u:p@q?max=1@h/d": "unescaped reserved character",
}


@pytest.mark.parametrize(("text", "target"), MEANINGS.items(), ids=list(MEANINGS))
def test_every_dialect_means_what_the_application_means(text: str, target: Target) -> None:
    """An address in any client's dialect leads where that client would go, and verifies no less."""
    assert target == parse_dsn(text, {})


@pytest.mark.parametrize(("text", "words"), REFUSALS.items(), ids=[ascii(text)[:60] for text in REFUSALS])
def test_what_cannot_be_understood_is_refused(text: str, words: str) -> None:
    """An address that means nothing for certain is refused with the part that is wrong."""
    with pytest.raises(TargetError, match=words):
        parse_dsn(text, {})
