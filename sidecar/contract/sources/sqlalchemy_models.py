"""An application's SQLAlchemy models → a contract, with Alembic's head where its ini is given.

Neither is a dependency of the sidecar: both are the application's, in its environment.
"""

from pathlib import Path
from typing import Any

import msgspec

from sidecar.contract.document import ContractDocument, MigrationsDocument, SourceDocument
from sidecar.contract.exported import Exported, ExportError
from sidecar.contract.sources.drizzle_files import one_line
from sidecar.contract.sources.sqlalchemy_metadata import parts_of
from sidecar.contract.sources.sqlalchemy_target import application, failed, library, metadata_of
from sidecar.contract.translation import to_contract
from sidecar.identifiers import contract_key

_SHOWN = 5
"""How many heads a message lists."""


def export_sqlalchemy(target: str, *, alembic_ini: Path | None = None) -> Exported:
    """Read a contract out of the metadata of an application's models.

    The module is imported, found from the current folder; no database is asked, and Alembic's env.py is not run.

    Args:
        target: ``MODULE:ATTRIBUTE``; the attribute may be dotted. A MetaData, what has one as ``.metadata``, or
            a function that returns one of these.
        alembic_ini: names the migrations whose head the contract tells.

    Raises:
        ExportError: the module, the metadata or the migrations cannot be read; the message says which and why.
    """
    with application():
        parts = parts_of(metadata_of(target), target)
        migrations = None if alembic_ini is None else _migrations(alembic_ini)
    document = ContractDocument(
        contract=1,
        source=SourceDocument(kind="sqlalchemy", migration=None if migrations is None else str(migrations.head)),
        relations=parts.relations,
        enums=parts.enums,
        sequences=parts.sequences,
        migrations=migrations,
    )
    _, problems = to_contract(document, "")
    if problems:
        raise ExportError(f"{target}: it makes no contract: {one_line(problems[0])}")
    if b"\\u0000" in msgspec.json.encode(document):
        raise ExportError(f"{target}: there is a NUL character in a name, which no PostgreSQL name can have")
    return Exported(document=document, omissions=parts.omissions)


def _migrations(ini: Path) -> MigrationsDocument:
    if not ini.is_file():
        raise ExportError(f"{ini}: there is no such file; give Alembic's ini")
    config_module, script_module = library("alembic.config"), library("alembic.script")
    try:
        config = config_module.Config(str(ini))
        table = config.get_main_option("version_table")
        schema = config.get_main_option("version_table_schema")
        script = script_module.ScriptDirectory.from_config(config)
        heads = sorted(script.get_heads())
        count = sum(1 for _ in script.walk_revisions())
    except (Exception, SystemExit) as error:  # revisions are the application's code
        raise failed(f"{ini}: reading the migrations", error) from error
    return MigrationsDocument(tool="alembic", head=_head(ini, heads), table=_table(table, schema), count=count)


def _head(ini: Path, heads: list[str]) -> str:
    if not heads:
        raise ExportError(f"{ini}: it has no revisions; run alembic revision, or leave it out")
    if len(heads) > 1:
        more = f" and {len(heads) - _SHOWN} more" if len(heads) > _SHOWN else ""
        raise ExportError(
            f"{ini}: {len(heads)} heads: {', '.join(heads[:_SHOWN])}{more}; make them one: alembic merge heads"
        )
    return heads[0]


def _table(table: Any, schema: Any) -> str | None:
    if not table and not schema:
        return None
    return contract_key(schema or None, table or "alembic_version")
