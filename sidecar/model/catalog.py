"""What a live database has.

The values arrive as one JSON document; the ones that come by the thousand as arrays (array_like): three times smaller
on the wire than objects, and quicker to decode.
"""

import msgspec

from sidecar.identifiers import display_path
from sidecar.model.names import Use


class CatalogType(msgspec.Struct, frozen=True, array_like=True):
    """A row of pg_type, with what the rules need of it."""

    schema: str
    name: str
    kind: str
    """``typtype``: b base, c composite, d domain, e enum, p pseudo, r range, m multirange."""
    element_oid: int
    """The element's type for a true array, else 0."""
    base_oid: int
    """The type below a domain, else 0."""
    base_text: str
    """``format_type`` of the type below a domain, with its modifiers, else empty."""
    not_null: bool
    """A domain that refuses NULL."""
    checks: tuple[str, ...] = ()
    """Names of a domain's CHECK constraints."""
    has_default: bool = False
    """A domain that gives a value where the column has no default of its own."""


class CatalogSequence(msgspec.Struct, frozen=True, array_like=True):
    """A sequence that the image draws from, itself or through a column's default."""

    schema: str
    name: str
    can_use: bool
    is_exhausted: bool
    """The next draw would fail; False where the role cannot look."""

    def __str__(self) -> str:
        """Return the qualified name as PostgreSQL would show it."""
        return display_path(self.schema, self.name)


class CatalogColumn(msgspec.Struct, frozen=True, array_like=True):
    """A row of pg_attribute, with the role's privileges on it."""

    name: str
    type_oid: int
    type_text: str
    """``format_type``: for messages, and for the modifiers between its parentheses."""
    not_null: bool
    has_default: bool
    identity: str
    """``attidentity``: empty, ``a`` (GENERATED ALWAYS) or ``d`` (BY DEFAULT)."""
    generated: str
    """``attgenerated``: empty, ``s`` (stored) or ``v`` (virtual)."""
    can_select: bool
    can_insert: bool
    can_update: bool
    sequence: CatalogSequence | None = None
    """What the default, or the identity, draws from; read only for relations that the image inserts into."""


class CatalogIndex(msgspec.Struct, frozen=True, array_like=True):
    """A row of pg_index."""

    name: str
    columns: tuple[str, ...]
    """The key columns; expressions are left out and told by ``has_expressions``."""
    has_expressions: bool
    is_partial: bool
    is_valid: bool
    is_immediate: bool
    """False for a DEFERRABLE constraint's index, which cannot arbitrate."""
    is_unique: bool = True
    is_primary: bool = False


class CatalogConstraint(msgspec.Struct, frozen=True, array_like=True):
    """A row of pg_constraint."""

    name: str
    kind: str
    """``contype``: c check, f foreign key, p primary key, u unique, x exclusion."""
    columns: tuple[str, ...]
    references_schema: str
    references_name: str
    """A foreign key's other side, else empty."""
    is_deferrable: bool


class RefusedFunction(msgspec.Struct, frozen=True, array_like=True):
    """A function that the role may not execute and that the server calls for each row the role writes."""

    name: str
    """Qualified, as PostgreSQL would show it."""
    caller: str
    """What calls it: ``CHECK constraint name_check``, ``index i`` …"""


class CatalogTrigger(msgspec.Struct, frozen=True, array_like=True):
    """An enabled row of pg_trigger that is not the server's own."""

    name: str
    on_insert: bool
    on_update: bool
    on_delete: bool
    on_truncate: bool = False


