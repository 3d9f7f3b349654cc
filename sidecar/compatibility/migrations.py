"""Where the database's migrations stand, seen from the image: which side of a mismatch is behind, and by how many.

Each migration tool keeps a table of what it has applied. ``TOOLS`` is the list of those tables; everything else
here is common to all: one query that counts on the server, and one reading of its answer. It informs a report
and never gates.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, assert_never

import msgspec
from msgspec import Meta

from sidecar.compatibility.nearest import nearest
from sidecar.identifiers import quote_identifier, quote_literal
from sidecar.model import ContractMigrations, MigrationPosition, Name, Side

_NAMED = '{0} COLLATE pg_catalog."C"'
# CASE, for a server may cast before it filters, and one odd row must not fail the whole query.
_NUMBERED = "CASE WHEN {0} ~ '^[0-9]+$' THEN {0}::pg_catalog.numeric END"
_DOTTED = (  # trailing zeros go, for to Flyway 1.0 and 1 are the same
    "CASE WHEN {0} ~ '^[0-9]+([._][0-9]+)*$' THEN pg_catalog.string_to_array(pg_catalog.regexp_replace("
    "pg_catalog.replace({0}, '_', '.'), '([.]0+)+$', ''), '.')::pg_catalog.numeric[] END"
)

_NAME = re.compile(r"[^\x00]+")
_NUMBER = re.compile(r"[0-9]{1,255}")
_VERSION = re.compile(r"(?=.{1,50}\Z)[0-9]+(?:[._][0-9]+)*")

_SHOWN = 3
"""How many names a sentence lists."""


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """How to read one migration tool's table."""

    table: Name
    """Where the tool keeps it, unless it is told otherwise."""
    column: str
    """The column whose value tells migrations apart; a contract's head may be written under its name."""
    rows: str
    """SELECT from ``{table}``, of three texts: ``app`` (empty but for Django), ``name`` and ``state``: ``applied``;
    ``failed`` for what did not finish; ``baseline`` for a row that says so of everything up to it as well."""
    place: str
    """SQL expression of ``{0}``, a name as text: what names are ordered by; NULL for what is no migration's name."""
    head: re.Pattern[str]
    """What a head looks like in full."""
    meaning: str
    """Says to a person what to give as head."""
    mark: str = ""
    """Says what the tool's table has for a migration that did not finish."""
    is_ordered: bool = True
    """False where names do not tell which migration is newer."""
    by_application: bool = False
    """True where each application has a history of its own."""


_SCHEMA_MIGRATIONS = Tool(
    table=Name(None, "schema_migrations"),
    column="version",
    # Three tools share the name. What tells golang-migrate's table is the column dirty: through jsonb, for a query
    # cannot name a column that may be missing.
    rows="""
        SELECT '' AS app, version::pg_catalog.text AS name,
               CASE WHEN (pg_catalog.to_jsonb(t) -> 'dirty') IS NULL THEN 'applied' ELSE 'baseline' END AS state
        FROM {table} AS t
        UNION ALL
        SELECT '', version::pg_catalog.text, 'failed'
        FROM {table} AS t
        WHERE (pg_catalog.to_jsonb(t) ->> 'dirty') = 'true'""",
    place=_NUMBERED,
    head=_NUMBER,
    meaning="the newest version, a number such as 20240131120000",
    mark="it is marked dirty: it failed or is still running",
)

