"""DATABASE_URL in its dialects, libpq's key=value form and PG* variables → Target.

No message repeats a part of the text that may be a password: where an unescaped character breaks a URL, nobody
can tell where the password ends.
"""

import getpass
import re
from collections.abc import Mapping
from typing import get_args
from urllib.parse import parse_qsl, unquote

from sidecar.postgres.dialects import Client, client_of, is_key, refuse_unknown, to_libpq
from sidecar.postgres.libpq_files import passwords_of, service_parameters
from sidecar.postgres.target import Secret, Target, TargetError, Tls, TlsMode

DEFAULT_PORT = 5432
MAX_KEYS = 100

_SCHEME = re.compile(r"(?:jdbc:)?(?:postgres|postgresql|postgis|pgsql|psql|ecto)(?:\+\w+)?\Z", re.IGNORECASE)
_PARTS = re.compile(
    r"(?P<authority>[^/?#\x00-\x20\x7f]*)(?P<path>[^?#\x00-\x20\x7f]*)(?:\?(?P<query>[^#\x00-\x20\x7f]*))?"
)
_TLS_MODES: tuple[TlsMode, ...] = get_args(TlsMode)
_TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
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
    "PGSSLCRLDIR": "sslcrldir",
    "PGSSLCERTMODE": "sslcertmode",
    "PGSSLNEGOTIATION": "sslnegotiation",
    "PGSSLMINPROTOCOLVERSION": "ssl_min_protocol_version",
    "PGSSLMAXPROTOCOLVERSION": "ssl_max_protocol_version",
    "PGCHANNELBINDING": "channel_binding",
    "PGGSSENCMODE": "gssencmode",
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
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:  # the environment had bytes that are not UTF-8
            raise TargetError("the database URL is not UTF-8 text") from None
    is_url = re.match(r"[^\s=]*://", text) is not None
    given = _parse_url(text) if is_url else _parse_keywords(text)
    client = client_of(text.partition("://")[0], given) if is_url else "libpq"
    parameters, dropped = to_libpq(given, client)
    if any("\x00" in value for value in parameters.values()):
        raise TargetError("the database URL has a NUL character (%00)")
    defaults = {key: environ[name] for name, key in _ENVIRONMENT.items() if environ.get(name)}
    if "host" not in parameters and environ.get("PGHOSTADDR"):
        defaults["hostaddr"] = environ["PGHOSTADDR"]
    service = parameters.pop("service", None) or defaults.pop("service", None)
    file = parameters.pop("servicefile", None)
    if service:
        of_service = service_parameters(service, file, environ)
        refuse_unknown(of_service, may_be_password=False)
        parameters = to_libpq(of_service, "libpq")[0] | parameters
    return _target(_with_default_mode(parameters, defaults, client), dropped, environ)


def _with_default_mode(parameters: dict[str, str], defaults: dict[str, str], client: Client) -> dict[str, str]:
    """Fill in the environment's parameters; a mode from there means what the URL's client means by it."""
    if client == "node-postgres" and "sslmode" not in parameters and "sslmode" in defaults:
        defaults = defaults | to_libpq([("sslmode", defaults["sslmode"])], client)[0]
    return defaults | parameters


