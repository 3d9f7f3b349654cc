"""An application's own module → the SQLAlchemy MetaData in it.

SQLAlchemy is the application's, never ours: it is imported when it is asked for, by name.
"""

import contextlib
import importlib
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from sidecar.compatibility.nearest import nearest
from sidecar.contract.exported import ExportError
from sidecar.contract.sources.drizzle_files import one_line

ENVIRONMENT = "run it where the application's packages are installed"
_FORM = "write MODULE:ATTRIBUTE, such as app.models:Base"
_KINDS = "give a MetaData, a declarative base, an object with .metadata, or a function that returns one of these"


def library(name: str) -> Any:
    """Import a library of the application's.

    Raises:
        ExportError: it is not there.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ExportError(f"{name.partition('.')[0]} cannot be imported ({one_line(error)}); {ENVIRONMENT}") from error


@contextlib.contextmanager
def application() -> Iterator[None]:
    """Run the application's code: its modules are found from the current folder, and what it prints is no output."""
    path, here = list(sys.path), str(Path.cwd())
    importlib.invalidate_caches()
    sys.path.insert(0, here)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.path[:] = path


def metadata_of(target: str) -> Any:
    """Return the MetaData that ``MODULE:ATTRIBUTE`` leads to.

    Raises:
        ExportError: there is none; the message says how far it went and why.
    """
    name, colon, path = target.partition(":")
    if not colon or not name or not path or not all(part.isidentifier() for part in path.split(".")):
        raise ExportError(f"{target!r} names no attribute of a module; {_FORM}")
    if not all(part.isidentifier() for part in name.split(".")):
        dotted = name.removesuffix(".py").replace("/", ".").strip(".")
        raise ExportError(f"{name!r} is no module's name; write {dotted}:{path}")
    sqlalchemy = library("sqlalchemy")
    module = _module(name, target)
    found = _attribute(module, path, target)
    try:
        metadata = _metadata(found, sqlalchemy.MetaData)
        if metadata is None and callable(found) and not isinstance(found, type):
            found = found()
            metadata = _metadata(found, sqlalchemy.MetaData)
    except (Exception, SystemExit) as error:
        raise failed(f"{target}: calling it", error) from error
    if metadata is None:
        raise ExportError(f"{target}: {_words(found)} holds no tables{_others(module, sqlalchemy.MetaData)}; {_KINDS}")
    if not metadata.tables:
        raise ExportError(
            f"{target}: its metadata has no tables; give the module that imports every module with models in it"
        )
    return metadata


def failed(doing: str, error: BaseException) -> ExportError:
    """Return what the application's code raised, in one line: its type, its text, and the application's own line."""
    if isinstance(error, SyntaxError) and error.filename:
        why, place = one_line(error.msg), f"{_shown(error.filename)}:{error.lineno}"
    else:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_file(frame.filename)]
        own = [frame for frame in frames if _is_own(frame.filename)] or frames
        why, place = one_line(error), f"{_shown(own[-1].filename)}:{own[-1].lineno}" if own else ""
    told = f"{type(error).__name__}{': ' if why else ''}{why}{f' ({place})' if place else ''}"
    return ExportError(f"{doing} failed: {told}{f'; {ENVIRONMENT}' if isinstance(error, ImportError) else ''}")


def _module(name: str, target: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        missing = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
        if missing and f"{name}.".startswith(f"{missing}."):
            raise ExportError(
                f"{target}: there is no module {missing!r} in {Path.cwd()} or among the installed packages;"
                f" run it in the application's folder, and {ENVIRONMENT}"
            ) from error
        raise failed(f"{target}: importing {name}", error) from error


def _attribute(module: ModuleType, path: str, target: str) -> Any:
    found: Any = module
    walked = module.__name__
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            near = nearest(part, [name for name in dir(found) if not name.startswith("__")])
            hint = f"did you mean {near!r}?" if near else _FORM
            raise ExportError(f"{target}: {walked} has no {part!r}; {hint}") from error
        except Exception as error:
            raise failed(f"{target}: reading {part!r} of {walked}", error) from error
        walked = f"{walked}.{part}"
    return found


def _metadata(found: Any, kind: type) -> Any:
    for candidate in (found, getattr(found, "metadata", None)):
        if isinstance(candidate, kind):
            return candidate
    return None


def _others(module: ModuleType, kind: type) -> str:
    """Return the module's attributes that would do, in words."""
    names = sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and (isinstance(value, kind) or _holds(value, kind))
    )
    return f"; in {module.__name__}, {' and '.join(names[:3])} would do" if names else ""


def _holds(value: Any, kind: type) -> bool:
    return isinstance(getattr(value, "__dict__", {}).get("metadata"), kind)


def _words(value: Any) -> str:
    if isinstance(value, type):
        return f"class {value.__name__}"
    return f"a value of type {type(value).__name__}"


def _is_file(name: str) -> bool:
    return not name.startswith("<") and Path(name) != Path(__file__) and "importlib" not in Path(name).parts


def _is_own(name: str) -> bool:
    path = Path(name)
    return path.is_relative_to(Path.cwd()) and "site-packages" not in path.parts


def _shown(name: str) -> str:
    path = Path(name)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
