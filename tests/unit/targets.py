"""Targets for tables: what a database URL means, told as the difference from a plain one."""

from typing import Any

import msgspec

from sidecar.postgres.target import Secret, Target, Tls

URL = "postgresql://u:p@h/d"
BASE = Target(hosts=(("h", 5432),), user="u", password=Secret("p"), database="d")


def like_base(**changes: Any) -> Target:
    return msgspec.structs.replace(BASE, **changes)


def password(value: str) -> Target:
    return like_base(password=Secret(value))


def hosts(*addresses: tuple[str, int]) -> Target:
    return like_base(hosts=addresses)


def tls(mode: Any, **rest: Any) -> Target:
    return like_base(tls=Tls(mode=mode, **rest))


def settings(**values: str) -> Target:
    return like_base(settings=tuple(sorted(values.items())))


def path(value: str) -> Target:
    return settings(search_path=value)


def session(attributes: str) -> Target:
    return like_base(session_attributes=attributes)


def dropped(*keys: str, **changes: Any) -> Target:
    return like_base(ignored=keys, **changes)
