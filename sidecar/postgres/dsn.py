"""DATABASE_URL in its dialects, libpq's key=value form and PG* variables → Target.

Every dialect becomes libpq's parameter names first. Which keys are translated, which are dropped and that
all others are refused is one table below. No message repeats a part of the text that may be a password:
where an unescaped character breaks a URL, nobody can tell where the password ends.
"""

import difflib
import getpass
import re
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from pathlib import Path
from typing import get_args
from urllib.parse import parse_qsl, unquote

from sidecar.identifiers import display_identifier
from sidecar.postgres.target import Secret, Target, TargetError, Tls, TlsMode

DEFAULT_PORT = 5432
MAX_KEYS = 100

_SCHEME = re.compile(r"(?:jdbc:)?(?:postgres|postgresql)(?:\+\w+)?\Z", re.IGNORECASE)
_PARTS = re.compile(
    r"(?P<authority>[^/?#\x00-\x20\x7f]*)(?P<path>[^?#\x00-\x20\x7f]*)(?:\?(?P<query>[^#\x00-\x20\x7f]*))?"
)
_SAFE_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,40}\Z")

# libpq's own names ("Parameter Key Words"), as they are.
_LIBPQ = frozenset(
    """host hostaddr port dbname user password passfile connect_timeout options sslmode sslrootcert sslcert sslkey
    sslpassword sslcrl target_session_attrs service""".split()
)

# Other clients' names → libpq's.
_TRANSLATED: dict[str, str] = {
    "database": "dbname",
    "username": "user",
    "currentSchema": "search_path",  # JDBC
    "search_path": "search_path",
    "connectTimeout": "connect_timeout",
    "targetServerType": "target_session_attrs",  # JDBC
    "ssl": "ssl",  # node-postgres, JDBC
}

# Tuning of other clients; nothing here is weaker for leaving it out.
_DROPPED = frozenset(
    """application_name fallback_application_name pgbouncer statement_cache_size prepared_statement_cache_size
    prepareThreshold prepared_statements channel_binding gssencmode gsslib krbsrvname require_auth keepalives
    keepalives_idle keepalives_interval keepalives_count tcp_user_timeout tcpKeepAlive connection_limit pool_timeout
    socket_timeout socketTimeout max min pool_size max_overflow pool_max_conns pool_min_conns idle_timeout
    max_lifetime replication load_balance_hosts client_encoding sslcompression sslsni sslnegotiation
    uselibpqcompat ApplicationName reWriteBatchedInserts loginTimeout workaround
    default_query_exec_mode""".split()
)

_KNOWN = _LIBPQ | _DROPPED | _TRANSLATED.keys() | {"schema"}
_TLS_MODES: tuple[TlsMode, ...] = get_args(TlsMode)
_SESSION_ATTRIBUTES = ("any", "primary", "standby", "prefer-standby", "read-write", "read-only")
_ENVIRONMENT: dict[str, str] = {
    "PGHOST": "host",
    "PGPORT": "port",
    "PGDATABASE": "dbname",
    "PGUSER": "user",
    "PGPASSWORD": "password",
    "PGPASSFILE": "passfile",
    "PGSSLMODE": "sslmode",
    "PGSSLROOTCERT": "sslrootcert",
    "PGSSLCERT": "sslcert",
    "PGSSLKEY": "sslkey",
    "PGSSLCRL": "sslcrl",
    "PGOPTIONS": "options",
    "PGCONNECT_TIMEOUT": "connect_timeout",
    "PGTARGETSESSIONATTRS": "target_session_attrs",
    "PGSERVICE": "service",
}
DEFINING_VARIABLES = ("PGHOST", "PGDATABASE", "PGUSER", "PGSERVICE")
"""Any of these set means that libpq's variables are meant to say where the database is."""


def parse_dsn(text: str, environ: Mapping[str, str]) -> Target:
    """Return the target that ``text`` names.

    Args:
        text: a URL of any known dialect, libpq's ``key=value`` form, or nothing, for the PG* variables alone.
        environ: where PG* variables stand that fill what the text leaves out.

    Raises:
        TargetError: the text cannot be understood; the message says which part, and repeats no value.
    """
    text = text.strip()
    if "\x00" in text:
        raise TargetError("the database URL has a NUL character")
    is_url = re.match(r"[^\s=]*://", text) is not None
    parameters, ignored = _canonical(_parse_url(text) if is_url else _parse_keywords(text))
    defaults = {key: environ[name] for name, key in _ENVIRONMENT.items() if environ.get(name)}
    service = parameters.pop("service", None) or defaults.pop("service", None)
    if service:
        parameters = _service(service, environ) | parameters
    return _target(defaults | parameters, ignored)