def _parse_url(text: str) -> list[tuple[str, str]]:
    scheme, _, rest = text.partition("://")
    if not _SCHEME.match(scheme):
        raise TargetError("the database URL does not begin with postgresql:// or postgres://")
    # Not urlsplit: what it takes for a host in brackets differs from one patch release of Python to the next.
    parts = _PARTS.fullmatch(rest)
    if parts is None:  # white space, a control character, or a fragment
        raise TargetError(_BROKEN)
    authority, path, raw_query = parts["authority"], parts["path"], parts["query"] or ""
    try:
        query = parse_qsl(raw_query, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise TargetError(_NOT_UTF8) from None
    if len(query) > MAX_KEYS:
        raise TargetError(f"the database URL has too many keys; {MAX_KEYS} are enough")
    if _is_cut(authority, path, raw_query, query):
        raise TargetError(_BROKEN)
    refuse_unknown(query, may_be_password="@" in raw_query)
    credentials, _, hosts = authority.rpartition("@")
    user, colon, password = credentials.partition(":")
    given = [("user", _decoded(user))] if user else []
    if colon:
        given.append(("password", _decoded(password)))
    if hosts:
        in_query = any(key == "host" and value for key, value in query)  # which wins, as everywhere
        given += [(key, value) for key, value in _parse_hosts(hosts) if key != "host" or not in_query]
    if database := _decoded(path.removeprefix("/")):
        given.append(("dbname", database))
    return given + query


def _is_cut(authority: str, path: str, raw_query: str, query: list[tuple[str, str]]) -> bool:
    """True if the password seems to go on where the path or the query begins."""
    if "@" in path or any(not is_key(key) for key, _ in query):
        return True
    if "@" not in raw_query:
        return False
    # An at sign after the hosts means that the password went on there, unless the query itself names the user.
    return not path if "@" in authority else "user" not in dict(query)


_BROKEN = (
    "the database URL's user or password has an unescaped reserved character; percent-encode it"
    " (@ is %40, # is %23, / is %2F, ? is %3F, a space is %20)"
)


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise TargetError(_NOT_UTF8) from None


_NOT_UTF8 = "the database URL has percent-encoded bytes that are not UTF-8 text; a percent sign itself is %25"


def _parse_hosts(text: str) -> list[tuple[str, str]]:
    hosts, ports = [], []
    for part in text.split(","):
        match = re.fullmatch(r"(\[[0-9A-Fa-f:.%\w]+\]|[^:\[\]]*)(?::(\d*))?", part)
        if match is None:
            raise TargetError(
                "the database URL's host and port cannot be read (host:port, [IPv6]:port, several separated by"
                " commas); an unescaped character in the password can cause this too"
            )
        hosts.append(_decoded(match[1]).strip("[]"))
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
    refuse_unknown(given, may_be_password=False)
    return given


def _target(parameters: dict[str, str], ignored: tuple[str, ...], environ: Mapping[str, str]) -> Target:
    user = parameters.get("user") or _os_user()
    database = parameters.get("dbname") or user
    tls = _tls(parameters)
    hosts = _hosts(parameters, by_name=tls.mode == "verify-full")
    settings = dict(_options(parameters.get("options", "")))
    settings |= {key.removeprefix("setting."): value for key, value in parameters.items() if key.startswith("setting.")}
    if path := parameters.get("search_path"):
        settings["search_path"] = path
    password = Secret(parameters["password"]) if parameters.get("password") else None
    return Target(
        hosts=hosts,
        user=user,
        password=password,
        host_passwords=() if password else passwords_of(parameters.get("passfile"), hosts, database, user, environ),
        database=database,
        tls=tls,
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


def _hosts(parameters: dict[str, str], *, by_name: bool) -> tuple[tuple[str, int], ...]:
    # hostaddr spares the look-up of host's name; where that name is verified, the driver needs it to connect with.
    first, second = ("host", "hostaddr") if by_name else ("hostaddr", "host")
    hosts = (parameters.get(first) or parameters.get(second) or "localhost").split(",")
    ports = parameters.get("port", "").split(",")
    with_ports = [re.fullmatch(r"([^/:\[\]][^:\[\]]*|\[[^\]]*\])(?::(\d+))?", host) for host in hosts]
    if any(match and match[2] for match in with_ports):  # SQLAlchemy: host=a:1&host=b:2
        ports = [(match and match[2]) or "" for match in with_ports]
    hosts = [match[1].strip("[]") if match else host for match, host in zip(with_ports, hosts, strict=True)]
    if any(host.startswith("@") for host in hosts):
        raise TargetError(
            "the database URL's host is an abstract Unix socket, which is not supported; name a directory"
        )
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
    mode, root = _mode_and_root(parameters)
    direct = parameters.get("sslnegotiation") or "postgres"
    if direct not in ("postgres", "direct"):
        raise TargetError("the database URL's sslnegotiation is neither postgres nor direct")
    if direct == "direct" and mode in ("disable", "allow", "prefer"):
        raise TargetError("the database URL's sslnegotiation=direct needs sslmode=require or stronger")
    if parameters.get("gssencmode") == "require":
        raise TargetError("the database URL's gssencmode=require cannot be met here; use sslmode")
    versions = [_tls_version(parameters, f"ssl_{which}_protocol_version") for which in ("min", "max")]
    if all(versions) and versions[0] > versions[1]:
        raise TargetError("the database URL's ssl_min_protocol_version is above its ssl_max_protocol_version")
    certificate = parameters.get("sslcert") or None
    if parameters.get("sslcertmode") == "disable":
        certificate = None
    password = parameters.get("sslpassword")
    return Tls(
        mode=mode,
        root_certificate=root,
        certificate=certificate,
        key=parameters.get("sslkey") or None,
        key_password=Secret(password) if password else None,
        revocation_list=parameters.get("sslcrl") or None,
        revocation_directory=parameters.get("sslcrldir") or None,
        minimum_version=versions[0] or None,
        maximum_version=versions[1] or None,
        direct=direct == "direct",
    )


def _mode_and_root(parameters: dict[str, str]) -> tuple[TlsMode, str | None]:
    """Return what is encrypted and verified, and against which certificates."""
    mode = parameters.get("sslmode") or None
    root = parameters.get("sslrootcert") or None
    if mode == "no-verify":  # node-postgres
        mode, root = "require", None
    elif root == "system" and mode is None:
        mode = "verify-full"  # libpq: sslrootcert=system demands it
    elif mode == "require" and root is not None and root != "system":
        mode = "verify-ca"  # libpq: a root certificate makes require verify
    mode = mode or "prefer"
    if mode not in _TLS_MODES:
        raise TargetError(f"the database URL's sslmode is not one of {', '.join(_TLS_MODES)}, no-verify")
    if root == "system" and mode != "verify-full":
        raise TargetError("the database URL's sslrootcert=system needs sslmode=verify-full")
    if parameters.get("channel_binding") == "require":  # there is nothing to bind to without TLS
        if mode == "disable":
            raise TargetError("the database URL's channel_binding=require and sslmode=disable contradict each other")
        if mode in ("allow", "prefer"):
            mode = "require"
    return next(known for known in _TLS_MODES if known == mode), root


def _tls_version(parameters: dict[str, str], key: str) -> str:
    """Return a bound that matters: what is older than TLS 1.2 is not spoken here, whoever allows it."""
    text = parameters.get(key) or ""
    if text and text not in _TLS_VERSIONS:
        raise TargetError(f"the database URL's {key} is not one of {', '.join(_TLS_VERSIONS)}")
    if text in ("TLSv1", "TLSv1.1"):
        if "max" in key:
            raise TargetError(f"the database URL's {key} is older than TLSv1.2, which is the oldest spoken here")
        return ""
    return text


def _options(text: str) -> list[tuple[str, str]]:
    """Read ``-c name=value`` and ``--name=value``; a backslash escapes a space, as in libpq's options."""
    words = [re.sub(r"\\(.)", r"\1", w) for w in re.findall(r"(?:[^\s\\]|\\.)+", text)]
    settings: list[tuple[str, str]] = []
    while words:
        word = words.pop(0)
        if word.startswith(("endpoint=", "project=")):
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
