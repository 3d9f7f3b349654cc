from typing import Any

import msgspec
import pytest

from sidecar.compatibility import codes
from sidecar.compatibility.verdicts import ProbeKind, Refusal, finding_of
from sidecar.model import Severity


@pytest.mark.parametrize(
    ("kind", "object_", "action", "code", "message"),
    [
        (ProbeKind.READ, "public.t", "SELECT", "read-refused", "PostgreSQL refuses SELECT on public.t: words"),
        (ProbeKind.WRITE, "public.t", "INSERT", "write-refused", "PostgreSQL refuses INSERT on public.t: words"),
        (ProbeKind.CALL, "f(text)", "a call", "call-refused", "PostgreSQL refuses a call on f(text): words"),
        (ProbeKind.QUERY, "query q", "the query", "query-refused", "PostgreSQL refuses query q: words"),
    ],
)
def test_a_refusal_is_told_in_the_servers_words(
    kind: ProbeKind, object_: str, action: str, code: str, message: str
) -> None:
    """What the server refused becomes an error with its code and its words."""
    found = finding_of(Refusal(kind=kind, object=object_, action=action, sqlstate="42883", message="words"))
    assert (code, Severity.ERROR, object_, message, "42883") == (
        found.code,
        found.severity,
        found.object,
        found.message,
        found.sqlstate,
    )


def test_a_refused_privilege_is_mended_by_a_grant() -> None:
    """A missing privilege is not mended by a migration."""
    refusal = Refusal(kind=ProbeKind.READ, object="t", action="SELECT", sqlstate="42501", message="permission denied")
    assert "Grant" in finding_of(refusal).help


def test_codes_are_unique_and_kebab_case() -> None:
    """Every kind of finding has a name of its own that alerts can be written against."""
    names = [code.code for code in codes.ALL]
    assert sorted(set(names)) == sorted(names)
    assert all(name == name.lower() and " " not in name and "_" not in name for name in names)


def test_the_table_of_codes_is_whole() -> None:
    """No kind of finding is missing in the reference."""
    assert set(codes.ALL) == {value for value in vars(codes).values() if isinstance(value, codes.Code)}


VIEW_REFUSAL = Refusal(
    kind=ProbeKind.WRITE,
    object="public.v",
    action="INSERT",
    sqlstate="55000",
    message='cannot insert into view "v"',
    is_view=True,
)


def test_a_view_that_takes_no_writes_is_told_as_that() -> None:
    """The server's refusal to write to a view comes with the mend for a view."""
    found = finding_of(VIEW_REFUSAL)
    assert ("view-not-updatable", "public.v", "55000", Severity.ERROR) == (
        found.code,
        found.object,
        found.sqlstate,
        found.severity,
    )
    assert 'view public.v takes no INSERT: cannot insert into view "v"' == found.message
    assert "INSTEAD OF trigger" in found.help


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"is_view": False}, "write-refused"),
        ({"sqlstate": "42703"}, "write-refused"),
        ({"kind": ProbeKind.READ, "action": "SELECT"}, "read-refused"),
        ({"kind": ProbeKind.CALL, "action": "a call"}, "call-refused"),
        ({"action": "INSERT … ON CONFLICT", "target": "public.v (a)"}, "view-not-updatable"),
    ],
)
def test_other_refusals_of_views_are_told_in_the_servers_words(changes: dict[str, Any], code: str) -> None:
    """55000 of a write to a view means one thing; of anything else it may mean another."""
    assert code == finding_of(msgspec.structs.replace(VIEW_REFUSAL, **changes)).code


@pytest.mark.parametrize(
    ("object_", "target", "clause"),
    [
        ("public.t", "public.t (lower(a))", "(lower(a))"),
        ("public.t", "public.t (a) WHERE b IS NULL", "(a) WHERE b IS NULL"),
        ('"My Schema"."a (b)"', '"My Schema"."a (b)" (a)', "(a)"),
    ],
)
def test_an_upsert_without_an_index_is_told_as_the_rules_do(object_: str, target: str, clause: str) -> None:
    """What only the plan shows, an expression or a predicate without an index, is told in the rules' own words."""
    refusal = Refusal(
        kind=ProbeKind.WRITE,
        object=object_,
        action="INSERT … ON CONFLICT",
        sqlstate="42P10",
        message="there is no unique or exclusion constraint matching the ON CONFLICT specification",
        target=target,
    )
    found = finding_of(refusal)
    assert ("upsert-target-missing", target, "42P10") == (found.code, found.object, found.sqlstate)
    assert f"ON CONFLICT {clause} on {object_}: no unique index or constraint matches" == found.message
    assert f"CREATE UNIQUE INDEX CONCURRENTLY ON {object_} {clause};" == found.help


@pytest.mark.parametrize(
    ("target", "sqlstate", "code"),
    [("", "42P10", "write-refused"), ("public.t (a)", "42703", "write-refused")],
    ids=["no upsert", "another refusal"],
)
def test_only_an_upserts_own_refusal_is_one(target: str, sqlstate: str, code: str) -> None:
    """42P10 without an upsert, and an upsert refused for another reason, stay what the server said."""
    refusal = Refusal(
        kind=ProbeKind.WRITE, object="public.t", action="INSERT", sqlstate=sqlstate, message="words", target=target
    )
    found = finding_of(refusal)
    assert (code, "public.t", sqlstate) == (found.code, found.object, found.sqlstate)
