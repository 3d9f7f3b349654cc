"""The nouns: contract, catalog, finding, failure. Values only; nothing here does anything.

A contract is what an image expects, a catalog is what a live database has. They are different types on
purpose: no rule can confuse the two sides.
"""

from enum import StrEnum

import msgspec

from sidecar.identifiers import display_path


class Use(StrEnum):
    """What the image does with a relation or a column."""

    SELECT = "select"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


class TypePolicy(StrEnum):
    """How strictly column types are compared; the table is in ``compatibility/types.py``."""

    EXACT = "exact"
    WIDENING = "widening"
    NAMES = "names"


class Name(msgspec.Struct, frozen=True, order=True):
    """The exact catalog name of an object, with its schema where the contract gives one."""

    schema: str | None
    name: str

    def __str__(self) -> str:
        """Return the name as PostgreSQL would show it."""
        return display_path(self.schema, self.name)


class TypeName(msgspec.Struct, frozen=True, kw_only=True):
    """A type as SQL text spells it, taken apart; equal values mean the same type on any one server."""

    schema: str | None = None
    name: str
    """Folded to lower case unless it was quoted. For a type with grammar of its own, the words of that grammar."""
    is_grammar: bool = False
    """True for types that SQL spells with key words (``timestamp with time zone``): always in pg_catalog."""
    modifiers: tuple[str, ...] = ()
    """Type modifiers as text: ``("10", "2")`` for numeric(10,2)."""
    is_array: bool = False

    def __str__(self) -> str:
        """Return SQL text for the type, modifiers included."""
        return self.render(with_modifiers=True)

    @property
    def key(self) -> str:
        """SQL text for the type without its modifiers: what the server is asked to resolve."""
        return self.render(with_modifiers=False)

    def render(self, *, with_modifiers: bool) -> str:
        """Return SQL text for the type, with or without the modifiers."""
        # json became a key word in PostgreSQL 16, and as the name of a type it needs quotes nowhere.
        is_bare = self.is_grammar or (self.schema is None and self.name == "json")
        text = self.name if is_bare else display_path(self.schema, self.name)
        if with_modifiers and self.modifiers:
            first, *rest = self.modifiers
            if self.is_grammar and first[:1].isalpha():  # interval day to second(3)
                text += f" {first}" + (f"({rest[0]})" if rest else "")
            elif self.is_grammar:  # timestamp(3) with time zone
                head, space, tail = text.partition(" with")
                text = f"{head}({','.join(self.modifiers)}){space}{tail}"
            else:
                text += f"({','.join(self.modifiers)})"
        return text + "[]" if self.is_array else text


class ContractColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column that the image names in its statements."""

    name: str
    types: tuple[TypeName, ...] = ()
    """Accepted types; none means that only the name matters."""
    nullable: bool | None = None
    """True: the image may write NULL. False: a reader relies on a value. None: neither is claimed."""
    use: frozenset[Use]


class ContractRelation(msgspec.Struct, frozen=True, kw_only=True):
    """A table or view that the image's statements name."""

    name: Name
    use: frozenset[Use]
    columns: tuple[ContractColumn, ...]
    upserts: tuple[tuple[str, ...], ...] = ()
    """Column lists of the image's ON CONFLICT clauses."""

    def columns_for(self, use: Use) -> tuple[ContractColumn, ...]:
        """Return the columns that statements of kind ``use`` name; none where the relation is not used so."""
        return tuple(column for column in self.columns if use in column.use) if use in self.use else ()


class ContractEnum(msgspec.Struct, frozen=True, kw_only=True):
    """An enum type and the labels that the image reads or writes, in no particular order."""

    name: Name
    labels: tuple[str, ...]


class ContractFunction(msgspec.Struct, frozen=True, kw_only=True):
    """A function that the image calls; without arguments given, any overload will do."""

    name: Name
    arguments: tuple[TypeName, ...] | None

    def __str__(self) -> str:
        """Return the call's signature as text."""
        return str(self.name) if self.arguments is None else f"{self.name}({', '.join(map(str, self.arguments))})"


class ContractQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A statement of the image's own, planned but never run."""

    name: str
    sql: str
    parameters: int
    """How many parameters ($1 … $n) the statement has."""


class ContractSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where the contract came from; information only."""

    kind: str
    migration: str | None = None


class ContractMigrations(msgspec.Struct, frozen=True, kw_only=True):
    """The newest migration that the image was built with: information for a report, never a gate."""

    tool: str
    """A key of ``compatibility.migrations.TOOLS``."""
    table: Name
    """The tool's own table of what has been applied."""
    head: dict[str, str]
    """The newest migration in the tool's terms; by application for Django, else under the empty key."""
    count: int | None = None
    """How many migrations the image knows, where the contract says."""


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the image expects of the database."""

    name: str
    digest: str
    """``sha256:`` and the hexadecimal digest of the document's bytes."""
    source: ContractSource | None = None
    search_path: tuple[str, ...] | None = None
    """The path that the application sets for itself; None leaves the role's own in force."""
    type_policy: TypePolicy = TypePolicy.WIDENING
    relations: tuple[ContractRelation, ...] = ()
    enums: tuple[ContractEnum, ...] = ()
    functions: tuple[ContractFunction, ...] = ()
    extensions: tuple[str, ...] = ()
    queries: tuple[ContractQuery, ...] = ()

    @property
    def column_count(self) -> int:
        """How many columns the contract names over all its relations."""
        return sum(len(relation.columns) for relation in self.relations)


