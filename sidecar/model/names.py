"""What both sides of the comparison are named by."""

from enum import StrEnum

import msgspec

from sidecar.identifiers import display_path


class Use(StrEnum):
    """What the image does with a relation or a column."""

    SELECT = "select"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    TRUNCATE = "truncate"


class Name(msgspec.Struct, frozen=True, order=True):
    """The exact catalog name of an object, with its schema where the contract gives one."""

    schema: str | None
    name: str

    def __str__(self) -> str:
        """Return the name as PostgreSQL would show it."""
        return display_path(self.schema, self.name)
