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
