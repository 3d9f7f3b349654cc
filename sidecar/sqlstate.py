"""SQLSTATE and phase → disposition: by exact code, then by class, then a default.

Condition names are PostgreSQL's own (documentation, Appendix A, "PostgreSQL Error Codes"). What a code means
at connect is not what it means when a statement is judged, so there is a table for each.
"""

import msgspec

from sidecar.model import CONNECTION_LOST, Disposition, Phase

_RETRY = Disposition.RETRY
_INCOMPATIBLE = Disposition.INCOMPATIBLE
_MISCONFIGURED = Disposition.MISCONFIGURED
_REFUSED = Disposition.REFUSED
_UNDETERMINED = Disposition.UNDETERMINED


class Meaning(msgspec.Struct, frozen=True):
    """What a SQLSTATE means in a phase."""

    disposition: Disposition
    reason: str
    """A few words for a person."""
    condition: str = ""
    """PostgreSQL's condition name, empty where only the class was known."""


_ANYWHERE: dict[str, Meaning] = {
    "08000": Meaning(_RETRY, "connection failed", "connection_exception"),
    "08001": Meaning(_RETRY, "connection failed", "sqlclient_unable_to_establish_sqlconnection"),
    "08003": Meaning(_RETRY, CONNECTION_LOST, "connection_does_not_exist"),
    "08004": Meaning(_RETRY, "server rejected the connection", "sqlserver_rejected_establishment_of_sqlconnection"),
    "08006": Meaning(_RETRY, CONNECTION_LOST, "connection_failure"),
    "08007": Meaning(_RETRY, CONNECTION_LOST, "transaction_resolution_unknown"),
    "08P01": Meaning(_UNDETERMINED, "protocol violation", "protocol_violation"),
    "25006": Meaning(_UNDETERMINED, "server is read-only", "read_only_sql_transaction"),
    "25P03": Meaning(_RETRY, "idle-in-transaction timeout", "idle_in_transaction_session_timeout"),
    "25P04": Meaning(_RETRY, "transaction timeout", "transaction_timeout"),
    "26000": Meaning(_UNDETERMINED, "a pooler lost a prepared statement", "invalid_sql_statement_name"),
    "28000": Meaning(_REFUSED, "role not allowed to connect", "invalid_authorization_specification"),
    "28P01": Meaning(_REFUSED, "password authentication failed", "invalid_password"),
    "3D000": Meaning(_REFUSED, "database does not exist", "invalid_catalog_name"),
    "40001": Meaning(_RETRY, "serialization failure", "serialization_failure"),
    "40003": Meaning(_RETRY, "statement completion unknown", "statement_completion_unknown"),
    "40P01": Meaning(_RETRY, "deadlock detected", "deadlock_detected"),
    "42P05": Meaning(_UNDETERMINED, "a pooler kept a prepared statement", "duplicate_prepared_statement"),
    "53000": Meaning(_RETRY, "server out of resources", "insufficient_resources"),
    "53100": Meaning(_RETRY, "server disk full", "disk_full"),
    "53200": Meaning(_RETRY, "server out of memory", "out_of_memory"),
    "53300": Meaning(_RETRY, "too many connections", "too_many_connections"),
    "53400": Meaning(_RETRY, "server configuration limit exceeded", "configuration_limit_exceeded"),
    "55006": Meaning(_RETRY, "object in use", "object_in_use"),
    "55P03": Meaning(_RETRY, "lock timeout: a migration may be running", "lock_not_available"),
    "57014": Meaning(_RETRY, "statement timeout", "query_canceled"),
    "57P01": Meaning(_RETRY, "server shutting down", "admin_shutdown"),
    "57P02": Meaning(_RETRY, "server crashed", "crash_shutdown"),
    "57P03": Meaning(_RETRY, "server is starting up", "cannot_connect_now"),
    "57P04": Meaning(_REFUSED, "database was dropped", "database_dropped"),
    "57P05": Meaning(_RETRY, "idle session timeout", "idle_session_timeout"),
    "58000": Meaning(_RETRY, "server system error", "system_error"),
    "58030": Meaning(_RETRY, "server I/O error", "io_error"),
    "F0000": Meaning(_REFUSED, "server configuration file error", "config_file_error"),
}

