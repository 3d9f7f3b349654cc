"""The role's sessions: may they write, and do they begin with what the image needs?"""

from collections.abc import Iterator

from sidecar.compatibility.codes import SERVER_READ_ONLY, TEMPORARY_TABLES_REFUSED, TIMEOUT_TOO_SHORT
from sidecar.identifiers import display_identifier
from sidecar.model import Catalog, Contract, Finding, Use


def read_only_server(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find that an image which writes has come to a server, or sessions, that do not take writes."""
    database = catalog.database
    if not contract.writes or not (database.is_standby or database.is_read_only):
        return
    first = min(str(relation.name) for relation in contract.relations if relation.use - {Use.SELECT})
    if database.is_standby:
        reason, help_ = (
            "is a standby",
            "Let the address lead to the primary; with several hosts, add target_session_attrs=read-write.",
        )
    else:
        role, name = display_identifier(database.role), display_identifier(database.name)
        reason = "gives the role read-only sessions (default_transaction_read_only)"
        help_ = (
            f"ALTER ROLE {role} RESET default_transaction_read_only;"
            f" or ALTER DATABASE {name} RESET default_transaction_read_only;"
        )
    yield SERVER_READ_ONLY.at("server", f"the server {reason}, and the image writes to {first}", help_)


def short_timeouts(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find timeouts of the role's sessions that are shorter than what the image needs."""
    role = display_identifier(catalog.database.role)
    for name, needed_s, given_ms, sqlstate in (
        ("statement_timeout", contract.session.statement_timeout_s, catalog.database.statement_timeout_ms, "57014"),
        ("lock_timeout", contract.session.lock_timeout_s, catalog.database.lock_timeout_ms, "55P03"),
    ):
        if needed_s is not None and 0 < given_ms < round(needed_s * 1000):
            yield TIMEOUT_TOO_SHORT.at(
                name,
                f"{name} of role {role} is {given_ms / 1000:g} s, and the image needs {needed_s:g} s",
                f"ALTER ROLE {role} SET {name} = '{needed_s:g}s';",
                sqlstate=sqlstate,
            )


def refused_temporary_tables(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find that the image makes temporary tables and the role may not."""
    if contract.session.temporary_tables and not catalog.database.can_create_temporary:
        role, name = display_identifier(catalog.database.role), display_identifier(catalog.database.name)
        yield TEMPORARY_TABLES_REFUSED.at(
            "temporary tables",
            f"permission denied to create temporary tables in database {name}: role {role} has no TEMPORARY on it",
            f"GRANT TEMPORARY ON DATABASE {name} TO {role};",
        )
