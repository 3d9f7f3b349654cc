"""Hand-built contracts and catalogs: the smallest values that a rule can be shown."""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from sidecar.compatibility.type_names import parse_type_name
from sidecar.model import (
    Catalog,
    CatalogColumn,
    CatalogConstraint,
    CatalogEnum,
    CatalogFunction,
    CatalogIndex,
    CatalogRelation,
    CatalogSequence,
    CatalogTrigger,
    CatalogType,
    Contract,
    ContractColumn,
    ContractEnum,
    ContractFunction,
    ContractRelation,
    ContractUpsert,
    Database,
    Disposition,
    Elsewhere,
    Failure,
    Finding,
    Name,
    Phase,
    Severity,
    Use,
)
from sidecar.report import Conclusion, ContractSummary, Outcome, Report

READ = frozenset({Use.SELECT})
WRITE = frozenset({Use.INSERT, Use.UPDATE})
ALL_USES = frozenset(Use) - {Use.TRUNCATE}

BUILTIN: dict[str, tuple[int, str]] = {
    # SQL text without modifiers → OID and name, as in pg_type.dat
    "boolean": (16, "bool"),
    "bytea": (17, "bytea"),
    '"char"': (18, "char"),
    "name": (19, "name"),
    "bigint": (20, "int8"),
    "smallint": (21, "int2"),
    "integer": (23, "int4"),
    "text": (25, "text"),
    "json": (114, "json"),
    "real": (700, "float4"),
    "double precision": (701, "float8"),
    "character": (1042, "bpchar"),
    "bpchar": (1042, "bpchar"),
    "character varying": (1043, "varchar"),
    "date": (1082, "date"),
    "time without time zone": (1083, "time"),
    "timestamp without time zone": (1114, "timestamp"),
    "timestamp with time zone": (1184, "timestamptz"),
    "interval": (1186, "interval"),
    "time with time zone": (1266, "timetz"),
    "bit": (1560, "bit"),
    "bit varying": (1562, "varbit"),
    "numeric": (1700, "numeric"),
    "uuid": (2950, "uuid"),
    "jsonb": (3802, "jsonb"),
}
_ARRAYS_FROM = 100_000
OTHER: dict[str, tuple[int, CatalogType]] = {
    "mood": (20_001, CatalogType("public", "mood", "e", 0, 0, "", False)),
    "vector": (20_002, CatalogType("public", "vector", "b", 0, 0, "", False)),
    "email": (20_003, CatalogType("public", "email", "d", 0, 1043, "character varying(100)", False)),
    "required_text": (20_004, CatalogType("public", "required_text", "d", 0, 25, "text", True)),
    "required_again": (20_005, CatalogType("public", "required_again", "d", 0, 20_004, "required_text", False)),
    "positive": (20_006, CatalogType("public", "positive", "d", 0, 23, "integer", False)),
    "slug": (20_007, CatalogType("public", "slug", "d", 0, 25, "text", False, ("slug_a", "slug_b"))),
    "short_slug": (20_008, CatalogType("public", "short_slug", "d", 0, 20_007, "slug", False, ("short",))),
    "supplied": (20_009, CatalogType("public", "supplied", "d", 0, 25, "text", True, (), True)),
}


@functools.cache
def all_types() -> tuple[dict[str, int], dict[int, CatalogType]]:
    """Return the types of a small database, by SQL text and by OID, arrays included."""
    oids = {parse_type_name(key).key: oid for key, (oid, _) in BUILTIN.items()} | {
        key: oid for key, (oid, _) in OTHER.items()
    }
    types = {oid: CatalogType("pg_catalog", name, "b", 0, 0, "", False) for oid, name in BUILTIN.values()}
    types |= dict(OTHER.values())
    for key, oid in tuple(oids.items()):
        oids[f"{key}[]"] = oid + _ARRAYS_FROM
        element = types[oid]
        types[oid + _ARRAYS_FROM] = CatalogType(element.schema, f"_{element.name}", "b", oid, 0, "", False)
    return oids, types


