from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.compatibility.sessions import read_only_server, refused_temporary_tables, short_timeouts
from sidecar.model import Contract, SessionNeeds, Severity, Use
from tests.unit.builders import READ, catalog, contract, database, relation

WRITING = contract(relation("a"), relation("orders", use=READ | {Use.DELETE}), relation("t", use={Use.INSERT}))


def test_a_standby_is_found() -> None:
    """An image that writes cannot do so on a standby; the address is what mends it."""
    (found,) = read_only_server(WRITING, catalog(about=database(is_standby=True)))
    assert ("server-read-only", "server", "25006", Severity.ERROR) == (
        found.code,
        found.object,
        found.sqlstate,
        found.severity,
    )
    assert "the server is a standby, and the image writes to orders" == found.message
    assert "target_session_attrs=read-write" in found.help


def test_read_only_sessions_are_found() -> None:
    """A role that begins read-only gets a mend for the role and for the database, quoted."""
    (found,) = read_only_server(WRITING, catalog(about=database(is_read_only=True, role="App", name="My db")))
    assert "default_transaction_read_only" in found.message
    assert 'ALTER ROLE "App" RESET' in found.help
    assert 'ALTER DATABASE "My db" RESET' in found.help


def test_a_read_only_standby_is_told_as_a_standby() -> None:
    """Where both are true, the one that no setting of the role's mends is told."""
    (found,) = read_only_server(WRITING, catalog(about=database(is_standby=True, is_read_only=True)))
    assert "is a standby" in found.message


@pytest.mark.parametrize(
    ("wanted", "about"),
    [
        (WRITING, {}),
        (contract(relation("t")), {"is_standby": True, "is_read_only": True}),
        (contract(), {"is_standby": True}),
    ],
    ids=["a primary", "a reader", "no relation"],
)
def test_who_can_do_what_it_does_passes(wanted: Contract, about: dict[str, Any]) -> None:
    """A primary takes everything, and a reader may read anywhere."""
    assert [] == list(read_only_server(wanted, catalog(about=database(**about))))


@pytest.mark.parametrize("use", [Use.INSERT, Use.UPDATE, Use.DELETE, Use.TRUNCATE])
def test_every_kind_of_write_counts(use: Use) -> None:
    """A standby refuses every statement that changes anything."""
    assert list(read_only_server(contract(relation("t", use={use})), catalog(about=database(is_standby=True))))


def test_the_message_does_not_depend_on_the_order_of_the_contract() -> None:
    """The same contract written in another order gives the same finding."""
    there = catalog(about=database(is_standby=True))
    mixed = contract(*reversed(WRITING.relations))
    assert list(read_only_server(WRITING, there)) == list(read_only_server(mixed, there))


@pytest.mark.parametrize(
    ("needs", "about", "objects"),
    [
        ({"statement_timeout_s": 30.0}, {"statement_timeout_ms": 5_000}, ["statement_timeout"]),
        ({"lock_timeout_s": 2.0}, {"lock_timeout_ms": 1_999}, ["lock_timeout"]),
        (
            {"statement_timeout_s": 1.0, "lock_timeout_s": 1.0},
            {"statement_timeout_ms": 1, "lock_timeout_ms": 1},
            ["statement_timeout", "lock_timeout"],
        ),
        ({"statement_timeout_s": 30.0}, {"statement_timeout_ms": 30_000}, []),
        ({"statement_timeout_s": 30.0}, {"statement_timeout_ms": 0}, []),
        ({"statement_timeout_s": 30.0}, {"lock_timeout_ms": 1}, []),
        ({}, {"statement_timeout_ms": 1, "lock_timeout_ms": 1}, []),
        ({"statement_timeout_s": 0.0005}, {"statement_timeout_ms": 1}, []),
    ],
)
def test_a_timeout_that_is_too_short(needs: dict[str, Any], about: dict[str, int], objects: list[str]) -> None:
    """A timeout has to be off or at least what the image needs; without a need there is nothing to compare."""
    wanted = contract(session=SessionNeeds(**needs))
    assert objects == [found.object for found in short_timeouts(wanted, catalog(about=database(**about)))]


def test_a_short_timeout_is_told_in_seconds_with_its_own_sqlstate() -> None:
    """A statement is cancelled with another SQLSTATE than a wait for a lock."""
    wanted = contract(session=SessionNeeds(statement_timeout_s=90.0, lock_timeout_s=2.5))
    about = database(statement_timeout_ms=1_500, lock_timeout_ms=100, role="App")
    statement, lock = short_timeouts(wanted, catalog(about=about))
    assert ("timeout-too-short", Severity.WARNING, "57014") == (statement.code, statement.severity, statement.sqlstate)
    assert 'statement_timeout of role "App" is 1.5 s, and the image needs 90 s' == statement.message
    assert "ALTER ROLE \"App\" SET statement_timeout = '90s';" == statement.help
    assert ("timeout-too-short", "55P03", "lock_timeout") == (lock.code, lock.sqlstate, lock.object)


@given(st.integers(1, 10_000_000))
def test_a_timeout_that_is_exactly_what_is_needed_passes(milliseconds: int) -> None:
    """Seconds with a fraction meet milliseconds: equal is enough, whatever the fraction."""
    wanted = contract(session=SessionNeeds(statement_timeout_s=float(f"{milliseconds / 1000:.3f}")))
    about = database(statement_timeout_ms=milliseconds)
    assert [] == list(short_timeouts(wanted, catalog(about=about)))


def test_2007_milliseconds_are_2_007_seconds() -> None:
    """A fraction that binary numbers do not hold exactly makes no timeout too short."""
    wanted = contract(session=SessionNeeds(statement_timeout_s=2.007))
    assert [] == list(short_timeouts(wanted, catalog(about=database(statement_timeout_ms=2_007))))


def test_temporary_tables_need_a_privilege() -> None:
    """An image that makes temporary tables needs TEMPORARY on the database, and no other image does."""
    about = database(can_create_temporary=False, name="My db")
    wanted = contract(session=SessionNeeds(temporary_tables=True))
    (found,) = refused_temporary_tables(wanted, catalog(about=about))
    assert ("temporary-tables-refused", "temporary tables", "42501", Severity.ERROR) == (
        found.code,
        found.object,
        found.sqlstate,
        found.severity,
    )
    assert 'GRANT TEMPORARY ON DATABASE "My db" TO app_role;' == found.help
    assert [] == list(refused_temporary_tables(contract(), catalog(about=about)))
    assert [] == list(refused_temporary_tables(wanted, catalog()))
