"""What an image expects of the database."""

from enum import StrEnum

import msgspec

from sidecar.identifiers import display_path
from sidecar.model.names import Name, Use


class TypePolicy(StrEnum):
    """How strictly column types are compared; the table is in ``compatibility/types.py``."""

    EXACT = "exact"
    WIDENING = "widening"
    NAMES = "names"


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
    type_policy: TypePolicy | None = None
    """Overrides the contract's own for this column."""


class OnConflict(StrEnum):
    """What an upsert does with a row that is there already."""

    NOTHING = "nothing"
    UPDATE = "update"


class ContractUpsert(msgspec.Struct, frozen=True, kw_only=True):
    """An ON CONFLICT clause of the image: a constraint's name, or what a unique index is inferred from."""

    columns: tuple[str, ...] = ()
    expressions: tuple[str, ...] = ()
    """SQL text of indexed expressions, each without its outer parentheses or with them."""
    where: str | None = None
    """SQL text of the predicate of a partial index."""
    constraint: str | None = None
    action: OnConflict | None = None
    """None: update where the image updates a column of the relation, else nothing."""

    @property
    def is_plain(self) -> bool:
        """True if columns alone name the index."""
        return not (self.expressions or self.where or self.constraint)


class ForeignKey(msgspec.Struct, frozen=True, kw_only=True):
    """A foreign key that the image knows of."""

    columns: tuple[str, ...]
    references: Name


class KnownConstraints(msgspec.Struct, frozen=True, kw_only=True):
    """What the relation refused when the image was built: anything more may refuse what the image writes."""

    unique: tuple[tuple[str, ...] | str, ...] = ()
    """By columns, or by the name of a constraint or index; the primary key need not be there."""
    foreign_keys: tuple[ForeignKey, ...] = ()
    checks: tuple[str, ...] = ()
    exclusions: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()


class ContractRelation(msgspec.Struct, frozen=True, kw_only=True):
    """A table or view that the image's statements name."""

    name: Name
    use: frozenset[Use]
    columns: tuple[ContractColumn, ...]
    upserts: tuple[ContractUpsert, ...] = ()
    constraints: KnownConstraints | None = None
    """None: nothing is claimed about constraints."""
    indexes: tuple[tuple[str, ...] | str, ...] = ()
    """Indexes that the image needs to be fast: by leading key columns, or by name."""

    @property
    def writes(self) -> frozenset[Use]:
        """The uses that store values."""
        return self.use & {Use.INSERT, Use.UPDATE}

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
    result: TypeName | None = None
    """What the image takes the result for; None where only the call matters."""
    returns_set: bool = False
    """The image expects rows; matters only with ``result``."""

    def __str__(self) -> str:
        """Return the call's signature as text."""
        return str(self.name) if self.arguments is None else f"{self.name}({', '.join(map(str, self.arguments))})"


class ContractQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A statement of the image's own: planned, and run only where the contract asks for it."""

    name: str
    sql: str
    parameters: int
    """How many parameters ($1 … $n) the statement has."""
    parameter_types: tuple[TypeName, ...] = ()
    """Types that the image's driver declares; none: the server infers them."""
    typed_sql: str | None = None
    """The statement with those types written into it."""
    run: bool = False
    """Read its first row, with NULL for every parameter."""


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


class SessionNeeds(msgspec.Struct, frozen=True, kw_only=True):
    """What the image needs of its own sessions."""

    temporary_tables: bool = False
    statement_timeout_s: float | None = None
    """The role's statement_timeout has to be off or at least this."""
    lock_timeout_s: float | None = None


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that the image's owners know of and take the responsibility for."""

    code: str
    object: str
    reason: str


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
    sequences: tuple[Name, ...] = ()
    collations: tuple[Name, ...] = ()
    text_search_configurations: tuple[Name, ...] = ()
    queries: tuple[ContractQuery, ...] = ()
    session: SessionNeeds = SessionNeeds()
    migrations: ContractMigrations | None = None
    acceptances: tuple[Acceptance, ...] = ()

    @property
    def writes(self) -> bool:
        """True if the image changes anything in the relations that the contract names."""
        return any(relation.use - {Use.SELECT} for relation in self.relations)

    @property
    def column_count(self) -> int:
        """How many columns the contract names over all its relations."""
        return sum(len(relation.columns) for relation in self.relations)