def column(name: str, *types: str, use: Iterable[Use] = READ, nullable: bool | None = None) -> ContractColumn:
    """Return a column of a contract; types as SQL text."""
    return ContractColumn(
        name=name, types=tuple(parse_type_name(text) for text in types), nullable=nullable, use=frozenset(use)
    )


def relation(
    name: str,
    *columns: ContractColumn,
    use: Iterable[Use] = READ,
    upserts: tuple[tuple[str, ...] | ContractUpsert, ...] = (),
    schema: str | None = None,
    **rest: Any,
) -> ContractRelation:
    """Return a relation of a contract."""
    clauses = tuple(ContractUpsert(columns=upsert) if isinstance(upsert, tuple) else upsert for upsert in upserts)
    return ContractRelation(name=Name(schema, name), use=frozenset(use), columns=columns, upserts=clauses, **rest)


def contract(*relations: ContractRelation, **rest: Any) -> Contract:
    """Return a contract."""
    return Contract(name="app", digest=f"sha256:{'0' * 64}", relations=relations, **rest)


def enum(name: str, *labels: str, schema: str | None = None) -> ContractEnum:
    """Return an enum of a contract."""
    return ContractEnum(name=Name(schema, name), labels=labels)


def function(name: str, *arguments: str, schema: str | None = None, bare: bool = False) -> ContractFunction:
    """Return a function of a contract; arguments as SQL text."""
    types = None if bare else tuple(parse_type_name(text) for text in arguments)
    return ContractFunction(name=Name(schema, name), arguments=types)


def live_column(name: str, type_text: str = "text", **changes: Any) -> CatalogColumn:
    """Return a nullable column of the database that the role may do everything with."""
    oids, _ = all_types()
    made = CatalogColumn(
        name=name,
        type_oid=oids[parse_type_name(type_text).key],
        type_text=type_text,
        not_null=False,
        has_default=False,
        identity="",
        generated="",
        can_select=True,
        can_insert=True,
        can_update=True,
    )
    return msgspec.structs.replace(made, **changes)


def live(name: str, *columns: CatalogColumn, **changes: Any) -> CatalogRelation:
    """Return a table of schema public that the role may do everything with."""
    made = CatalogRelation(
        oid=16_384,
        schema="public",
        name=name,
        kind="r",
        is_populated=True,
        can_use_schema=True,
        can_select=True,
        can_insert=True,
        can_update=True,
        can_delete=True,
        fills_on_insert=False,
        columns=columns,
        indexes=(),
    )
    return msgspec.structs.replace(made, **changes)


def without_privilege(made: CatalogColumn, *uses: Use) -> CatalogColumn:
    """Return the column as seen by a role that may not use it so."""
    return msgspec.structs.replace(made, **{f"can_{use.value}": False for use in uses})


def index(name: str, *columns: str, **changes: Any) -> CatalogIndex:
    """Return a plain unique index."""
    made = CatalogIndex(
        name=name, columns=columns, has_expressions=False, is_partial=False, is_valid=True, is_immediate=True
    )
    return msgspec.structs.replace(made, **changes)


def constraint(name: str, kind: str, *columns: str, **changes: Any) -> CatalogConstraint:
    """Return a constraint of the database."""
    made = CatalogConstraint(
        name=name, kind=kind, columns=columns, references_schema="", references_name="", is_deferrable=False
    )
    return msgspec.structs.replace(made, **changes)


def trigger(name: str, *uses: Use) -> CatalogTrigger:
    """Return a trigger of the database that fires on these uses."""
    return CatalogTrigger(
        name=name, on_insert=Use.INSERT in uses, on_update=Use.UPDATE in uses, on_delete=Use.DELETE in uses
    )


def sequence(name: str, **changes: Any) -> CatalogSequence:
    """Return a sequence of schema public that the role may draw from."""
    made = CatalogSequence(schema="public", name=name, can_use=True, is_exhausted=False)
    return msgspec.structs.replace(made, **changes)


