"""What other clients write into a database URL, in libpq's words.

An allowlist: a key is libpq's own, is translated, is dropped as tuning that means nothing here, or is refused.
Where two clients mean different things by the same key, the URL's other keys tell which client it is for; what
is verified is never less than that client verifies.
"""

import difflib
import re
from typing import Literal

from sidecar.identifiers import display_identifier
from sidecar.postgres.target import TargetError

Client = Literal["libpq", "node-postgres", "jdbc", "prisma"]
"""Who a URL is for, as far as it matters; ``libpq`` stands for everybody else."""

TLS_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

# libpq's own names ("Parameter Key Words"), as they are.
_LIBPQ = frozenset(
    """host hostaddr port dbname user password passfile connect_timeout options sslmode sslrootcert sslcert sslkey
    sslpassword sslcrl sslcrldir sslnegotiation sslcertmode ssl_min_protocol_version ssl_max_protocol_version
    target_session_attrs service servicefile channel_binding gssencmode""".split()
)

# Other clients' names → libpq's, or names that only this module knows.
_TRANSLATED: dict[str, str] = {
    "database": "dbname",
    "username": "user",
    "currentSchema": "search_path",  # JDBC
    "schema_search_path": "search_path",  # Rails
    "search_path": "search_path",  # pgx, asyncpg
    "schema": "schema",  # Prisma
    "connectTimeout": "connect_timeout",
    "targetServerType": "target_session_attrs",  # JDBC
    "sslNegotiation": "sslnegotiation",
    "channelBinding": "channel_binding",
    "gssEncMode": "gssencmode",
    "ssl": "ssl",  # node-postgres, JDBC
    "sslfactory": "sslfactory",  # JDBC
    "sslaccept": "sslaccept",  # Prisma
    "uselibpqcompat": "uselibpqcompat",  # node-postgres
    "ssl-mode": "sslmode",  # sqlx
    "ssl-root-cert": "sslrootcert",
    "ssl-ca": "sslrootcert",
    "ssl-cert": "sslcert",
    "ssl-key": "sslkey",
}

# Tuning of other clients; nothing here is weaker for leaving it out.
_LIBPQ_TUNING = frozenset(
    """application_name fallback_application_name client_encoding gsslib gssdelegation krbsrvname require_auth
    keepalives keepalives_idle keepalives_interval keepalives_count tcp_user_timeout replication load_balance_hosts
    min_protocol_version max_protocol_version sslcompression sslsni sslkeylogfile""".split()
)
_NODE_TUNING = frozenset(
    """allowExitOnIdle binary connectionTimeoutMillis encoding enableChannelBinding idleTimeoutMillis keepAlive
    keepAliveInitialDelayMillis maxLifetimeSeconds maxUses query_timeout""".split()
)
_PRISMA_TUNING = frozenset("connection_limit pool_timeout socket_timeout".split())
_JDBC_TUNING = frozenset(
    """ApplicationName adaptiveFetch adaptiveFetchMaximum adaptiveFetchMinimum allowEncodingChanges
    assumeMinServerVersion autosave binaryTransfer binaryTransferDisable binaryTransferEnable cancelSignalTimeout
    cleanupSavepoints databaseMetadataCacheFields databaseMetadataCacheFieldsMiB defaultRowFetchSize
    disableColumnSanitiser escapeSyntaxCallMode groupStartupParameters gssResponseTimeout hideUnprivilegedObjects
    hostRecheckSeconds loadBalanceHosts logServerErrorDetail logUnclosedConnections loggerFile loggerLevel
    loginTimeout maxResultBuffer maxSendBufferSize preferQueryMode prepareThreshold preparedStatementCacheQueries
    preparedStatementCacheSizeMiB protocolVersion quoteReturningIdentifiers reWriteBatchedInserts readOnly
    readOnlyMode receiveBufferSize sendBufferSize socketTimeout sslResponseTimeout stringtype tcpKeepAlive
    tcpNoDelay unknownLength""".split()
)
_DROPPED = (
    _LIBPQ_TUNING
    | _NODE_TUNING
    | _PRISMA_TUNING
    | _JDBC_TUNING
    | frozenset(
        """advisory_locks async_fallback binary_parameters checkout_timeout command_timeout conn_health_checks
        conn_max_age default_query_exec_mode description_cache_capacity disable_prepared_binary_result fetch_types
        idle_in_transaction_session_timeout idle_timeout keep_alive lock_timeout max max_lifetime max_overflow
        max_pipeline min min_messages pgbouncer pool pool_health_check_period pool_max_conn_idle_time
        pool_max_conn_lifetime pool_max_conn_lifetime_jitter pool_max_conns pool_min_conns pool_recycle pool_size
        prepare prepared_statement_cache_size prepared_statements reaping_frequency statement-cache-capacity
        statement_cache_capacity statement_cache_size statement_timeout timeout workaround""".split()
    )
)