TOOLS: dict[str, Tool] = {
    "drizzle": Tool(
        table=Name("drizzle", "__drizzle_migrations"),
        column="created_at",
        rows="SELECT '' AS app, created_at::pg_catalog.text AS name, 'applied' AS state FROM {table}",
        place=_NUMBERED,
        head=_NUMBER,
        meaning="created_at of the newest migration, a number: its when in meta/_journal.json",
    ),
    "prisma": Tool(
        table=Name(None, "_prisma_migrations"),
        column="migration_name",
        rows="""
            SELECT '' AS app, migration_name::pg_catalog.text AS name,
                   CASE WHEN finished_at IS NULL THEN 'failed' ELSE 'applied' END AS state
            FROM {table}
            WHERE rolled_back_at IS NULL""",
        place=_NAMED,
        head=_NAME,
        meaning="the directory of the newest migration, such as 20240131120000_add_color",
        mark="prisma has it unfinished: it failed or is still running",
    ),
    "alembic": Tool(
        table=Name(None, "alembic_version"),
        column="version_num",
        rows="""
            SELECT '' AS app, 'applied' AS state,
                   pg_catalog.string_agg(version_num, ', ' ORDER BY version_num COLLATE pg_catalog."C") AS name
            FROM {table}
            HAVING pg_catalog.count(*) > 0""",
        place=_NAMED,
        head=_NAME,
        meaning="the revision that alembic heads prints; several with commas between",
        is_ordered=False,
    ),
    "django": Tool(
        table=Name(None, "django_migrations"),
        column="name",
        rows="SELECT app::pg_catalog.text AS app, name::pg_catalog.text AS name, 'applied' AS state FROM {table}",
        place=_NAMED,
        head=_NAME,
        meaning="the newest migration of the application, such as 0004_invoice_note",
        by_application=True,
    ),
    "goose": Tool(
        table=Name(None, "goose_db_version"),
        column="version_id",
        rows="""
            SELECT '' AS app, version_id::pg_catalog.text AS name, 'applied' AS state
            FROM (
                SELECT DISTINCT ON (version_id) version_id, is_applied FROM {table} ORDER BY version_id, id DESC
            ) AS latest
            WHERE is_applied AND version_id > 0""",
        place=_NUMBERED,
        head=_NUMBER,
        meaning="the newest version, a number such as 20240131120000",
    ),
    "flyway": Tool(
        table=Name(None, "flyway_schema_history"),
        column="version",
        rows="""
            SELECT '' AS app, COALESCE(version, script)::pg_catalog.text AS name,
                   CASE WHEN NOT success THEN 'failed' WHEN type LIKE '%BASELINE' THEN 'baseline'
                        ELSE 'applied' END AS state
            FROM (
                SELECT DISTINCT ON (COALESCE(version, script)) version, script, type, success
                FROM {table}
                ORDER BY COALESCE(version, script), installed_rank DESC
            ) AS latest
            WHERE NOT success OR (version IS NOT NULL AND type NOT LIKE 'UNDO%' AND type <> 'DELETE')""",
        place=_DOTTED,
        head=_VERSION,
        meaning="the newest version, such as 1.10 for V1.10__add_color.sql",
        mark="flyway marks it failed",
    ),
    "schema_migrations": _SCHEMA_MIGRATIONS,
    "rails": _SCHEMA_MIGRATIONS,
    "dbmate": _SCHEMA_MIGRATIONS,
    "golang-migrate": _SCHEMA_MIGRATIONS,
}
"""The tools by the name that a contract gives them. Sources of the tables and of what their rows mean:

- drizzle: ``drizzle-orm/src/pg-core/dialect.ts`` (``migrate``): applies what is newer than the newest
  ``created_at``, the milliseconds of the journal's ``when``. Its ``src/up-migrations/pg.ts`` only adds columns.
- prisma: ``schema-engine/connectors/sql-schema-connector`` of prisma-engines (``create_migrations_table``,
  ``sql_migration_persistence.rs``): a row when a migration starts, ``finished_at`` when it is through, and
  ``rolled_back_at`` by ``migrate resolve``. Directories are applied in the order of their names.
- alembic: ``alembic/ddl/impl.py`` (``version_table_impl``): a row for each head. Revisions form a graph that only
  the migration files know.
- django: ``django/db/migrations/recorder.py``: a row for each applied migration, gone once it is unapplied. The
  order within an application is that of the numbers that ``makemigrations`` puts before the names.
- goose: ``internal/dialects/postgres.go`` and ``GetLatestVersion``: a row for each run, older releases with
  ``is_applied`` false for a run down; version 0 is there from the start.
- flyway: ``PostgreSQLDatabase.getRawCreateScript``, ``MigrationVersion`` (parts as numbers, ``_`` as ``.``),
  ``CoreMigrationType`` and ``BaselineMigrationType``: what is undone or deleted gets a row of its own; repeatable
  migrations and the creation of a schema have no version.
- rails: ``ActiveRecord::SchemaMigration``; dbmate: ``pkg/driver/postgres`` (``CreateMigrationsTable``): a row for
  each version, as text.
- golang-migrate: ``database/postgres/postgres.go`` (``SetVersion``): one row, with the version last migrated to
  and ``dirty`` until that is through; -1 stands for none.
"""


