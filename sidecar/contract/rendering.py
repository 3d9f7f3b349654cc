"""A contract, and the comparison of two, as text for a person. Pure."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from sidecar.compatibility.upserts import action_of
from sidecar.contract.comparison import Comparison, Demand, shown_foreign_key, shown_key, shown_upsert
from sidecar.identifiers import display_identifier, display_path, printable, quote_literal
from sidecar.model import Contract, ContractColumn, ContractRelation, Name, Severity, Use

MIN_WIDTH = 80
MAX_WIDTH = 120
_INDENT = "  "


def render_contract(contract: Contract, width: int = 100) -> str:
    """Return the contract as a table, relations and all else by name.

    Args:
        contract: what to show.
        width: how many characters a line may take; from 80 to 120, and the nearest of these for any other.
    """
    width = min(max(width, MIN_WIDTH), MAX_WIDTH)
    lines = [*_table(_head(contract), width, "")]
    relations = sorted(contract.relations, key=lambda relation: _order(relation.name))
    if relations:
        counts = f"{_plural(len(relations), 'relation')}, {_plural(contract.column_count, 'column')}"
        lines += ["", counts]
    for relation in relations:
        lines += ["", *_table([(str(relation.name), _uses(relation.use))], width, "")]
        lines += _table([_column_row(column, relation) for column in relation.columns], width, _INDENT)
        lines += _table(_relation_rows(relation), width, _INDENT)
    for title, rows in _sections(contract):
        if rows:
            lines += ["", title, *_table(rows, width, _INDENT)]
    return "\n".join(lines) + "\n"


def render_comparison(comparison: Comparison, names: tuple[str, str], *, strict: bool = False) -> str:
    """Return what the second contract demands beyond the first and what it no longer needs, a line each.

    Args:
        comparison: what to show.
        names: what to call the first and the second contract.
        strict: warnings gate, too.
    """
    first, second = map(printable, names)
    count = sum(demand.may_not_fit(strict=strict) for demand in comparison.demands)
    if count:
        things = _plural(count, "demand")
        lines = [f"a database that fits {first} may not fit {second}: {things} beyond it"]
    else:
        lines = [f"a database that fits {first} fits {second}"]
    if comparison.demands:
        lines += ["", f"{second} demands"]
        lines += [_demand_line("+", demand) for demand in comparison.demands]
    if comparison.no_longer:
        lines += ["", f"{second} no longer needs"]
        lines += [_demand_line("-", demand) for demand in comparison.no_longer]
    return "\n".join(lines) + "\n"


def _demand_line(sign: str, demand: Demand) -> str:
    mild = " (warning)" if demand.severity is Severity.WARNING else ""
    return printable(f"  {sign} {demand.object}: {demand.what}{mild}")


def _head(contract: Contract) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("contract", contract.name), ("digest", contract.digest)]
    if contract.source is not None:
        rows.append(("source", " ".join(filter(None, (contract.source.kind, contract.source.migration)))))
    rows.append(("types", contract.type_policy.value))
    if contract.search_path is not None:
        rows.append(("search_path", ", ".join(map(display_identifier, contract.search_path)) or "none"))
    return rows


def _column_row(column: ContractColumn, relation: ContractRelation) -> tuple[str, ...]:
    nullable = {True: "null", False: "not null", None: ""}[column.nullable]
    is_inherited = column.use == relation.use - {Use.DELETE, Use.TRUNCATE}
    types = " or ".join(map(str, column.types)) or "any type"
    policy = "" if column.type_policy is None else f" ({column.type_policy})"
    return display_identifier(column.name), types + policy, nullable, "" if is_inherited else _uses(column.use)


def _relation_rows(relation: ContractRelation) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        ("on conflict", f"{shown_upsert(upsert)} do {action_of(relation, upsert)}") for upsert in relation.upserts
    ]
    known = relation.constraints
    if known is not None:
        texts: list[tuple[str, Iterable[str]]] = [
            ("unique", map(shown_key, known.unique)),
            ("foreign keys", map(shown_foreign_key, known.foreign_keys)),
            ("checks", map(display_identifier, known.checks)),
            ("exclusions", map(display_identifier, known.exclusions)),
            ("triggers", map(display_identifier, known.triggers)),
        ]
        listed = [(label, ", ".join(items)) for label, items in texts]
        found = [row for row in listed if row[1]]
        rows += found or [("constraints", "none but the primary key")]
    if relation.indexes:
        rows.append(("indexes", ", ".join(map(shown_key, relation.indexes))))
    return rows


def _sections(contract: Contract) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    enums = sorted(contract.enums, key=lambda enum: _order(enum.name))
    yield "enums", [(str(e.name), ", ".join(quote_literal(label).strip() for label in e.labels)) for e in enums]
    functions = sorted(contract.functions, key=str)
    yield (
        "functions",
        [(str(f), f"returns {'setof ' * f.returns_set}{f.result}" if f.result else "") for f in functions],
    )
    yield "extensions", [(display_identifier(name),) for name in sorted(contract.extensions)]
    yield "sequences", [(str(name),) for name in sorted(contract.sequences, key=_order)]
    yield "collations", [(str(name),) for name in sorted(contract.collations, key=_order)]
    configurations = sorted(contract.text_search_configurations, key=_order)
    yield "text search configurations", [(str(name),) for name in configurations]
    queries = sorted(contract.queries, key=lambda query: query.name)
    yield "queries", [(q.name, "run" if q.run else "planned", " ".join(q.sql.split())) for q in queries]
    yield "session", _session_rows(contract)
    yield "migrations", _migration_rows(contract)
    accepted = sorted(contract.acceptances, key=lambda acceptance: (acceptance.object, acceptance.code))
    yield "accepted findings", [(one.code, one.object, one.reason) for one in accepted]


def _session_rows(contract: Contract) -> list[tuple[str, ...]]:
    session = contract.session
    rows: list[tuple[str, ...]] = [("temporary tables", "made")] if session.temporary_tables else []
    timeouts = ("statement_timeout", session.statement_timeout_s), ("lock_timeout", session.lock_timeout_s)
    return rows + [(name, f"off, or at least {value:g} s") for name, value in timeouts if value is not None]


def _migration_rows(contract: Contract) -> list[tuple[str, ...]]:
    made = contract.migrations
    if made is None:
        return []
    rows: list[tuple[str, ...]] = [("tool", made.tool), ("table", display_path(made.table.schema, made.table.name))]
    rows += [(f"head {key}".strip(), value) for key, value in sorted(made.head.items())]
    return rows if made.count is None else [*rows, ("count", str(made.count))]


def _order(name: Name) -> tuple[str, str]:
    return name.schema or "", name.name


def _uses(use: frozenset[Use]) -> str:
    return ", ".join(word.value for word in Use if word in use) or "named only"


def _plural(count: int, one: str) -> str:
    return f"{count} {one if count == 1 else f'{one}s'}"


def _table(rows: Sequence[tuple[str, ...]], width: int, indent: str) -> list[str]:
    """Return the rows under one another, the widest columns narrowed and their cells wrapped to fit."""
    if not rows:
        return []
    columns = [[printable(cell) for cell in cells] for cells in zip(*rows, strict=True) if any(cells)]
    rows = list(zip(*columns, strict=True))
    widths = [max(map(len, cells)) for cells in columns]
    room = width - len(indent) - 2 * (len(widths) - 1)
    while sum(widths) > room:
        widest = max(range(len(widths)), key=widths.__getitem__)
        others = [found for index, found in enumerate(widths) if index != widest]
        widths[widest] = max(*others, room - sum(others)) if others else room
        if others and widths[widest] == max(others) and sum(widths) > room:
            widths[widest] -= 1
    return [line for row in rows for line in _lines(row, widths, indent)]


def _lines(row: tuple[str, ...], widths: list[int], indent: str) -> Iterator[str]:
    cells = [textwrap.wrap(cell, width, break_on_hyphens=False) for cell, width in zip(row, widths, strict=True)]
    for number in range(max(1, *map(len, cells))):
        parts = [
            (cell[number] if number < len(cell) else "").ljust(width) for cell, width in zip(cells, widths, strict=True)
        ]
        yield (indent + "  ".join(parts)).rstrip()
