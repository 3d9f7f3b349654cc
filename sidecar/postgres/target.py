"""Where the database is and how to get in: one value, whatever it was spelled as."""

from typing import Literal

import msgspec


class Secret:
    """A text that shows itself to nobody by accident: not in a repr, a log, a page or a traceback."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Keep ``value``."""
        self._value = value

    def reveal(self) -> str:
        """Return the text; the only way to it."""
        return self._value

    def __repr__(self) -> str:
        """Return a placeholder."""
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        """Compare by value."""
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        """Hash by value."""
        return hash(self._value)


TlsMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """How the connection is encrypted and what is verified, in libpq's words ("SSL Support")."""

    mode: TlsMode = "prefer"
    root_certificate: str | None = None
    """A file of CA certificates, or ``system`` for the system's own store."""
    certificate: str | None = None
    key: str | None = None
    key_password: Secret | None = None
    revocation_list: str | None = None
    revocation_directory: str | None = None
    """A directory of revocation lists, named by their hashes as OpenSSL does."""
    minimum_version: str | None = None
    """``TLSv1.2`` or ``TLSv1.3``."""
    maximum_version: str | None = None
    direct: bool = False
    """TLS from the first byte, without asking the server before (PostgreSQL 17 and newer)."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A database as the application would reach it."""

    hosts: tuple[tuple[str, int], ...]
    """Tried in order. A host that begins with a slash is a directory with a Unix socket."""
    user: str
    password: Secret | None = None
    host_passwords: tuple[tuple[tuple[str, int], Secret], ...] = ()
    """What a password file has for each of the hosts; empty where the password is given."""
    database: str
    tls: Tls = Tls()
    settings: tuple[tuple[str, str], ...] = ()
    """Server settings that the application asks for, search_path among them; set inside the transaction."""
    session_attributes: str = "any"
    """libpq's target_session_attrs."""
    connect_timeout_s: float | None = None
    ignored: tuple[str, ...] = ()
    """Keys that tune clients of other kinds and mean nothing here."""

    def password_for(self, address: tuple[str, int]) -> str:
        """Return the password for a host, empty if there is none."""
        secret = self.password or dict(self.host_passwords).get(address)
        return "" if secret is None else secret.reveal()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every credential in the target, longest first: what no message may contain."""
        given = (self.password, self.tls.key_password, *(secret for _, secret in self.host_passwords))
        values = dict.fromkeys(s.reveal() for s in given if s is not None)
        return tuple(sorted((v for v in values if v), key=len, reverse=True))


class TargetError(Exception):
    """A database address that cannot be used. The message names the part and the mend, never a value of it."""