_ANYWHERE_BY_CLASS: dict[str, Meaning] = {
    "08": Meaning(_RETRY, "connection failed"),
    "28": Meaning(_REFUSED, "role not allowed to connect"),
    "40": Meaning(_RETRY, "transaction rolled back"),
    "53": Meaning(_RETRY, "server out of resources"),
    "57": Meaning(_RETRY, "operator intervention"),
    "58": Meaning(_RETRY, "server system error"),
    "F0": Meaning(_REFUSED, "server configuration file error"),
}

_AT_CONNECT: dict[str, Meaning] = {
    "22023": Meaning(_MISCONFIGURED, "connection parameter refused", "invalid_parameter_value"),
    "42501": Meaning(_REFUSED, "role may not connect to the database", "insufficient_privilege"),
    "42601": Meaning(_MISCONFIGURED, "connection parameter refused", "syntax_error"),
    "42704": Meaning(_MISCONFIGURED, "connection parameter unknown to the server", "undefined_object"),
    "55000": Meaning(_REFUSED, "database does not accept connections", "object_not_in_prerequisite_state"),
    "55P02": Meaning(_MISCONFIGURED, "connection parameter refused", "cant_change_runtime_param"),
}

_AT_PROBE: dict[str, Meaning] = {
    "0A000": Meaning(_INCOMPATIBLE, "not supported", "feature_not_supported"),
    "0L000": Meaning(_INCOMPATIBLE, "privilege missing", "invalid_grantor"),
    "0LP01": Meaning(_INCOMPATIBLE, "privilege missing", "invalid_grant_operation"),
    "0P000": Meaning(_INCOMPATIBLE, "role missing", "invalid_role_specification"),
    "22001": Meaning(_INCOMPATIBLE, "value too long", "string_data_right_truncation"),
    "22003": Meaning(_INCOMPATIBLE, "value out of range", "numeric_value_out_of_range"),
    "22007": Meaning(_INCOMPATIBLE, "invalid datetime", "invalid_datetime_format"),
    "22008": Meaning(_INCOMPATIBLE, "datetime out of range", "datetime_field_overflow"),
    "22P02": Meaning(_INCOMPATIBLE, "invalid text for the type", "invalid_text_representation"),
    "3F000": Meaning(_INCOMPATIBLE, "schema missing", "invalid_schema_name"),
    "42501": Meaning(_INCOMPATIBLE, "privilege missing", "insufficient_privilege"),
    "42601": Meaning(_INCOMPATIBLE, "syntax error", "syntax_error"),
    "42602": Meaning(_INCOMPATIBLE, "invalid name", "invalid_name"),
    "42622": Meaning(_INCOMPATIBLE, "name too long", "name_too_long"),
    "42702": Meaning(_INCOMPATIBLE, "column ambiguous", "ambiguous_column"),
    "42703": Meaning(_INCOMPATIBLE, "column missing", "undefined_column"),
    "42704": Meaning(_INCOMPATIBLE, "object missing", "undefined_object"),
    "42712": Meaning(_INCOMPATIBLE, "duplicate alias", "duplicate_alias"),
    "42725": Meaning(_INCOMPATIBLE, "function ambiguous", "ambiguous_function"),
    "42803": Meaning(_INCOMPATIBLE, "grouping error", "grouping_error"),
    "42804": Meaning(_INCOMPATIBLE, "type mismatch", "datatype_mismatch"),
    "42809": Meaning(_INCOMPATIBLE, "wrong kind of object", "wrong_object_type"),
    "42846": Meaning(_INCOMPATIBLE, "cannot convert the type", "cannot_coerce"),
    "42883": Meaning(_INCOMPATIBLE, "function missing", "undefined_function"),
    "428C9": Meaning(_INCOMPATIBLE, "generated column written", "generated_always"),
    "42P01": Meaning(_INCOMPATIBLE, "relation missing", "undefined_table"),
    "42P02": Meaning(_INCOMPATIBLE, "parameter missing", "undefined_parameter"),
    "42P08": Meaning(_INCOMPATIBLE, "parameter ambiguous", "ambiguous_parameter"),
    "42P09": Meaning(_INCOMPATIBLE, "alias ambiguous", "ambiguous_alias"),
    "42P10": Meaning(_INCOMPATIBLE, "no matching unique constraint", "invalid_column_reference"),
    "42P17": Meaning(_INCOMPATIBLE, "invalid definition", "invalid_object_definition"),
    "42P18": Meaning(_INCOMPATIBLE, "type not determined", "indeterminate_datatype"),
    "42P19": Meaning(_INCOMPATIBLE, "invalid recursion", "invalid_recursion"),
    "42P21": Meaning(_INCOMPATIBLE, "collation mismatch", "collation_mismatch"),
    "42P22": Meaning(_INCOMPATIBLE, "collation not determined", "indeterminate_collation"),
    "55000": Meaning(_INCOMPATIBLE, "object not usable", "object_not_in_prerequisite_state"),
}