class CatalogRelation(msgspec.Struct, frozen=True, kw_only=True):
    """A row of pg_class with everything that hangs on it."""

    oid: int
    schema: str
    name: str
    kind: str
    """``relkind``: r table, p partitioned table, v view, m materialised view, f foreign table; the others cannot be
    read as tables: S sequence, i and I index, c composite type, t TOAST table."""
    is_populated: bool
    can_use_schema: bool
    can_select: bool
    can_insert: bool
    can_update: bool
    can_delete: bool
    can_truncate: bool = True
    has_partitions: bool = True
    """False for a partitioned table that takes no row at all."""
    denied_by_policy: tuple[Use, ...] = ()
    """Uses that row security leaves without any row for the role: no permissive policy applies."""
    fills_on_insert: bool = False
    """An enabled BEFORE or INSTEAD OF INSERT trigger for each row may supply values itself."""
    columns: tuple[CatalogColumn, ...]
    indexes: tuple[CatalogIndex, ...] = ()
    """Read only where the contract says something about indexes, constraints or upserts; a view's are its table's."""
    constraints: tuple[CatalogConstraint, ...] = ()
    """Read only where the contract says something about constraints."""
    triggers: tuple[CatalogTrigger, ...] = ()
    """Read only where the contract says something about constraints."""
    refused_functions: tuple[RefusedFunction, ...] = ()
    """Read only for relations that the image writes to."""
    hidden_required: tuple[tuple[str, str, str], ...] = ()
    """Schema, table and column of what the one table below a view demands and the view does not show."""

    def column(self, name: str) -> CatalogColumn | None:
        """Return the live column of that exact name, or None."""
        return next((column for column in self.columns if column.name == name), None)

    def __str__(self) -> str:
        """Return the qualified name as PostgreSQL would show it."""
        return display_path(self.schema, self.name)


class Elsewhere(msgspec.Struct, frozen=True, array_like=True):
    """A relation or type of the wanted name outside the place where the contract's name leads."""

    schema: str
    can_use_schema: bool


class CatalogEnum(msgspec.Struct, frozen=True, kw_only=True):
    """What a contract's enum name leads to."""

    schema: str
    name: str
    kind: str
    labels: tuple[str, ...]


class CatalogFunction(msgspec.Struct, frozen=True, array_like=True):
    """A row of pg_proc of a wanted name."""

    schema: str
    kind: str
    """``prokind``: f function, p procedure, a aggregate, w window function."""
    arguments: tuple[int, ...]
    """Types of the input arguments, by OID."""
    default_count: int
    is_variadic: bool
    can_execute: bool
    can_use_schema: bool
    is_visible: bool
    """In the schema that the contract names, or on the search path."""
    result_oid: int = 0
    returns_set: bool = False

    def takes(self, count: int) -> bool:
        """True if the function can be called with that many arguments."""
        fewest = len(self.arguments) - self.default_count - self.is_variadic
        return fewest <= count and (self.is_variadic or count <= len(self.arguments))


class Database(msgspec.Struct, frozen=True, kw_only=True):
    """Which database answered, without anything secret."""

    name: str
    role: str
    server_version: str
    server_version_num: int
    is_standby: bool
    search_path: str
    """The setting as it stood while the catalog was read."""
    is_read_only: bool = False
    """``default_transaction_read_only`` is on for the role's sessions."""
    statement_timeout_ms: int = 0
    """What the role's sessions begin with; 0 for none."""
    lock_timeout_ms: int = 0
    can_create_temporary: bool = True
    host: str = ""
    port: int = 0


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """What the live database has of the things that a contract names."""

    database: Database
    schemas: dict[str, bool]
    """Schemas that the contract names and the database has, and whether the role may use them."""
    relations: dict[str, CatalogRelation]
    """By the contract's name for the relation (``str(Name)``); absent where it leads nowhere."""
    elsewhere: dict[str, tuple[Elsewhere, ...]] = {}
    """For names that lead nowhere: the same name in other schemas."""
    types_elsewhere: dict[str, tuple[Elsewhere, ...]] = {}
    """For type and enum names that lead nowhere: types of the same name in other schemas."""
    type_oids: dict[str, int]
    """By ``TypeName.key``; absent where no such type is visible."""
    types: dict[int, CatalogType]
    enums: dict[str, CatalogEnum] = {}
    functions: dict[str, tuple[CatalogFunction, ...]] = {}
    extensions: dict[str, str]
    """Installed extensions and their versions."""
    sequences: dict[str, CatalogSequence] = {}
    """By the contract's name; absent where it leads nowhere."""
    collations: tuple[str, ...] = ()
    """Those of the contract's names that lead somewhere."""
    text_search_configurations: tuple[str, ...] = ()
    near: dict[str, tuple[str, ...]] = {}
    """By kind (``relations``, ``functions``, ``types``): live names to guess from, where one of them is missing."""