def tool_of(tool: str | None, table: Name | None) -> tuple[str, Name]:
    """Return a key of ``TOOLS`` and the tool's table, each told by the other where it is not given.

    Args:
        tool: as the contract names it.
        table: as the contract names it; found by its name alone, in whatever schema it is.

    Raises:
        ValueError: no such tool, no tool with such a table, or neither given; the message names the known ones.
    """
    known = f"the tool is one of {', '.join(TOOLS)}"
    if tool is None and table is None:
        raise ValueError(f"neither tool nor table says what keeps the migrations; {known}")
    key = tool if tool is not None else _tool_keeping(table)
    if key is None:
        raise ValueError(f"no tool known here keeps its migrations in a table {table}: name the tool; {known}")
    if key not in TOOLS:
        near = nearest(key, TOOLS)
        raise ValueError(f"{key!r} is no migration tool known here{f': did you mean {near}?' if near else ''}; {known}")
    return key, TOOLS[key].table if table is None else table


def _tool_keeping(table: Name | None) -> str | None:
    return next((key for key, tool in TOOLS.items() if table is not None and tool.table.name == table.name), None)


def head_of(tool: str, head: str | Mapping[str, str]) -> dict[str, str]:
    """Return a contract's head as ``ContractMigrations.head`` has it.

    Args:
        tool: a key of ``TOOLS``.
        head: the newest migration in the tool's terms; for Django a mapping of application to name, for any other
            tool the value alone or under the name of the tool's column.

    Raises:
        ValueError: not of that form, or a value that the tool cannot have; the message says what to give.
    """
    found = TOOLS[tool]
    if not found.by_application:
        return {"": _value(tool, _single(tool, head))}
    if isinstance(head, str) or not head:
        raise ValueError(f"{tool}'s head is by application: a mapping of application to {found.meaning}")
    if not all(_NAME.fullmatch(app) for app in head):
        raise ValueError(f"an application of {tool} has no name, or one with a NUL character")
    return {app: _value(tool, value) for app, value in head.items()}


def _single(tool: str, head: str | Mapping[str, str]) -> str:
    if isinstance(head, str):
        return head
    column = TOOLS[tool].column
    if tuple(head) != (column,):
        given = ", ".join(head) or "nothing"
        raise ValueError(f"{tool} has one head: write it alone or as {column}, not {given}; give {TOOLS[tool].meaning}")
    return head[column]


def _value(tool: str, text: str) -> str:
    found, value = TOOLS[tool], text.strip()
    if not found.is_ordered:
        value = ", ".join(sorted(set(re.split(r"[\s,]+", value)) - {""}))  # as the query lists the database's
    if not found.head.fullmatch(value):
        raise ValueError(f"{text!r} is no head of {tool}; give {found.meaning}")
    return value


_QUERY = """\
SELECT pg_catalog.json_agg(pg_catalog.row_to_json(standing))::pg_catalog.text
FROM (
    SELECT h.app,
           pg_catalog.count(DISTINCT m.place) FILTER (WHERE m.state <> 'failed') AS applied,
           pg_catalog.count(DISTINCT m.place) FILTER (WHERE m.state <> 'failed' AND m.place > h.place) AS newer,
           COALESCE(pg_catalog.bool_or(m.place = h.place OR (m.place > h.place AND m.state = 'baseline'))
                    FILTER (WHERE m.state <> 'failed'), false) AS has_head,
           COALESCE(pg_catalog.bool_or(m.place IS NOT NULL) FILTER (WHERE m.state = 'baseline'), false)
               AS has_baseline,
           COALESCE(pg_catalog.bool_or(m.place > h.place) FILTER (WHERE m.state = 'baseline'), false)
               AS is_baseline_newer,
           (pg_catalog.array_agg(m.name ORDER BY m.place DESC)
               FILTER (WHERE m.state <> 'failed' AND m.place IS NOT NULL))[1] AS newest,
           COALESCE((pg_catalog.array_agg(DISTINCT m.name COLLATE pg_catalog."C")
               FILTER (WHERE m.state = 'failed'))[1:{shown}], '{{}}') AS unfinished,
           pg_catalog.count(DISTINCT m.name) FILTER (WHERE m.state = 'failed') AS unfinished_count
    FROM (VALUES {heads}) AS h (app, place)
    LEFT JOIN (SELECT app, name, state, {place} AS place FROM ({rows}) AS kept) AS m ON m.app = h.app
    GROUP BY h.app, h.place
) AS standing"""
"""One ``_Standing`` for each of the head's applications, though nothing be applied.

Every name is qualified, for the search_path in force is the application's. No WITH: its names would hide a table."""


