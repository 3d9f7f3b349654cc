"""The files that libpq reads beside a connection string: services and passwords."""

import re
import stat
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from pathlib import Path

from sidecar.postgres.target import Secret, TargetError


def service_parameters(name: str, file: str | None, environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return what a connection service file says of a service (libpq, "The Connection Service File").

    Args:
        name: the service's name.
        file: the file that the address itself names.
        environ: where PGSERVICEFILE, HOME and PGSYSCONFDIR stand.

    Raises:
        TargetError: no file can be read, or none has the service; the message names the files.
    """
    users = file or environ.get("PGSERVICEFILE") or f"{environ.get('HOME', '')}/.pg_service.conf"
    paths = [users]
    if directory := environ.get("PGSYSCONFDIR"):
        paths.append(f"{directory}/pg_service.conf")
    read = []
    for path in paths:
        parser = ConfigParser(
            interpolation=None, delimiters=("=",), comment_prefixes=("#",), default_section="", strict=True
        )
        try:
            parser.read_string(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError, ConfigParserError):
            raise TargetError(f"the service file {path} cannot be read") from None
        if parser.has_section(name):
            return list(parser.items(name))
        read.append(path)
    if not read:
        raise TargetError(f"the service file {users} cannot be read")
    raise TargetError(f"the service file {' or '.join(read)} has no service of the name asked for")


_DEFAULT_SOCKET_DIRECTORIES = ("/var/run/postgresql", "/run/postgresql", "/tmp")  # noqa: S108 - libpq's own default


def passwords_of(
    file: str | None, hosts: tuple[tuple[str, int], ...], database: str, user: str, environ: Mapping[str, str]
) -> tuple[tuple[tuple[str, int], Secret], ...]:
    """Return the password of each host that a password file has one for (libpq, "The Password File").

    A file that others may read, or that is not there, counts for nothing, as in libpq.

    Args:
        file: its path; by default ``.pgpass`` in HOME.
        hosts: where to connect.
        database: the database's name.
        user: the role.
        environ: where HOME stands.
    """
    home = environ.get("HOME")
    if not file and not home:
        return ()
    path = Path(file or f"{home}/.pgpass")
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode) or mode & (stat.S_IRWXG | stat.S_IRWXO):
            return ()
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ()
    entries = [_fields(line) for line in lines if line and not line.startswith("#")]
    found = []
    for host, port in hosts:
        name = "localhost" if host in _DEFAULT_SOCKET_DIRECTORIES else host
        wanted = (name, str(port), database, user)
        for entry in entries:
            if len(entry) == 5 and all(have in ("*", want) for have, want in zip(entry, wanted, strict=False)):
                if entry[4]:
                    found.append(((host, port), Secret(entry[4])))
                break
    return tuple(found)


def _fields(line: str) -> list[str]:
    """Split an entry at its first four colons; a backslash makes the next character an ordinary one."""
    match = re.fullmatch(r"((?:[^\\:]|\\.)*):" * 4 + r"(.*)", line)
    return [re.sub(r"\\(.)", r"\1", field) for field in match.groups()] if match else []