# The catalog's values arrive as one JSON document; the ones that come by the thousand as arrays
# (array_like): three times smaller on the wire than objects and quicker to decode.


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


class CatalogIndex(msgspec.Struct, frozen=True, array_like=True):
    """A unique index, as far as ON CONFLICT could infer it."""

    name: str
    columns: tuple[str, ...]
    """The key columns; expressions are left out and told by ``has_expressions``."""
    has_expressions: bool
    is_partial: bool
    is_valid: bool
    is_immediate: bool
    """False for a DEFERRABLE constraint's index, which cannot arbitrate."""


class CatalogRelation(msgspec.Struct, frozen=True, kw_only=True):
    """A row of pg_class with everything that hangs on it."""

    oid: int
    schema: str
    name: str
    kind: str
    """``relkind``: r table, p partitioned table, v view, m materialised view, f foreign table."""
    is_populated: bool
    can_use_schema: bool
    can_select: bool
    can_insert: bool
    can_update: bool
    can_delete: bool
    fills_on_insert: bool
    """An enabled BEFORE or INSTEAD OF INSERT trigger for each row may supply values itself."""
    columns: tuple[CatalogColumn, ...]
    unique_indexes: tuple[CatalogIndex, ...]
    """Read only for relations with upserts in the contract."""

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
    host: str = ""
    port: int = 0


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """What the live database has of the things that a contract names."""

    database: Database
    schemas: dict[str, bool]
    """Schemas that the contract names and the database has, and whether the role may use them."""
    relations: dict[str, CatalogRelation]
    """By the contract's name for the relation (``str(Name)``); absent where it leads nowhere."""
    elsewhere: dict[str, tuple[Elsewhere, ...]]
    """For names that lead nowhere: the same name in other schemas."""
    types_elsewhere: dict[str, tuple[Elsewhere, ...]] = {}
    """For type and enum names that lead nowhere: types of the same name in other schemas."""
    type_oids: dict[str, int]
    """By ``TypeName.key``; absent where no such type is visible."""
    types: dict[int, CatalogType]
    enums: dict[str, CatalogEnum]
    functions: dict[str, tuple[CatalogFunction, ...]]
    extensions: dict[str, str]
    """Installed extensions and their versions."""


class Side(StrEnum):
    """Which side of a mismatch is older, as far as the migration tool's table can tell."""

    SAME = "same"
    DATABASE_BEHIND = "database behind"
    DATABASE_AHEAD = "database ahead"
    DIVERGED = "diverged"
    UNKNOWN = "unknown"


class MigrationPosition(msgspec.Struct, frozen=True, kw_only=True):
    """Where the database's migrations stand, seen from the image."""

    side: Side
    count: int | None = None
    """By how many migrations the sides are apart, where the tool's table can tell."""
    image_head: str = ""
    database_head: str = ""
    detail: str = ""
    """What else a person needs: a migration that failed half-way, why nothing can be told."""


class Severity(StrEnum):
    """Whether a finding gates."""

    ERROR = "error"
    WARNING = "warning"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One mismatch between contract and catalog."""

    code: str
    """Stable kebab-case name of the kind of mismatch."""
    severity: Severity
    object: str
    """The object as PostgreSQL would write it, qualified."""
    message: str
    help: str
    sqlstate: str | None = None
    """What the application's statements would fail with; None where none of them fails for it."""


class Phase(StrEnum):
    """Where in an attempt something failed: the same SQLSTATE means different things in different phases."""

    TARGET = "target"
    CONNECT = "connect"
    CATALOG = "catalog"
    PROBE = "probe"


class Disposition(StrEnum):
    """What a failure means for the preflight."""

    RETRY = "retry"
    INCOMPATIBLE = "incompatible"
    MISCONFIGURED = "misconfigured"
    REFUSED = "refused"
    UNDETERMINED = "undetermined"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why an attempt could not find out. Carries no credential: messages are scrubbed where they are made."""

    phase: Phase
    disposition: Disposition
    reason: str
    """A few stable words for a person: ``connection refused``."""
    message: str = ""
    """The innermost message of the driver, the server or the operating system."""
    sqlstate: str | None = None
    help: str = ""

    def __str__(self) -> str:
        """Return one line: the reason, the message where it adds to it, and the SQLSTATE."""
        text = self.reason
        if self.message and self.message.lower() != self.reason.lower():
            text += f": {self.message}"
        return f"{text} (SQLSTATE {self.sqlstate})" if self.sqlstate else text
