"""The tables of schema changes are true: each is put onto a real server, and the image's statements are issued.

A case that is not for the server's version passes without being run: the matrix of versions runs it.
"""

import asyncio

import pytest

from sidecar.embedded import EmbeddedPostgres
from tests.compatibility.cases import CASES, PROBLEMS, VERSIONS, Case, Statement
from tests.compatibility.world import Refusal, Result, fresh_database, issue, migrate, superuser
from tests.conftest import Database


def test_case_files_are_well_formed() -> None:
    """Every case has the keys that it needs and no other, and a name of its own."""
    assert () == PROBLEMS
    assert CASES


def test_each_case_applies_to_a_tested_version() -> None:
    """No case is for versions that nothing is tested against, and there is none that no case is for."""
    assert all(any(case.applies_to(major) for major in VERSIONS) for case in CASES)
    assert all(any(case.applies_to(major) for case in CASES) for major in VERSIONS)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_change_does_what_the_case_says(case: Case, server: EmbeddedPostgres, server_major: int) -> None:
    """Every statement works before the change; after it, it fails, misreads or works on exactly as the case says."""
    if not case.applies_to(server_major):
        return
    with fresh_database(server) as database:
        before, after = asyncio.run(_before_and_after(case, database))
    wrong = [
        f"before the change {_told(statement, result)}"
        for statement, result in zip(case.issued, before, strict=True)
        if isinstance(result, Refusal)
    ]
    wrong += [
        complaint
        for statement, was, now in zip(case.issued, before, after, strict=True)
        if isinstance(was, Result) and (complaint := _complaint(case, statement, was, now))
    ]
    assert not wrong, "\n" + "\n".join(wrong)


async def _before_and_after(case: Case, database: Database) -> tuple[list[Result | Refusal], list[Result | Refusal]]:
    async with superuser(database) as connection:
        await migrate(connection, case.setup, database.role)
        before = await issue(database, case)
        await migrate(connection, case.change, database.role)
        return before, await issue(database, case)


def _complaint(case: Case, statement: Statement, was: Result, now: Result | Refusal) -> str | None:
    """Return how a statement's result contradicts the case, if it does."""
    expected = statement.fails or case.fails
    if expected is not None:
        if isinstance(now, Refusal) and now.sqlstate == expected:
            return None
        return f"expected {expected}, but {_told(statement, now)}"
    if isinstance(now, Refusal):
        return f"expected to work, but {_told(statement, now)}"
    if case.misreads and now == was:
        return f"expected to misread, but the result is the same: {_told(statement, now)}"
    if not case.misreads and not case.differs and now != was:
        return f"expected the same result; it was: {_told(statement, was)}\n  and is: {_told(statement, now)}"
    return None


def _told(statement: Statement, result: Result | Refusal) -> str:
    call = f"{statement.sql.strip()} ({statement.arguments})" if statement.arguments else statement.sql.strip()
    if isinstance(result, Refusal):
        return f"{call}\n  fails with {result.sqlstate}: {result.message}"
    return f"{call}\n  gives {result.tag} {result.columns} {result.rows}"