def live_function(*arguments: str, **changes: Any) -> CatalogFunction:
    """Return a function of schema public that the role may call."""
    oids, _ = all_types()
    made = CatalogFunction(
        schema="public",
        kind="f",
        arguments=tuple(oids[parse_type_name(text).key] for text in arguments),
        default_count=0,
        is_variadic=False,
        can_execute=True,
        can_use_schema=True,
        is_visible=True,
    )
    return msgspec.structs.replace(made, **changes)


def live_enum(name: str, *labels: str, **changes: Any) -> CatalogEnum:
    """Return an enum of schema public."""
    return msgspec.structs.replace(CatalogEnum(schema="public", name=name, kind="e", labels=labels), **changes)


def database(**changes: Any) -> Database:
    """Return which database answered."""
    made = Database(
        name="app",
        role="app_role",
        server_version="16.4",
        server_version_num=160_004,
        is_standby=False,
        search_path='"$user", public',
        host="db.internal",
        port=5432,
    )
    return msgspec.structs.replace(made, **changes)


def catalog(
    *relations: CatalogRelation,
    named: Mapping[str, CatalogRelation] | None = None,
    schemas: Mapping[str, bool] | None = None,
    elsewhere: Mapping[str, tuple[Elsewhere, ...]] | None = None,
    types_elsewhere: Mapping[str, tuple[Elsewhere, ...]] | None = None,
    enums: Mapping[str, CatalogEnum] | None = None,
    functions: Mapping[str, tuple[CatalogFunction, ...]] | None = None,
    extensions: Mapping[str, str] | None = None,
    without_types: Iterable[str] = (),
    about: Database | None = None,
    **rest: Any,
) -> Catalog:
    """Return a catalog; ``relations`` are found by their bare names, ``named`` by the contract's name for them."""
    oids, types = all_types()
    return Catalog(
        database=about or database(),
        schemas=dict(schemas or {}),
        relations={str(Name(None, found.name)): found for found in relations} | dict(named or {}),
        elsewhere=dict(elsewhere or {}),
        types_elsewhere=dict(types_elsewhere or {}),
        type_oids={key: oid for key, oid in oids.items() if key not in set(without_types)},
        types=types,
        enums=dict(enums or {}),
        functions=dict(functions or {}),
        extensions=dict(extensions or {}),
        **rest,
    )


def finding(message: str = "column color of relation public.workflow does not exist", **changes: Any) -> Finding:
    """Return a finding that gates."""
    made = Finding(
        code="column-missing",
        severity=Severity.ERROR,
        object="public.workflow.color",
        message=message,
        help="Run the migrations.",
        sqlstate="42703",
    )
    return msgspec.structs.replace(made, **changes)


def warning(message: str = "column public.workflow.name may hold NULL") -> Finding:
    """Return a finding that gates only where warnings do."""
    return finding(
        message, code="column-nullable", severity=Severity.WARNING, object="public.workflow.name", sqlstate=None
    )


def report(*findings: Finding, strict: bool = False) -> Report:
    """Return a verdict."""
    summary = ContractSummary(
        name="app", digest=f"sha256:{'0' * 64}", source="drizzle 0227_natural_mentor", relations=1, columns=2
    )
    return Report(contract=summary, database=database(), findings=findings, strict=strict)


def failure(disposition: Disposition = Disposition.RETRY, **changes: Any) -> Failure:
    """Return why an attempt could not find out."""
    made = Failure(phase=Phase.CONNECT, disposition=disposition, reason="connection refused")
    return msgspec.structs.replace(made, **changes)


def conclusion(outcome: Outcome, *findings: Finding, **changes: Any) -> Conclusion:
    """Return how a preflight ended: with a verdict where the outcome is one, else with a failure."""
    has_verdict = outcome in (Outcome.COMPATIBLE, Outcome.INCOMPATIBLE)
    made = Conclusion(
        outcome=outcome,
        attempts=3,
        elapsed_s=1.25,
        report=report(*findings) if has_verdict else None,
        failure=None if has_verdict else failure(),
    )
    return msgspec.structs.replace(made, **changes)