# What would change who is trusted or reached, and cannot be done here.
_REFUSED: dict[str, str] = {
    "sslidentity": "names a PKCS #12 archive; give its parts as PEM files in sslcert and sslkey",
    "sslinline": "puts certificates into the URL; give them as files in sslrootcert, sslcert and sslkey",
    "sslhostnameverifier": "names a class that only Java has; write sslmode=verify-full",
    "sslpasswordcallback": "names a class that only Java has; write sslpassword",
    "socketFactory": "names a class that only Java has; write where it leads as host and port",
    "requirepeer": "cannot be checked here; remove it",
    "scram_client_key": "cannot be used here; write password",
    "scram_server_key": "cannot be used here; write password",
    "oauth_issuer": "cannot be used here; write password",
}

_KNOWN = _LIBPQ | _DROPPED | _TRANSLATED.keys() | _REFUSED.keys()
_SETTING = re.compile(r"(?:options|variables)\[([A-Za-z_][\w.]*)\]\Z")  # sqlx, Rails
_SAFE_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,40}\Z")


def is_key(text: str) -> bool:
    """True if ``text`` could be a key of anybody's; what is not may be a piece of a password."""
    return _SAFE_KEY.match(text) is not None or _SETTING.match(text) is not None


def refuse_unknown(given: list[tuple[str, str]], *, may_be_password: bool) -> None:
    """Refuse the first key that nobody knows, or that asks for what cannot be done here.

    A space in key=value form, an ampersand in a query and a question mark in a URL begin a new key there, so an
    unknown key is named only where it cannot be a piece of a password.

    Raises:
        TargetError: there is such a key.
    """
    for number, (key, _) in enumerate(given, 1):
        if key in _REFUSED:
            raise TargetError(f"the database URL's {key} {_REFUSED[key]}")
        if key in _KNOWN or _SETTING.match(key):
            may_be_password = may_be_password or "password" in key
            continue
        near = difflib.get_close_matches(key, _KNOWN, n=1)
        hint = f"did you mean {near[0]}?" if near else "remove it or write it as libpq does"
        if may_be_password:
            raise TargetError(f"the database URL has an unknown key, number {number}; {hint}")
        raise TargetError(f"the database URL has the unknown key {key!r}; {hint}")


def client_of(scheme: str, given: list[tuple[str, str]]) -> Client:
    """Return who a URL is for, told by what nobody else writes."""
    scheme = scheme.lower()
    if scheme.startswith("jdbc:"):
        return "jdbc"
    if "+" in scheme:  # SQLAlchemy, whose drivers are libpq or speak its words
        return "libpq"
    values = dict(given)
    if (
        "uselibpqcompat" in values
        or not values.keys().isdisjoint(_NODE_TUNING)
        or "no-verify" in (values.get("sslmode"), values.get("ssl"))
        or values.get("ssl", "disable") not in TLS_MODES  # true and the like; libpq has it for JDBC's sake only
    ):
        return "node-postgres"
    if not values.keys().isdisjoint({"schema", "sslaccept", *_PRISMA_TUNING}):
        return "prisma"
    return "libpq"