def rows_query(migrations: ContractMigrations) -> str:
    """Return one SELECT, without parameters, of one text: what ``position`` reads.

    It counts on the server: the answer has a few names and numbers however many migrations there are. A missing
    table or privilege is the server's error, for the caller to tell through ``unknown``.

    Args:
        migrations: as ``tool_of`` and ``head_of`` made them.
    """
    tool, table = TOOLS[migrations.tool], migrations.table
    path = ".".join(quote_identifier(name) for name in (table.schema, table.name) if name is not None)
    heads = ((_text(app), tool.place.format(_text(value))) for app, value in migrations.head.items())
    return _QUERY.format(
        heads=", ".join(f"({app}, {place})" for app, place in heads),
        rows=tool.rows.format(table=path),
        place=tool.place.format("name"),
        shown=_SHOWN,
    )


def _text(value: str) -> str:
    return f"{quote_literal(value)}::pg_catalog.text"


_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class _Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How one application's migrations stand to the head; for any tool but Django there is but one."""

    app: str
    applied: _Count
    newer: _Count
    """Applied ones beyond the head."""
    has_head: bool
    has_baseline: bool
    """Some are applied without rows of their own."""
    is_baseline_newer: bool
    """Some beyond the head may be."""
    newest: str | None
    unfinished: tuple[str, ...]
    """The first few of them."""
    unfinished_count: _Count


def position(migrations: ContractMigrations, document: str) -> MigrationPosition:
    """Return where the database's migrations stand, seen from the image. Raises nothing, whatever the answer is.

    The database is ahead by the applied ones that are newer than the image's head. It is behind by the contract's
    count without the applied ones, of the applications that the head names; where one row stands for many
    (a baseline, golang-migrate) no number is told.

    Args:
        migrations: what the contract says of the image.
        document: the answer to ``rows_query``.
    """
    try:
        answer = msgspec.json.decode(document, type=tuple[_Standing, ...])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        answer = ()
    standings = {standing.app: standing for standing in answer}
    if standings.keys() != migrations.head.keys():
        return unknown(f"the answer about {migrations.table} cannot be read", migrations)
    ordered = tuple(standings[app] for app in migrations.head)
    found = _placed(migrations, ordered) if TOOLS[migrations.tool].is_ordered else _compared(migrations, ordered[0])
    detail = "; ".join(filter(None, (found.detail, _unfinished(migrations.tool, ordered))))
    return msgspec.structs.replace(found, detail=detail)


def unknown(reason: str, migrations: ContractMigrations) -> MigrationPosition:
    """Return that nothing can be told, and why.

    Args:
        reason: a clause for a person, without a full stop.
        migrations: what the contract says of the image.
    """
    return MigrationPosition(side=Side.UNKNOWN, image_head=_heads(migrations.head), detail=reason)


def _placed(migrations: ContractMigrations, standings: tuple[_Standing, ...]) -> MigrationPosition:
    """Return the position by the order of the names."""
    lacking = tuple(standing for standing in standings if not standing.has_head)
    beyond = tuple(standing for standing in standings if standing.newer)
    if not lacking and not beyond:
        newest = _heads(migrations.head)
        gap = _gap(migrations, standings)
        return MigrationPosition(side=Side.SAME, count=0, image_head=newest, database_head=newest, detail=gap)
    return MigrationPosition(
        side=Side.DIVERGED if lacking and beyond else Side.DATABASE_AHEAD if beyond else Side.DATABASE_BEHIND,
        count=_distance(migrations, standings),
        image_head=_head((lacking or beyond)[0].app, migrations.head),
        database_head=_newest((beyond or lacking)[0]),
        detail="; ".join(
            filter(None, (_applications(lacking, beyond), "" if lacking else _gap(migrations, standings)))
        ),
    )


