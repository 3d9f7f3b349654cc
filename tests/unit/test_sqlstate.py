import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model import Disposition, Phase
from sidecar.sqlstate import classify

INCOMPATIBLE = """
    42601 42602 42622 42702 42703 42704 42712 42725 42803 42804 42809 42846 42883 428C9 42P01 42P02 42P08 42P09 42P10
    42P17 42P18 42P19 42P21 42P22 3F000 22P02 22001 22003 22007 22008 0A000 55000 42501 0L000 0LP01 0P000
""".split()
RETRY = """
    08000 08001 08003 08004 08006 08007 57P01 57P02 57P03 57P05 53000 53100 53200 53300 53400 58000 58030 40001 40003
    40P01 55P03 55006 57014 25P03 25P04
""".split()
REFUSED = ["28P01", "28000", "3D000", "57P04", "F0000"]
AT_CONNECT = {
    "42704": Disposition.MISCONFIGURED,
    "42601": Disposition.MISCONFIGURED,
    "22023": Disposition.MISCONFIGURED,
    "55P02": Disposition.MISCONFIGURED,
    "42501": Disposition.REFUSED,
    "55000": Disposition.REFUSED,
}
UNDETERMINED = ["XX000", "XX001", "26000", "42P05", "25006", "08P01", "P0001", "23505", "ZZZZZ", "", "0"]
RETRIED_CLASSES = {"08", "40", "53", "57", "58"}


@pytest.mark.parametrize("sqlstate", INCOMPATIBLE)
def test_what_the_schema_is_to_blame_for_is_incompatible_at_a_probe(sqlstate: str) -> None:
    """A code that says something about the schema is a mismatch when a probe statement is judged."""
    assert Disposition.INCOMPATIBLE is classify(Phase.PROBE, sqlstate).disposition


@pytest.mark.parametrize("sqlstate", INCOMPATIBLE)
@pytest.mark.parametrize("phase", [Phase.TARGET, Phase.CONNECT, Phase.CATALOG])
def test_the_same_code_elsewhere_is_no_mismatch(sqlstate: str, phase: Phase) -> None:
    """Outside of the probe phase the same code says nothing about the schema."""
    assert Disposition.INCOMPATIBLE is not classify(phase, sqlstate).disposition


@pytest.mark.parametrize("sqlstate", RETRY)
@pytest.mark.parametrize("phase", Phase)
def test_what_passes_by_itself_is_retried_in_every_phase(sqlstate: str, phase: Phase) -> None:
    """An outage, a timeout, a lock or a full server is retried wherever it comes up."""
    assert Disposition.RETRY is classify(phase, sqlstate).disposition


@pytest.mark.parametrize("sqlstate", REFUSED)
@pytest.mark.parametrize("phase", Phase)
def test_what_refuses_this_client_is_refused_in_every_phase(sqlstate: str, phase: Phase) -> None:
    """A wrong password, role or database is a refusal wherever it comes up."""
    assert Disposition.REFUSED is classify(phase, sqlstate).disposition


@pytest.mark.parametrize(("sqlstate", "disposition"), AT_CONNECT.items())
def test_codes_that_mean_something_else_at_connect(sqlstate: str, disposition: Disposition) -> None:
    """While connecting, a schema's code blames a parameter or the role."""
    assert disposition is classify(Phase.CONNECT, sqlstate).disposition


@pytest.mark.parametrize("sqlstate", UNDETERMINED)
@pytest.mark.parametrize("phase", Phase)
def test_what_nobody_knows_is_undetermined(sqlstate: str, phase: Phase) -> None:
    """A pooler's mix-up, an internal error or an unknown code leads to no verdict."""
    assert Disposition.UNDETERMINED is classify(phase, sqlstate).disposition


@pytest.mark.parametrize("sqlstate", [f"{cls}Z99" for cls in sorted(RETRIED_CLASSES)])
def test_an_unknown_code_goes_by_its_class(sqlstate: str) -> None:
    """A code that no table names means what its class means."""
    assert Disposition.RETRY is classify(Phase.PROBE, sqlstate).disposition


