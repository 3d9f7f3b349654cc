"""Every kind of finding: its stable code, its severity, and the SQLSTATE that the application would get."""

import msgspec

from sidecar.model import Finding, Severity


class Code(msgspec.Struct, frozen=True):
    """A kind of finding. ``code`` is stable: alerts and acceptances are written against it."""

    code: str
    severity: Severity
    sqlstate: str | None
    summary: str

    def at(self, object_: str, message: str, help_: str, *, severity: Severity | None = None) -> Finding:
        """Return a finding of this kind.

        Args:
            object_: the object, qualified, as PostgreSQL would write it.
            message: one sentence naming the object.
            help_: the mend.
            severity: overrides the kind's own where the circumstances soften it.
        """
        return Finding(
            code=self.code,
            severity=severity or self.severity,
            object=object_,
            message=message,
            help=help_,
            sqlstate=self.sqlstate,
        )


_ERROR, _WARNING = Severity.ERROR, Severity.WARNING

SCHEMA_MISSING = Code("schema-missing", _ERROR, "3F000", "A schema that the image names does not exist.")
SCHEMA_PRIVILEGE_MISSING = Code(
    "schema-privilege-missing", _ERROR, "42501", "The role has no USAGE on a schema that the image needs."
)
RELATION_MISSING = Code("relation-missing", _ERROR, "42P01", "A table or view that the image uses does not exist.")
RELATION_PRIVILEGE_MISSING = Code(
    "relation-privilege-missing", _ERROR, "42501", "The role lacks a privilege on a table or view that the image uses."
)
COLUMN_MISSING = Code("column-missing", _ERROR, "42703", "A column that the image names does not exist.")
COLUMN_PRIVILEGE_MISSING = Code(
    "column-privilege-missing", _ERROR, "42501", "The role lacks a privilege on a column that the image uses."
)
COLUMN_TYPE_CHANGED = Code(
    "column-type-changed", _ERROR, None, "A column's type does not hold what the image reads or writes."
)
COLUMN_NOT_NULL = Code("column-not-null", _ERROR, "23502", "The image writes NULL to a column that refuses it.")
COLUMN_NULLABLE = Code(
    "column-nullable", _WARNING, None, "A reader relies on a value in a column that may now hold NULL."
)
REQUIRED_COLUMN_UNWRITTEN = Code(
    "required-column-unwritten", _ERROR, "23502", "The database demands a value that the image's INSERT does not give."
)
GENERATED_COLUMN_WRITTEN = Code(
    "generated-column-written", _ERROR, "428C9", "The image writes a column that the database computes."
)
IDENTITY_COLUMN_WRITTEN = Code(
    "identity-column-written", _ERROR, "428C9", "The image writes a GENERATED ALWAYS identity column."
)
UPSERT_TARGET_MISSING = Code(
    "upsert-target-missing", _ERROR, "42P10", "No unique index fits the columns of an ON CONFLICT clause."
)
UPSERT_TARGET_DEFERRABLE = Code(
    "upsert-target-deferrable", _ERROR, "55000", "The only fitting unique constraint is DEFERRABLE."
)
TYPE_MISSING = Code("type-missing", _ERROR, "42704", "A type that the image names does not exist.")
ENUM_LABEL_MISSING = Code("enum-label-missing", _ERROR, "22P02", "An enum lacks a label that the image uses.")
ENUM_REPLACED = Code("enum-replaced", _ERROR, "42804", "A type that the image uses as an enum is something else.")
FUNCTION_MISSING = Code("function-missing", _ERROR, "42883", "A function that the image calls does not exist.")
FUNCTION_REPLACED = Code("function-replaced", _ERROR, "42809", "A function that the image calls is now a procedure.")
FUNCTION_PRIVILEGE_MISSING = Code(
    "function-privilege-missing", _ERROR, "42501", "The role has no EXECUTE on a function that the image calls."
)
EXTENSION_MISSING = Code("extension-missing", _ERROR, None, "An extension that the image needs is not installed.")
READ_REFUSED = Code("read-refused", _ERROR, None, "The server refuses to read the columns that the image reads.")
WRITE_REFUSED = Code("write-refused", _ERROR, None, "The server refuses to plan a write that the image issues.")
CALL_REFUSED = Code("call-refused", _ERROR, None, "The server refuses to plan a call of a function.")
QUERY_REFUSED = Code("query-refused", _ERROR, None, "The server refuses to plan one of the image's own queries.")
NOT_CHECKED = Code("not-checked", _WARNING, None, "A statement could not be judged without running it for real.")

ALL: tuple[Code, ...] = (
    SCHEMA_MISSING,
    SCHEMA_PRIVILEGE_MISSING,
    RELATION_MISSING,
    RELATION_PRIVILEGE_MISSING,
    COLUMN_MISSING,
    COLUMN_PRIVILEGE_MISSING,
    COLUMN_TYPE_CHANGED,
    COLUMN_NOT_NULL,
    COLUMN_NULLABLE,
    REQUIRED_COLUMN_UNWRITTEN,
    GENERATED_COLUMN_WRITTEN,
    IDENTITY_COLUMN_WRITTEN,
    UPSERT_TARGET_MISSING,
    UPSERT_TARGET_DEFERRABLE,
    TYPE_MISSING,
    ENUM_LABEL_MISSING,
    ENUM_REPLACED,
    FUNCTION_MISSING,
    FUNCTION_REPLACED,
    FUNCTION_PRIVILEGE_MISSING,
    EXTENSION_MISSING,
    READ_REFUSED,
    WRITE_REFUSED,
    CALL_REFUSED,
    QUERY_REFUSED,
    NOT_CHECKED,
)
"""All kinds, in the order of the reference."""