_UNKNOWN = Meaning(_UNDETERMINED, "unexpected error")


# PgBouncer answers nearly everything with 08P01, in English, from its own source: the one place where text decides.
_PGBOUNCER: tuple[tuple[str, Meaning], ...] = (
    ("server shutting down", Meaning(_RETRY, "pooler shutting down")),
    ("query_wait_timeout", Meaning(_RETRY, "pooler has no free server connection")),
    ("client_login_timeout", Meaning(_RETRY, "pooler login timeout")),
    ("no more connections allowed", Meaning(_RETRY, "too many connections to the pooler")),
    ("server login has been failing", Meaning(_RETRY, "pooler cannot reach the server")),
    ("unsupported startup parameter", Meaning(_MISCONFIGURED, "pooler refuses a startup parameter")),
    ("no such user", Meaning(_REFUSED, "password authentication failed")),
    ("no such database", Meaning(_REFUSED, "database does not exist")),
    ("password authentication failed", Meaning(_REFUSED, "password authentication failed")),
    ("auth failed", Meaning(_REFUSED, "password authentication failed")),
    ("ssl required", Meaning(_REFUSED, "pooler demands TLS")),
)

# The function in the server's source that raised the error tells apart what one code lumps together, in every
# language: (SQLSTATE, function) → meaning. Sources: guc.c, parse_cte.c, plancache.c, execUtils.c of PostgreSQL.
_BY_FUNCTION: dict[tuple[str, str], Meaning] = {
    ("42704", "find_option"): Meaning(_UNDETERMINED, "a custom setting is not set in this session"),
    ("42704", "GetConfigOptionByName"): Meaning(_UNDETERMINED, "a custom setting is not set in this session"),  # ≤ 13
    ("0A000", "analyzeCTE"): Meaning(_UNDETERMINED, "a WITH that writes, inside another statement"),
    ("0A000", "RevalidateCachedQuery"): Meaning(_RETRY, "the schema changed while it was being judged"),
    ("55000", "ExecOpenScanRelation"): Meaning(_RETRY, "materialized view not populated yet"),
}


def classify(phase: Phase, sqlstate: str, *, function: str = "", message: str = "") -> Meaning:
    """Return what ``sqlstate`` means in ``phase``.

    Only the probe phase can say ``incompatible``: everywhere else the same code says something about the
    client, the server or the driver, never about the schema.

    Args:
        phase: where in the attempt the error came up.
        sqlstate: the five characters of the code.
        function: the server's source function that raised it (the ``R`` field of the error), if known.
        message: the server's words; consulted for PgBouncer's 08P01 only, as messages are localised.
    """
    if sqlstate == "08P01":
        lowered = message.lower()
        for words, meaning in _PGBOUNCER:
            if words in lowered:
                return meaning
    if phase is Phase.PROBE and (sqlstate, function) in _BY_FUNCTION:
        return _BY_FUNCTION[sqlstate, function]
    if phase is Phase.CONNECT and sqlstate in _AT_CONNECT:
        return _AT_CONNECT[sqlstate]
    if phase is Phase.PROBE and sqlstate in _AT_PROBE:
        return _AT_PROBE[sqlstate]
    return _ANYWHERE.get(sqlstate) or _ANYWHERE_BY_CLASS.get(sqlstate[:2]) or _UNKNOWN
