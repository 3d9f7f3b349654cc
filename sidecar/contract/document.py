"""The contract document, version 1: its shape on paper.

The classes are the format: decoding, the JSON Schema in ``config/contract.schema.json`` and the reference
are all made from them.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from sidecar.compatibility.migrations import TOOLS
from sidecar.model import OnConflict, TypePolicy, Use

_Text = Annotated[str, Meta(min_length=1)]
_Columns = Annotated[tuple[_Text, ...], Meta(min_length=1)]
_DAY_S = 86_400


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Strict: an unknown key is an error, for a mistyped key would otherwise check nothing."""


class ColumnDocument(_Document, frozen=True):
    """A column, where its type alone does not say enough."""

    type: Annotated[
        str | Annotated[tuple[str, ...], Meta(min_length=1)] | None,
        Meta(description="SQL text of the type, or a list of accepted types. Left out: only the name matters."),
    ] = None
    nullable: Annotated[
        bool | None,
        Meta(description="true: the image may write NULL. false: its readers rely on a value. Left out: no claim."),
    ] = None
    use: Annotated[
        Annotated[tuple[Literal["select", "insert", "update"], ...], Meta(min_length=1)] | None,
        Meta(description="What the image does with this column, where it is less than with the relation."),
    ] = None
    types: Annotated[
        TypePolicy | None,
        Meta(description="How strictly this column's type is compared, where it is not as the contract says."),
    ] = None


class UpsertDocument(_Document, frozen=True):
    """An ON CONFLICT clause, where columns alone do not say enough."""

    columns: Annotated[tuple[_Text, ...], Meta(description="Columns that the clause names.")] = ()
    expressions: Annotated[
        tuple[_Text, ...], Meta(description="SQL text of expressions that the clause names: lower(email).")
    ] = ()
    where: Annotated[_Text | None, Meta(description="SQL text of the predicate, for a partial index.")] = None
    constraint: Annotated[_Text | None, Meta(description="The name in ON CONFLICT ON CONSTRAINT.")] = None
    do: Annotated[
        OnConflict | None,
        Meta(description="nothing or update; left out: update where the image updates a column of the relation."),
    ] = None


class ForeignKeyDocument(_Document, frozen=True):
    """A foreign key that the image knows."""

    columns: _Columns
    references: Annotated[str, Meta(description="The other relation, with a schema where it matters.")]


class ConstraintsDocument(_Document, frozen=True):
    """What the relation refused when the image was built; anything more is told as a warning."""

    unique: Annotated[
        tuple[_Columns | _Text, ...],
        Meta(description="Unique constraints and indexes, by columns or by name; the primary key need not be there."),
    ] = ()
    foreign_keys: tuple[ForeignKeyDocument, ...] = ()
    checks: Annotated[tuple[_Text, ...], Meta(description="CHECK constraints by name, those of domains included.")] = ()
    exclusions: Annotated[tuple[_Text, ...], Meta(description="Exclusion constraints by name.")] = ()
    triggers: Annotated[tuple[_Text, ...], Meta(description="Triggers by name.")] = ()


class RelationDocument(_Document, frozen=True):
    """A table or view that the image uses."""

    use: Annotated[
        tuple[Use, ...],
        Meta(min_length=1, description="Kinds of statement that the image issues on the relation."),
    ] = (Use.SELECT,)
    columns: Annotated[
        dict[str, str | ColumnDocument | None],
        Meta(description="Every column that the image's statements name: its SQL type, a mapping, or nothing."),
    ] = {}
    upserts: Annotated[
        tuple[_Columns | UpsertDocument, ...],
        Meta(description="The image's ON CONFLICT clauses: their columns, or a mapping."),
    ] = ()
    constraints: Annotated[
        ConstraintsDocument | None,
        Meta(description="The constraints and triggers that the image was built with; left out: no claim."),
    ] = None
    indexes: Annotated[
        tuple[_Columns | _Text, ...],
        Meta(description="Indexes that the image needs to be fast: by leading key columns, or by name."),
    ] = ()


class SourceDocument(_Document, frozen=True):
    """Where the document came from; information only."""

    kind: Annotated[str, Meta(description="What made it: drizzle, sqlalchemy, sql, database, hand.")]
    migration: Annotated[str | None, Meta(description="The newest migration that the image was built with.")] = None


