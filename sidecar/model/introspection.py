"""What a live database has altogether, for making a contract from it.

The values arrive as one JSON document, the ones that come by the thousand as arrays (array_like).
"""

import msgspec

from sidecar.model.names import Use


class FoundType(msgspec.Struct, frozen=True, array_like=True):
    """A type that a column or a function's signature uses, or that is below such a one."""

    schema: str
    name: str
    kind: str
    """``typtype``: b base, c composite, d domain, e enum, p pseudo, r range, m multirange."""
    element_oid: int
    """The element's type for a true array, else 0."""
    base_oid: int
    """The type below a domain, else 0."""
    not_null: bool
    checks: tuple[str, ...]
    """Names of a domain's CHECK constraints."""
    is_visible: bool
    """Its name alone leads to it, in the session that looked."""


class FoundColumn(msgspec.Struct, frozen=True, array_like=True):
    """A column of a table or view."""

    name: str
    type_oid: int
    type_text: str
    """``format_type``: the spelling of a built-in type, and the modifiers of any."""
    not_null: bool
    identity: str
    """``attidentity``: empty, ``a`` (GENERATED ALWAYS) or ``d`` (BY DEFAULT)."""
    generated: str
    """``attgenerated``: empty, ``s`` (stored) or ``v`` (virtual)."""
    can_select: bool
    can_insert: bool
    can_update: bool

    @property
    def is_computed(self) -> bool:
        """True if no statement can give it a value."""
        return bool(self.generated) or self.identity == "a"


class FoundIndex(msgspec.Struct, frozen=True, array_like=True):
    """An index that is not a primary key's."""

    name: str
    columns: tuple[str, ...]
    """The key columns; expressions are left out and told by ``has_expressions``."""
    has_expressions: bool
    is_partial: bool
    is_unique: bool
    is_valid: bool
    is_null_a_value: bool
    """NULLS NOT DISTINCT."""


class FoundConstraint(msgspec.Struct, frozen=True, array_like=True):
    """A constraint that the server enforces: ``contype`` c check, f foreign key or x exclusion."""

    name: str
    kind: str
    columns: tuple[str, ...]
    references_schema: str
    references_name: str
    """A foreign key's other side, else empty."""
    is_reference_visible: bool


class FoundRelation(msgspec.Struct, frozen=True, kw_only=True):
    """A table or view. Partitions are not among them: statements name the table that they are of."""

    schema: str
    name: str
    kind: str
    """``relkind``: r table, p partitioned table, v view, m materialised view, f foreign table."""
    is_visible: bool
    can_use: bool
    """The role has USAGE on the schema."""
    can_delete: bool
    denied_by_policy: tuple[Use, ...]
    """Uses that row security leaves without any row for the role."""
    has_partitions: bool
    """False for a partitioned table that takes no row at all."""
    columns: tuple[FoundColumn, ...]
    indexes: tuple[FoundIndex, ...]
    constraints: tuple[FoundConstraint, ...]
    triggers: tuple[str, ...]
    policies: tuple[str, ...]
    rules: tuple[str, ...]


class FoundEnum(msgspec.Struct, frozen=True, array_like=True):
    """An enum type."""

    schema: str
    name: str
    is_visible: bool
    can_use: bool
    labels: tuple[str, ...]


class FoundFunction(msgspec.Struct, frozen=True, array_like=True):
    """A function or procedure."""

    schema: str
    name: str
    is_visible: bool
    kind: str
    """``prokind``: f function, p procedure, a aggregate, w window function; o for an ordered-set aggregate."""
    arguments: tuple[int, ...]
    """Types of the input arguments, by OID; a variadic one's is that of its elements."""
    result_oid: int
    returns_set: bool
    can_execute: bool


class FoundName(msgspec.Struct, frozen=True, array_like=True):
    """Something of which the name is all that matters."""

    schema: str
    name: str
    is_visible: bool
    can_use: bool


class FoundMigrations(msgspec.Struct, frozen=True, kw_only=True):
    """What a migration tool's own table says."""

    tool: str
    """A key of ``compatibility.migrations.TOOLS``."""
    schema: str
    table: str
    heads: dict[str, str] = {}
    """The newest migration in the tool's terms; by application for Django, else under the empty key."""
    count: int | None = None
    """How many are applied, where the table has a row for each."""
    problem: str = ""
    """Why the table could not be read, if so."""


class Introspection(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of the wanted schemas that is neither the server's own nor an extension's."""

    database: str
    role: str
    schemas: tuple[str, ...]
    """Those that were looked into."""
    other_schemas: tuple[str, ...]
    relations: tuple[FoundRelation, ...]
    types: dict[int, FoundType]
    enums: tuple[FoundEnum, ...]
    composites: tuple[FoundName, ...]
    functions: tuple[FoundFunction, ...]
    sequences: tuple[FoundName, ...]
    """Those that no column owns."""
    extensions: tuple[str, ...]
    collations: tuple[FoundName, ...]
    text_search_configurations: tuple[FoundName, ...]
    migration_tables: tuple[FoundName, ...]
    """In any schema, whether looked into or not."""
    migrations: FoundMigrations | None = None
    """Where exactly one tool's table is there."""
