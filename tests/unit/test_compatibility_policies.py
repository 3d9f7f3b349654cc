import pytest

from sidecar.compatibility.policies import denying_policies
from sidecar.model import Severity, Use
from tests.unit.builders import ALL_USES, READ, catalog, column, contract, database, live, live_column, relation

EVERYTHING = (Use.DELETE, Use.INSERT, Use.SELECT, Use.UPDATE)


def test_row_security_that_leaves_nothing_is_found() -> None:
    """A relation whose rows the role never sees is an error, though the server gives none."""
    wanted = contract(relation("Orders", column("a")))
    (found,) = denying_policies(wanted, catalog(live("Orders", live_column("a"), denied_by_policy=EVERYTHING)))
    assert ("row-security-denies", 'public."Orders"', Severity.ERROR, None) == (
        found.code,
        found.object,
        found.severity,
        found.sqlstate,
    )
    assert 'row security of public."Orders" has no policy that lets role app_role SELECT any row' == found.message
    assert 'CREATE POLICY … ON public."Orders" FOR SELECT TO app_role USING (…);' == found.help


@pytest.mark.parametrize(
    ("use", "denied", "verbs"),
    [
        (READ, (Use.INSERT, Use.UPDATE, Use.DELETE), None),
        ({Use.INSERT}, (Use.SELECT,), None),
        (READ, (), None),
        ({Use.TRUNCATE}, EVERYTHING, None),
        (ALL_USES, (Use.UPDATE, Use.DELETE), "DELETE, UPDATE"),
        (ALL_USES, (Use.DELETE, Use.UPDATE), "DELETE, UPDATE"),
        (ALL_USES, EVERYTHING, "DELETE, INSERT, SELECT, UPDATE"),
    ],
)
def test_only_what_the_image_does_counts(use: set[Use], denied: tuple[Use, ...], verbs: str | None) -> None:
    """What is denied and what the image does have to meet; the verbs come in one order. TRUNCATE knows no rows."""
    found = list(denying_policies(contract(relation("t", use=use)), catalog(live("t", denied_by_policy=denied))))
    assert [verbs] * (verbs is not None) == [
        finding.message.removeprefix("row security of public.t has no policy that lets role app_role ").removesuffix(
            " any row"
        )
        for finding in found
    ]


@pytest.mark.parametrize(("use", "sqlstate"), [({Use.INSERT}, "42501"), (READ, None), (READ | {Use.INSERT}, None)])
def test_only_an_insert_gives_an_error(use: set[Use], sqlstate: str | None) -> None:
    """INSERT fails with 42501; the others find nothing and say nothing."""
    (found,) = denying_policies(contract(relation("t", use=use)), catalog(live("t", denied_by_policy=EVERYTHING)))
    assert sqlstate == found.sqlstate


def test_the_mend_of_an_insert_is_one_that_postgresql_takes() -> None:
    """A policy FOR INSERT takes WITH CHECK and refuses USING (documentation, "CREATE POLICY")."""
    wanted = contract(relation("t", use={Use.INSERT}))
    (found,) = denying_policies(wanted, catalog(live("t", denied_by_policy=(Use.INSERT,))))
    assert "FOR INSERT TO app_role WITH CHECK (…);" in found.help
    assert "USING" not in found.help


def test_the_role_is_quoted() -> None:
    """The mend can be pasted into psql whatever the role is called."""
    there = catalog(live("t", denied_by_policy=(Use.SELECT,)), about=database(role="App Role"))
    (found,) = denying_policies(contract(relation("t")), there)
    assert 'role "App Role" SELECT' in found.message
    assert ' TO "App Role" ' in found.help