def _parse_url(text: str) -> list[tuple[str, str]]:
    scheme, _, rest = text.partition("://")
    if not _SCHEME.match(scheme):
        raise TargetError("the database URL does not begin with postgresql:// or postgres://")
    broken = TargetError(
        "the database URL's user or password has an unescaped reserved character; percent-encode it"
        " (@ is %40, # is %23, / is %2F, ? is %3F, a space is %20)"
    )
    # Not urlsplit: what it takes for a host in brackets differs from one patch release of Python to the next.
    parts = _PARTS.fullmatch(rest)
    if parts is None:  # white space, a control character, or a fragment
        raise broken
    query = parse_qsl(parts["query"] or "", keep_blank_values=True)
    if len(query) > MAX_KEYS:
        raise TargetError(f"the database URL has too many keys; {MAX_KEYS} are enough")
    # An at sign after the hosts means that the password went on there, unless the query itself names the user.
    in_query = "@" in (parts["query"] or "")
    is_cut = "@" in parts["path"] or (in_query and "@" not in parts["authority"] and "user" not in dict(query))
    if is_cut or any(not _SAFE_KEY.match(key) for key, _ in query):
        raise broken
    _refuse_unknown(query, may_be_password=in_query)
    credentials, _, hosts = parts["authority"].rpartition("@")
    given: list[tuple[str, str]] = []
    user, colon, password = credentials.partition(":")
    if user:
        given.append(("user", unquote(user)))
    if colon:
        given.append(("password", unquote(password)))
    if hosts:
        given += _parse_hosts(hosts)
    if database := unquote(parts["path"].removeprefix("/")):
        given.append(("dbname", database))
    return given + query


def _parse_hosts(text: str) -> list[tuple[str, str]]:
    hosts, ports = [], []
    for part in text.split(","):
        match = re.fullmatch(r"(\[[0-9A-Fa-f:.%\w]+\]|[^:\[\]]*)(?::(\d*))?", part)
        if match is None:
            raise TargetError(
                "the database URL's host and port cannot be read (host:port, [IPv6]:port, several separated by"
                " commas); an unescaped character in the password can cause this too"
            )
        hosts.append(unquote(match[1]).strip("[]"))
        ports.append(match[2] or "")
    given = [("host", ",".join(hosts))] if any(hosts) else []
    return given + ([("port", ",".join(ports))] if any(ports) else [])


_KEYWORD = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|\Z)", re.DOTALL)


def _parse_keywords(text: str) -> list[tuple[str, str]]:
    given: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        match = _KEYWORD.match(text, position)
        if match is None:
            raise TargetError(
                "the database URL is neither a URL (postgresql://user:password@host:port/database)"
                " nor a list of key=value pairs"
            )
        value = match[2] if match[2] is not None else match[3]
        given.append((match[1], re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)))
        position = match.end()
    _refuse_unknown(given, may_be_password=False)
    return given


def _canonical(given: list[tuple[str, str]]) -> tuple[dict[str, str], tuple[str, ...]]:
    parameters: dict[str, str] = {}
    ignored: list[str] = []
    for key, value in given:
        if key in _LIBPQ:
            parameters[key] = value
        elif key == "schema":  # Prisma: the name of one schema, as it is
            parameters["search_path"] = display_identifier(value)
        elif key in _TRANSLATED:
            parameters[_TRANSLATED[key]] = value
        else:
            ignored.append(key)
    ssl = parameters.pop("ssl", None)
    if ssl is not None and "sslmode" not in parameters:
        parameters["sslmode"] = _mode_of_ssl(ssl)
    return parameters, tuple(dict.fromkeys(ignored))


def _refuse_unknown(given: list[tuple[str, str]], *, may_be_password: bool) -> None:
    """Refuse the first key that nobody knows; name it only where it cannot be a piece of a password.

    A space in key=value form, an ampersand in a query and a question mark in a URL begin a new key there.
    """
    for number, (key, _) in enumerate(given, 1):
        if key in _KNOWN:
            may_be_password = may_be_password or "password" in key
            continue
        near = difflib.get_close_matches(key, _KNOWN, n=1)
        hint = f"did you mean {near[0]}?" if near else "remove it or write it as libpq does"
        if may_be_password:
            raise TargetError(f"the database URL has an unknown key, number {number}; {hint}")
        raise TargetError(f"the database URL has the unknown key {key!r}; {hint}")


def _mode_of_ssl(text: str) -> str:
    """Translate ``ssl=``: node-postgres' and JDBC's true encrypts and verifies nothing; bare ``ssl`` means true.

    SQLAlchemy with asyncpg writes libpq's modes there.
    """
    if text in _TLS_MODES:
        return text
    if text.lower() not in ("true", "1", "", "false", "0"):
        raise TargetError("the database URL's ssl is neither true nor false")
    return "disable" if text.lower() in ("false", "0") else "require"


def _service(name: str, environ: Mapping[str, str]) -> dict[str, str]:
    path = environ.get("PGSERVICEFILE") or f"{environ.get('HOME', '')}/.pg_service.conf"
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ConfigParserError):
        raise TargetError(f"the service file {path} cannot be read") from None
    if not parser.has_section(name):
        raise TargetError(f"the service file {path} has no service of the name asked for")
    given = list(parser.items(name))
    _refuse_unknown(given, may_be_password=False)
    parameters, _ = _canonical(given)
    return parameters