def to_libpq(given: list[tuple[str, str]], client: Client) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return libpq's parameters and the keys that were dropped.

    Beside libpq's names there are ``search_path``, and ``setting.NAME`` for a server setting. The mode
    ``no-verify`` means TLS without a look at the certificate, whatever else is given.

    Raises:
        TargetError: a value means nothing.
    """
    parameters: dict[str, str] = {}
    dropped: list[str] = []
    for key, value in given:
        if setting := _SETTING.match(key):
            parameters[f"setting.{setting[1].lower()}"] = value
        elif key == "host" and parameters.get("host") and client != "prisma":  # SQLAlchemy: once for each of several
            parameters["host"] += f",{value}"
        elif key in _LIBPQ:
            parameters[key] = value
        elif key in _TRANSLATED:
            parameters[_TRANSLATED[key]] = value
        else:
            dropped.append(key)
    if (schema := parameters.pop("schema", None)) is not None:  # the name of one schema, as it is
        parameters["search_path"] = display_identifier(schema)
    _translate_tls(parameters, client)
    return parameters, tuple(dict.fromkeys(dropped))


def _translate_tls(parameters: dict[str, str], client: Client) -> None:
    """Replace every client's words for TLS by libpq's sslmode."""
    ssl, compatible = parameters.pop("ssl", None), parameters.pop("uselibpqcompat", None)
    factory, accept = parameters.pop("sslfactory", None), parameters.pop("sslaccept", None)
    mode = parameters.get("sslmode") or None
    if mode is None and ssl is not None:
        mode = _mode_of_ssl(ssl, client)
    if client == "node-postgres":
        mode = _mode_of_node(mode, compatible, is_direct=parameters.get("sslnegotiation") == "direct")
    if factory is not None:
        mode = _mode_of_factory(factory, mode)
    if client == "prisma" and "sslcert" in parameters and "sslkey" not in parameters:
        parameters["sslrootcert"] = parameters.pop("sslcert")  # Prisma: the certificate to trust
    if accept is not None:
        mode = _mode_of_accept(accept, mode)
    if mode is not None:
        parameters["sslmode"] = mode


def _mode_of_ssl(text: str, client: Client) -> str:
    """Translate ``ssl=``: true encrypts and verifies, as JDBC and node-postgres do; bare ``ssl`` means true.

    SQLAlchemy with asyncpg and postgres.js write libpq's modes there.
    """
    if text in (*TLS_MODES, "no-verify"):
        return text
    if text.lower() not in ("true", "1", "", "false", "0"):
        raise TargetError("the database URL's ssl is neither true nor false")
    if text.lower() in ("false", "0"):
        return "prefer" if client == "jdbc" else "disable"
    return "verify-full"


def _mode_of_node(mode: str | None, compatible: str | None, *, is_direct: bool) -> str | None:
    """Translate what node-postgres means (pg-connection-string): every mode verifies in full, unless told otherwise.

    It never falls back to plain text.
    """
    if compatible == "true":
        return "require" if mode == "prefer" else mode
    if mode in ("allow", "prefer", "require", "verify-ca") or (mode is None and is_direct):
        return "verify-full"
    return mode


def _mode_of_factory(name: str, mode: str | None) -> str | None:
    match name.rpartition(".")[2]:
        case "NonValidatingFactory":
            return "disable" if mode == "disable" else "no-verify"
        case "DefaultJavaSSLFactory":  # the certificate is verified whatever the mode
            return "verify-ca" if mode in (None, "allow", "prefer", "require") else mode
        case "LibPQFactory":
            return mode
    raise TargetError("the database URL's sslfactory names a class that only Java has; write sslmode and sslrootcert")


def _mode_of_accept(text: str, mode: str | None) -> str | None:
    if text == "strict":
        return mode if mode == "disable" else "verify-full"
    if text != "accept_invalid_certs":
        raise TargetError("the database URL's sslaccept is neither strict nor accept_invalid_certs")
    return "no-verify" if mode == "require" else mode
