"""``sidecar export``: a contract made from the image's own source, so that nobody writes a thousand columns by hand."""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from sidecar.report import ExitCode

if TYPE_CHECKING:
    from sidecar.contract.exported import Exported
    from sidecar.model import Use


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's sources and flags to ``parser``."""
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    common.add_argument("--out", metavar="PATH", help="file to write; standard output if absent")
    common.add_argument("--name", help="the contract's name, for reports and metrics")
    common.add_argument(
        "--only", action="append", default=[], metavar="GLOB", help="take these relations; may stand several times"
    )
    common.add_argument(
        "--except", action="append", default=[], metavar="GLOB", dest="without", help="leave these relations out"
    )
    common.add_argument(
        "--use", metavar="WORDS", help="what the image does with the relations, such as select,insert,update"
    )
    sources = parser.add_subparsers(dest="source", required=True, metavar="SOURCE")
    drizzle = sources.add_parser(
        "drizzle", parents=[common], help="Drizzle Kit's output folder, or its meta/", allow_abbrev=False
    )
    drizzle.add_argument("path", metavar="PATH")
    drizzle.add_argument("--migration", metavar="TAG", help="a migration's tag or number; the newest if absent")
    models = sources.add_parser(
        "sqlalchemy", parents=[common], help="MetaData or a declarative base, imported", allow_abbrev=False
    )
    models.add_argument("target", metavar="MODULE:ATTR")
    models.add_argument("--alembic-ini", metavar="PATH", help="tells Alembic's head")
    sql = sources.add_parser(
        "sql", parents=[common], help="SQL files or folders of migrations, built in a scratch database",
        allow_abbrev=False,
    )  # fmt: skip
    sql.add_argument("paths", nargs="+", metavar="PATH")
    sql.add_argument("--scratch-url", metavar="URL", help="a server to build on; an embedded one if absent")
    database = sources.add_parser(
        "database", parents=[common], help="a live database, from DATABASE_URL as for serve", allow_abbrev=False
    )
    for source in (sql, database):
        source.add_argument(
            "--schema", action="append", default=[], metavar="NAME", help="look into these schemas; all if absent"
        )


def run(arguments: argparse.Namespace) -> int:
    """Write the contract. Returns 0, or 2 with one line a problem."""
    from sidecar.contract.exported import Choice, ExportError, chosen, written
    from sidecar.postgres.target import TargetError
    from sidecar.streams import settle

    signal.signal(signal.SIGTERM, _terminate)  # a scratch database is dropped on the way out
    try:
        uses = _uses(arguments.use)
        made = _exported(arguments)
        choice = Choice(
            only=tuple(arguments.only), without=tuple(arguments.without), use=uses, name=arguments.name or None
        )
        text = written(chosen(made.document, choice))
        if arguments.out is not None:
            Path(arguments.out).write_text(text, encoding="utf-8")
    except (ExportError, TargetError) as error:
        return _refused(str(error))
    except OSError as error:
        return _refused(f"{arguments.out}: {error.strerror}")
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)
    for omission in made.omissions:
        print(f"left out: {omission}", file=sys.stderr)
    if arguments.out is None:
        with contextlib.suppress(OSError):  # whoever reads on may have read enough
            sys.stdout.write(text)
        settle(sys.stdout)
    return int(ExitCode.OK)


def _exported(arguments: argparse.Namespace) -> "Exported":
    match arguments.source:
        case "drizzle":
            from sidecar.contract.sources.drizzle import export_drizzle

            return export_drizzle(Path(arguments.path), arguments.migration)
        case "sqlalchemy":
            from sidecar.contract.sources.sqlalchemy_models import export_sqlalchemy

            ini = None if arguments.alembic_ini is None else Path(arguments.alembic_ini)
            return export_sqlalchemy(arguments.target, alembic_ini=ini)
        case "sql":
            from sidecar.exporting import export_sql

            return export_sql(
                arguments.paths, scratch_url=arguments.scratch_url, schemas=tuple(arguments.schema), environ=os.environ
            )
        case _:
            from sidecar.exporting import export_database
            from sidecar.postgres.source import find_source

            target = find_source(os.environ).load(os.environ)
            return asyncio.run(export_database(target, schemas=tuple(arguments.schema)))


def _uses(text: str | None) -> "tuple[Use, ...] | None":
    from sidecar.contract.exported import ExportError
    from sidecar.model import Use

    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    unknown = [word for word in words if word not in list(Use)]
    if unknown or not words:
        raise ExportError(f"--use: {unknown[0]!r} is not one of {', '.join(Use)}")
    return tuple(use for use in Use if use in words)


def _refused(message: str) -> int:
    print(f"sidecar export: {message}", file=sys.stderr)
    return int(ExitCode.MISCONFIGURED)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(int(ExitCode.TERMINATED))