class QueryDocument(_Document, frozen=True):
    """A statement of the image's own, where its text alone does not say enough."""

    sql: str
    parameters: Annotated[
        tuple[str, ...], Meta(description="Types of $1 … $n that the image's driver declares; left out: inferred.")
    ] = ()
    run: Annotated[
        bool,
        Meta(description="true: read its first row, with NULL for every parameter. Only for statements that read."),
    ] = False


class SessionDocument(_Document, frozen=True):
    """What the image needs of its own sessions."""

    temporary_tables: Annotated[bool, Meta(description="true: the image makes temporary tables.")] = False
    statement_timeout_s: Annotated[
        Annotated[float, Meta(gt=0, le=_DAY_S)] | None,
        Meta(description="The role's statement_timeout has to be off or at least this, in seconds."),
    ] = None
    lock_timeout_s: Annotated[
        Annotated[float, Meta(gt=0, le=_DAY_S)] | None,
        Meta(description="The role's lock_timeout has to be off or at least this, in seconds."),
    ] = None


class MigrationsDocument(_Document, frozen=True):
    """The newest migration that the image was built with: lets a report say which side is behind. Never a gate."""

    head: Annotated[
        str | int | dict[str, str | int],
        Meta(description="The newest migration in the tool's terms; for Django a mapping of application to name."),
    ]
    tool: Annotated[
        str | None, Meta(description=f"One of {', '.join(sorted(TOOLS))}; left out: told by the table's name.")
    ] = None
    table: Annotated[str | None, Meta(description="The tool's table; left out: its usual one.")] = None
    count: Annotated[Annotated[int, Meta(ge=0)] | None, Meta(description="How many migrations the image knows.")] = None


class AcceptanceDocument(_Document, frozen=True):
    """A finding that the image's owners know of; it is told and gates no more."""

    code: Annotated[str, Meta(description="The finding's code, such as column-missing.")]
    object: Annotated[str, Meta(min_length=1, description="The finding's object as the report writes it.")]
    reason: Annotated[str, Meta(min_length=1, description="Why it may be so; shown in every report.")]


class ContractDocument(_Document, frozen=True):
    """What an image expects of its PostgreSQL database."""

    contract: Annotated[Literal[1], Meta(description="Version of this format.")]
    name: Annotated[str, Meta(min_length=1, description="The image's name, for reports and metrics.")] = "contract"
    source: SourceDocument | None = None
    search_path: Annotated[
        tuple[str, ...] | None,
        Meta(description="Schemas, if the application sets its own search_path; left out, the role's own counts."),
    ] = None
    types: Annotated[TypePolicy, Meta(description="How strictly column types are compared.")] = TypePolicy.WIDENING
    relations: Annotated[
        dict[str, RelationDocument],
        Meta(description="By exact name, with a schema where the image writes one: workflow, billing.invoice."),
    ] = {}
    enums: Annotated[
        dict[str, Annotated[tuple[str, ...], Meta(min_length=1)]],
        Meta(description="Enum types by exact name, and the labels that the image uses, in any order."),
    ] = {}
    functions: Annotated[
        tuple[str, ...],
        Meta(
            description="Functions that the image calls, as SQL: now(), similarity(text, text),"
            " f(int) returns setof text. Bare: any overload."
        ),
    ] = ()
    extensions: Annotated[tuple[_Text, ...], Meta(description="Extensions that have to be installed.")] = ()
    sequences: Annotated[tuple[str, ...], Meta(description="Sequences that the image itself draws from.")] = ()
    collations: Annotated[tuple[str, ...], Meta(description="Collations that the image names.")] = ()
    text_search_configurations: Annotated[
        tuple[str, ...], Meta(description="Text search configurations that the image names.")
    ] = ()
    queries: Annotated[
        dict[str, str | QueryDocument],
        Meta(description="The image's own statements, one each, with $1 … $n for parameters: planned, or a mapping."),
    ] = {}
    session: Annotated[SessionDocument, Meta(description="What the image needs of its own sessions.")] = (
        SessionDocument()
    )
    migrations: MigrationsDocument | None = None
    accept: Annotated[
        tuple[AcceptanceDocument, ...], Meta(description="Findings that are known and gate no more.")
    ] = ()


def json_schema() -> dict[str, Any]:
    """Return the document's JSON Schema, for editors and pipelines."""
    (reference,), components = msgspec.json.schema_components((ContractDocument,), ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "contract.schema.json",
        **reference,
        "$defs": components,
    }