def _target(parameters: dict[str, str], ignored: tuple[str, ...]) -> Target:
    user = parameters.get("user") or _os_user()
    settings = dict(_options(parameters.get("options", "")))
    if path := parameters.get("search_path"):
        settings["search_path"] = path
    return Target(
        hosts=_hosts(parameters),
        user=user,
        password=Secret(parameters["password"]) if parameters.get("password") else None,
        passfile=parameters.get("passfile"),
        database=parameters.get("dbname") or user,
        tls=_tls(parameters),
        settings=tuple(sorted(settings.items())),
        session_attributes=_session_attributes(parameters.get("target_session_attrs", "any")),
        connect_timeout_s=_seconds(parameters.get("connect_timeout")),
        ignored=ignored,
    )


def _os_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise TargetError("the database URL names no user, and this process's user has no name") from None


def _hosts(parameters: dict[str, str]) -> tuple[tuple[str, int], ...]:
    # hostaddr spares the look-up of host's name; where that name is verified, the driver needs it to connect with.
    first, second = ("host", "hostaddr") if parameters.get("sslmode") == "verify-full" else ("hostaddr", "host")
    hosts = (parameters.get(first) or parameters.get(second) or "localhost").split(",")
    ports = parameters.get("port", "").split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    if len(ports) != len(hosts):
        raise TargetError(f"the database URL has {len(hosts)} hosts and {len(ports)} ports")
    return tuple((host or "localhost", _port(port)) for host, port in zip(hosts, ports, strict=True))


def _port(text: str) -> int:
    if not text:
        return DEFAULT_PORT
    if not re.fullmatch(r"\d{1,5}", text) or not 0 < int(text) < 65536:
        raise TargetError("the database URL's port is not a number from 1 to 65535")
    return int(text)


def _seconds(text: str | None) -> float | None:
    """Return a timeout; none, zero and negative ones mean no bound of the URL's own, as in libpq."""
    if not text:
        return None
    if not re.fullmatch(r"-?\d{1,6}(\.\d{1,3})?", text):
        raise TargetError("the database URL's connect_timeout is not a number of seconds")
    return float(text) if float(text) > 0 else None


def _session_attributes(text: str) -> str:
    jdbc = {"primary": "primary", "master": "primary", "secondary": "standby", "slave": "standby"}
    jdbc |= {"preferSecondary": "prefer-standby", "preferSlave": "prefer-standby", "preferPrimary": "any"}
    value = jdbc.get(text, text)
    if value not in _SESSION_ATTRIBUTES:
        raise TargetError(f"the database URL's target_session_attrs is not one of {', '.join(_SESSION_ATTRIBUTES)}")
    return value


def _tls(parameters: dict[str, str]) -> Tls:
    mode = parameters.get("sslmode")
    root = parameters.get("sslrootcert") or None
    if mode == "no-verify":  # node-postgres
        mode, root = "require", None
    elif root == "system" and mode is None:
        mode = "verify-full"  # libpq: sslrootcert=system demands it
    elif mode == "require" and root is not None:
        mode = "verify-ca"  # libpq: a root certificate makes require verify
    mode = mode or "prefer"
    if mode not in _TLS_MODES:
        raise TargetError(f"the database URL's sslmode is not one of {', '.join(_TLS_MODES)}, no-verify")
    if root == "system" and mode != "verify-full":
        raise TargetError("the database URL's sslrootcert=system needs sslmode=verify-full")
    password = parameters.get("sslpassword")
    return Tls(
        mode=next(known for known in _TLS_MODES if known == mode),
        root_certificate=root,
        certificate=parameters.get("sslcert"),
        key=parameters.get("sslkey"),
        key_password=Secret(password) if password else None,
        revocation_list=parameters.get("sslcrl"),
    )


def _options(text: str) -> list[tuple[str, str]]:
    """Read ``-c name=value`` and ``--name=value``; a backslash escapes a space, as in libpq's options."""
    words = [re.sub(r"\\(.)", r"\1", w) for w in re.findall(r"(?:[^\s\\]|\\.)+", text)]
    settings: list[tuple[str, str]] = []
    while words:
        word = words.pop(0)
        if word.startswith("endpoint="):
            continue  # Neon's fallback for clients without SNI
        if word == "-c" and words:
            word = words.pop(0)
        elif word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            word = name.replace("-", "_") + equals + value
        elif word.startswith("-c"):
            word = word[2:]
        else:
            raise TargetError("the database URL's options hold something other than -c name=value")
        name, equals, value = word.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][\w.]*", name):
            raise TargetError("the database URL's options hold something other than -c name=value")
        settings.append((name.lower(), value))
    return settings
