"""Which variable says where the database is, and reading it anew for every attempt."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from sidecar.postgres.dsn import DEFINING_VARIABLES, parse_dsn
from sidecar.postgres.target import Secret, Target, TargetError

VARIABLES = ("SIDECAR_DATABASE_URL", "DATABASE_URL")
"""In order of precedence. Each may stand in a file instead, named by the same variable with ``_FILE``."""


class DatabaseSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where the database's address comes from."""

    variable: str
    """The variable that counts, for messages; ``PG*`` for libpq's own."""
    text: Secret | None = None
    path: str | None = None

    def load(self, environ: Mapping[str, str]) -> Target:
        """Return the target, reading the file again if it is one: a rotated secret is picked up.

        Raises:
            TargetError: the file cannot be read or its text not be understood; the message names the variable.
        """
        text = self.text.reveal() if self.text is not None else ""
        if self.path is not None:
            try:
                text = Path(self.path).read_text(encoding="utf-8")
            except OSError as error:
                raise TargetError(f"{self.variable}: {self.path}: {(error.strerror or 'unreadable').lower()}") from None
            except UnicodeDecodeError:
                raise TargetError(f"{self.variable}: {self.path}: not UTF-8 text") from None
            if not text.strip():
                raise TargetError(f"{self.variable}: {self.path}: the file is empty")
        try:
            return parse_dsn(text, environ)
        except TargetError as error:
            raise TargetError(f"{self.variable}: {error}") from None


def find_source(environ: Mapping[str, str]) -> DatabaseSource:
    """Return the source that counts.

    Raises:
        TargetError: there is none, or a variable is given both directly and as a file.
    """
    for variable in VARIABLES:
        text, path = environ.get(variable, ""), environ.get(f"{variable}_FILE", "")
        if text and path:
            raise TargetError(f"{variable} and {variable}_FILE are both set; set one of them")
        if text:
            return DatabaseSource(variable=variable, text=Secret(text))
        if path:
            return DatabaseSource(variable=f"{variable}_FILE", path=path)
    if any(environ.get(name) for name in DEFINING_VARIABLES):
        return DatabaseSource(variable="PG*")
    raise TargetError(
        "no database: set DATABASE_URL, SIDECAR_DATABASE_URL, either with _FILE for a mounted secret,"
        " or libpq's PGHOST, PGUSER, PGDATABASE"
    )