def _compared(migrations: ContractMigrations, standing: _Standing) -> MigrationPosition:
    """Return the position where names have no order: the same, nothing applied yet, or not to be told."""
    image, database = _heads(migrations.head), _newest(standing)
    if standing.has_head:
        return MigrationPosition(side=Side.SAME, count=0, image_head=image, database_head=database)
    if not standing.applied:
        return MigrationPosition(side=Side.DATABASE_BEHIND, count=migrations.count or None, image_head=image)
    return MigrationPosition(
        side=Side.UNKNOWN,
        image_head=image,
        database_head=database,
        detail=f"{migrations.tool}'s revisions have no order: the database is at {database}, this image was built"
        f" with {image}; if the image's own migrations do not know {database}, the database is ahead",
    )


def _distance(migrations: ContractMigrations, standings: tuple[_Standing, ...]) -> int | None:
    """Return by how many migrations one side is ahead, where the rows tell and the sides have not diverged."""
    newer = sum(standing.newer for standing in standings)
    if all(standing.has_head for standing in standings):
        return None if any(standing.is_baseline_newer for standing in standings) else newer
    return None if newer else _missing(migrations, standings) or None


def _missing(migrations: ContractMigrations, standings: tuple[_Standing, ...]) -> int:
    """Return how many of the migrations that the contract counts have no row up to the head; 0 if it cannot be told."""
    if migrations.count is None or any(standing.has_baseline for standing in standings):
        return 0
    return max(0, migrations.count - sum(standing.applied - standing.newer for standing in standings))


def _gap(migrations: ContractMigrations, standings: tuple[_Standing, ...]) -> str:
    """Tell migrations that were passed over, as drizzle does with one that is older than the newest applied."""
    missing = _missing(migrations, standings)
    told = f"of the {migrations.count} migrations that the contract counts, the database lacks {missing}"
    return told if missing else ""


def _applications(lacking: tuple[_Standing, ...], beyond: tuple[_Standing, ...]) -> str:
    apps = sorted({standing.app for standing in lacking + beyond})
    return f"{len(apps)} applications are apart: {_listed(apps)}" if len(apps) > 1 else ""


def _unfinished(tool: str, standings: tuple[_Standing, ...]) -> str:
    names = [name for standing in standings for name in standing.unfinished]
    count = max(len(names), sum(standing.unfinished_count for standing in standings))
    noun = "migration" if count == 1 else "migrations"
    return f"{noun} {_listed(names, count)} did not finish: {TOOLS[tool].mark}" if names else ""


def _heads(head: Mapping[str, str]) -> str:
    return _listed([_head(app, head) for app in head])


def _head(app: str, head: Mapping[str, str]) -> str:
    return _shown(app, head[app])


def _newest(standing: _Standing) -> str:
    return "" if standing.newest is None else _shown(standing.app, standing.newest)


def _shown(app: str, name: str) -> str:
    return " ".join((f"{app}.{name}" if app else name).split())


def _listed(names: Iterable[str], count: int | None = None) -> str:
    shown = [" ".join(name.split()) for name in names]
    more = (len(shown) if count is None else count) - _SHOWN
    return ", ".join(shown[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def sentence(position: MigrationPosition) -> str:
    """Return one sentence, without a full stop, for the top of a report: which side is behind and what to do."""
    claim = _claim(position)
    if position.side is Side.UNKNOWN or not position.detail:
        return claim
    return f"{claim}; {position.detail}"


def _claim(position: MigrationPosition) -> str:
    image, database = position.image_head, position.database_head
    match position.side:
        case Side.SAME if position.detail:
            return "image and database are at the same migration"
        case Side.SAME:
            return (
                "image and database are at the same migration:"
                " the schema was changed by hand, or the contract does not match the image"
            )
        case Side.DATABASE_AHEAD:
            way = f"{_by(position.count)}ahead of this image ({database} is newer than {image})"
            return f"the database is {way}: roll the image forward"
        case Side.DATABASE_BEHIND:
            why = f"{database} is older than {image}" if database else f"nothing up to {image} is applied"
            return f"the database is {_by(position.count)}behind this image ({why}): run the migrations"
        case Side.DIVERGED:
            return (
                f"image and database have diverged: {database} is applied, which is newer than this image, but not"
                f" {image}, which is the image's own: roll out an image that knows both, and run its migrations"
            )
        case Side.UNKNOWN:
            return f"which side is behind cannot be told: {position.detail}"
        case _:
            assert_never(position.side)


def _by(count: int | None) -> str:
    return "" if count is None else f"{count} migration{'' if count == 1 else 's'} "
