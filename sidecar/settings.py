"""Settings: one table of fields, read from SIDECAR_* variables and flags of the same names, all errors at once."""

import difflib
import ipaddress
import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from sidecar.backoff import Backoff
from sidecar.postgres.source import VARIABLES, DatabaseSource, find_source
from sidecar.postgres.target import TargetError

PREFIX = "SIDECAR_"
DEFAULT_TERMINATION_LOG = "/dev/termination-log"
"""Where Kubernetes mounts the file for a container's last words (Container, ``terminationMessagePath``)."""

# What Kubernetes puts into every container of a namespace that has a Service called sidecar or sidecar-something
# (Service, "Environment variables").
_SERVICE_LINK = re.compile(r"SIDECAR(_\w+)?_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)")
_DAY_S = 86_400.0
_Seconds = Annotated[float, Meta(gt=0, le=_DAY_S)]


class ListenAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a listener binds."""

    host: str | None
    """An address, or None for all interfaces, IPv4 and IPv6."""
    port: int
    """0 lets the system choose: for tests."""

    def __str__(self) -> str:
        """Return the address as it is written in settings."""
        host = f"[{self.host}]" if self.host and ":" in self.host else self.host or ""
        return f"{host}:{self.port}"


class Values(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting as it is written: the source of the flags, the defaults and the README's table."""

    contract: Annotated[str, Meta(description="path of the contract document; required")] = ""
    contract_wait_s: Annotated[
        float, Meta(ge=0, le=_DAY_S, description="how long to wait for the contract's file to appear, in seconds")
    ] = 0.0
    listen: Annotated[str, Meta(description="address of the probe listener, for all interfaces :PORT")] = ":9632"
    admin_listen: Annotated[str, Meta(description="loopback address of the admin listener, or off")] = "127.0.0.1:9633"
    deadline_s: Annotated[_Seconds, Meta(description="how long to try for a verdict, in seconds")] = 120.0
    max_attempts: Annotated[int, Meta(ge=0, le=1_000_000, description="attempts before giving up; 0: no bound")] = 0
    connect_timeout_s: Annotated[_Seconds, Meta(description="bound on connecting to one host, in seconds")] = 5.0
    statement_timeout_s: Annotated[_Seconds, Meta(description="bound on each statement, in seconds")] = 10.0
    lock_timeout_s: Annotated[_Seconds, Meta(description="bound on waiting for a lock, in seconds")] = 2.0
    mismatch_grace_s: Annotated[
        float,
        Meta(ge=0, le=_DAY_S, description="how long to check a mismatch again, for a migration under way, in seconds"),
    ] = 0.0
    drift_interval_s: Annotated[
        float,
        Meta(ge=0, le=_DAY_S, description="about how often to look for drift once ready, in seconds; 0: never"),
    ] = 0.0
    backoff_base_s: Annotated[_Seconds, Meta(description="longest first wait between attempts, in seconds")] = 0.5
    backoff_max_s: Annotated[_Seconds, Meta(description="longest wait between attempts, in seconds")] = 10.0
    strict: Annotated[bool, Meta(description="true: warnings gate too")] = False
    state_file: Annotated[
        str, Meta(description="file that remembers a pass for a container restart of the same pod, or off")
    ] = "off"
    pod_uid: Annotated[
        str, Meta(description="the pod's UID, which the state file is for; without it, the host's name")
    ] = ""
    drain_s: Annotated[
        float, Meta(ge=0, le=_DAY_S, description="how long to answer 503 draining after SIGTERM, in seconds")
    ] = 0.0
    termination_log: Annotated[str, Meta(description="file for the last words of a failed run, or off")] = (
        DEFAULT_TERMINATION_LOG
    )
    log_format: Annotated[
        Literal["auto", "json", "console"], Meta(description="auto: console on a terminal, else json")
    ] = "auto"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="least severe level that is logged")
    ] = "info"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings in force."""

    values: Values
    listen: ListenAddress
    admin_listen: ListenAddress | None
    source: DatabaseSource
    ignored_variables: tuple[str, ...] = ()
    """SIDECAR_* variables that mean nothing, each with a hint: a mistyped name must not go unnoticed."""
    ignored_keys: tuple[str, ...] = ()
    """Keys of the database URL that tune clients of other kinds."""

    @property
    def backoff(self) -> Backoff:
        """The back-off that the settings ask for."""
        return Backoff(base_s=self.values.backoff_base_s, max_s=self.values.backoff_max_s)

    @property
    def in_force(self) -> tuple[tuple[str, str], ...]:
        """Every setting by its variable, as people write it; of the database, which variable says where it is."""
        shown = [(field.variable, written(getattr(self.values, field.name))) for field in fields()]
        return (*shown, ("database", f"from {self.source.variable}"))


class SettingsError(Exception):
    """Settings that cannot be used. Carries every problem, each naming its variable or flag."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        """Remember the problems."""
        super().__init__("; ".join(problems))
        self.problems = problems


class Field(msgspec.Struct, frozen=True):
    """One setting, for those who list them."""

    name: str
    default: Any
    description: str

    @property
    def variable(self) -> str:
        """The environment variable."""
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        """The command-line flag."""
        return "--" + self.name.replace("_", "-")


def fields() -> tuple[Field, ...]:
    """Return every setting in the order of the table."""
    return tuple(Field(info.name, info.default, _description(info.type)) for info in msgspec.structs.fields(Values))


def written(value: object) -> str:
    """Return a setting's value as it is written in an environment."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def load_settings(environ: Mapping[str, str], flags: Mapping[str, str | None]) -> Settings:
    """Read the settings; a flag wins over its variable, an empty variable counts as unset.

    Args:
        environ: the environment.
        flags: by field name, None where the flag was not given.

    Raises:
        SettingsError: something is wrong; carries all of it.
    """
    problems: list[str] = []
    found = dict(_written(environ, flags, problems))
    values = Values(**found)
    if not values.contract:
        problems.append("SIDECAR_CONTRACT: no contract; give the path of the contract document, or --contract PATH")
    if values.backoff_max_s < values.backoff_base_s:
        problems.append("SIDECAR_BACKOFF_MAX_S: is less than SIDECAR_BACKOFF_BASE_S")
    listen = _address("SIDECAR_LISTEN", values.listen, problems)
    admin = None if values.admin_listen == "off" else _address("SIDECAR_ADMIN_LISTEN", values.admin_listen, problems)
    if admin is not None and not _is_loopback(admin.host):
        problems.append("SIDECAR_ADMIN_LISTEN: must be a loopback address, such as 127.0.0.1:9633 or [::1]:9633")
    source = None
    ignored_keys: tuple[str, ...] = ()
    try:
        source = find_source(environ)
        ignored_keys = source.load(environ).ignored
    except TargetError as error:
        problems.append(str(error))
    if problems or listen is None or source is None:
        raise SettingsError(tuple(problems))
    return Settings(
        values=values,
        listen=listen,
        admin_listen=admin,
        source=source,
        ignored_variables=tuple(_ignored(environ)),
        ignored_keys=ignored_keys,
    )