@pytest.mark.parametrize(
    ("sqlstate", "function", "disposition"),
    [
        ("42704", "find_option", Disposition.UNDETERMINED),
        ("42704", "typenameType", Disposition.INCOMPATIBLE),
        ("0A000", "RevalidateCachedQuery", Disposition.RETRY),
        ("0A000", "transformInsertStmt", Disposition.INCOMPATIBLE),
        ("55000", "ExecOpenScanRelation", Disposition.RETRY),
        ("55000", "rewriteTargetView", Disposition.INCOMPATIBLE),
    ],
)
def test_the_servers_function_tells_apart_what_one_code_lumps_together(
    sqlstate: str, function: str, disposition: Disposition
) -> None:
    """Where a code means two things at a probe, the function that raised it decides."""
    assert disposition is classify(Phase.PROBE, sqlstate, function=function).disposition


@pytest.mark.parametrize(
    ("message", "disposition"),
    [
        ("server shutting down", Disposition.RETRY),
        ("query_wait_timeout", Disposition.RETRY),
        ("client_login_timeout (server down)", Disposition.RETRY),
        ("no more connections allowed (max_client_conn)", Disposition.RETRY),
        ("server login has been failing, cached error: connect failed (server_login_retry)", Disposition.RETRY),
        ("unsupported startup parameter: search_path", Disposition.MISCONFIGURED),
        ("no such user: nobody", Disposition.REFUSED),
        ("no such database: nowhere", Disposition.REFUSED),
        ("SSL required", Disposition.REFUSED),
        ("password authentication failed", Disposition.REFUSED),
        ("SASL auth failed", Disposition.REFUSED),
        ("invalid message format", Disposition.UNDETERMINED),
        ("", Disposition.UNDETERMINED),
    ],
)
@pytest.mark.parametrize("phase", [Phase.CONNECT, Phase.CATALOG, Phase.PROBE])
def test_a_poolers_own_words_decide(message: str, disposition: Disposition, phase: Phase) -> None:
    """PgBouncer's one code is told apart by its text, whatever the case of its letters."""
    assert disposition is classify(phase, "08P01", message=message).disposition
    assert disposition is classify(phase, "08P01", message=message.upper()).disposition


def test_nobody_elses_text_decides() -> None:
    """Messages are localised, so a text that looks like a pooler's changes nothing for another code."""
    assert Disposition.INCOMPATIBLE is classify(Phase.PROBE, "42P01", message="server shutting down").disposition


CODES = st.text(string.ascii_uppercase + string.digits, min_size=5, max_size=5)
ANY_CODE = CODES | st.sampled_from(INCOMPATIBLE + RETRY + REFUSED) | st.text(max_size=6)


@given(
    phase=st.sampled_from([Phase.TARGET, Phase.CONNECT, Phase.CATALOG]),
    sqlstate=ANY_CODE,
    function=st.sampled_from(["", "find_option", "RevalidateCachedQuery", "ExecOpenScanRelation"]),
    message=st.text(max_size=20),
)
def test_only_a_probe_can_be_incompatible(phase: Phase, sqlstate: str, function: str, message: str) -> None:
    """No code, known or not, is a mismatch outside of the probe phase."""
    meaning = classify(phase, sqlstate, function=function, message=message)
    assert Disposition.INCOMPATIBLE is not meaning.disposition
    assert meaning.reason


@given(
    cls=st.sampled_from(sorted(RETRIED_CLASSES | {"28", "XX", "25"})),
    rest=st.text(string.ascii_uppercase + string.digits, min_size=3, max_size=3),
    phase=st.sampled_from(Phase),
)
def test_no_outage_is_a_mismatch(cls: str, rest: str, phase: Phase) -> None:
    """A code of a class that tells of connections, resources or the server is never a mismatch."""
    assert Disposition.INCOMPATIBLE is not classify(phase, cls + rest).disposition