def _written(
    environ: Mapping[str, str], flags: Mapping[str, str | None], problems: list[str]
) -> Iterator[tuple[str, Any]]:
    for info, field in zip(msgspec.structs.fields(Values), fields(), strict=True):
        flag = flags.get(field.name)
        text = flag if flag is not None else environ.get(field.variable, "")
        if text == "":
            continue
        try:
            value = msgspec.convert(text.strip(), info.type, strict=False)
            if isinstance(value, float) and math.isnan(value):
                raise msgspec.ValidationError
        except msgspec.ValidationError:
            origin = field.flag if flag is not None else field.variable
            problems.append(f"{origin}: {text[:60]!r} is not {_wanted(info.type)}")
        else:
            yield field.name, value


def _wanted(type_: Any) -> str:
    """Return what a value of that type looks like, for a message."""
    base = type_
    while hasattr(base, "__metadata__"):
        base = base.__origin__
    if get_origin(base) is Literal:
        return f"one of {', '.join(get_args(base))}"
    if base is bool:
        return "true or false"
    limits: dict[str, Any] = {}
    for meta in getattr(type_, "__metadata__", ()):
        limits |= {name: getattr(meta, name) for name in ("gt", "ge", "le") if getattr(meta, name, None) is not None}
    low = f"more than {limits['gt']:g}" if "gt" in limits else f"at least {limits.get('ge', 0):g}"
    if base is int:
        return f"a whole number of {low}"
    return f"a number of seconds without a unit, {low} and at most {limits.get('le', _DAY_S):g}, such as 30 or 0.5"


def _description(type_: Any) -> str:
    for meta in reversed(getattr(type_, "__metadata__", ())):
        if getattr(meta, "description", None):
            return str(meta.description)
    return ""


def _address(variable: str, text: str, problems: list[str]) -> ListenAddress | None:
    match = re.fullmatch(r"(?:(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]]*):)?(?P<port>\d{1,5})", text)
    if match is None or int(match["port"]) > 65535:
        problems.append(f"{variable}: {text[:60]!r} is not an address, such as :9632, 127.0.0.1:9632 or [::1]:9632")
        return None
    host = (match["host"] or "").strip("[]")
    if host and host != "localhost" and not _is_ip(host):
        problems.append(f"{variable}: {host[:60]!r} is not an IP address")
        return None
    return ListenAddress(host="127.0.0.1" if host == "localhost" else host or None, port=int(match["port"]))


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str | None) -> bool:
    return host is not None and ipaddress.ip_address(host).is_loopback


def _ignored(environ: Mapping[str, str]) -> Iterator[str]:
    known = {field.variable for field in fields()} | {f"{v}{suffix}" for v in VARIABLES for suffix in ("", "_FILE")}
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in known or _SERVICE_LINK.fullmatch(name):
            continue
        near = difflib.get_close_matches(name, known, n=1)
        yield f"{name}{f' (did you mean {near[0]}?)' if near else ''}"
