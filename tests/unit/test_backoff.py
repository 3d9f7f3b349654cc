import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.backoff import Backoff


@pytest.mark.parametrize(
    ("failures", "bound_s"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 10.0), (7, 10.0), (1000, 10.0)]
)
def test_bound_doubles_up_to_the_maximum(failures: int, bound_s: float) -> None:
    """The longest wait doubles with each failure and stops growing at the maximum."""
    assert bound_s == pytest.approx(Backoff(base_s=0.5, max_s=10.0).delay_s(failures, 1.0))


@pytest.mark.parametrize("failures", [1, 2, 5, 50])
def test_half_of_every_wait_is_fixed(failures: int) -> None:
    """Without luck a wait is half of its bound, so that waits grow visibly."""
    backoff = Backoff()
    assert backoff.delay_s(failures, 1.0) / 2 == backoff.delay_s(failures, 0.0)


@given(
    base_s=st.floats(0.001, 86_400),
    max_s=st.floats(0.001, 86_400),
    failures=st.integers(1, 10_000_000),
    jitter=st.floats(0, 1, exclude_max=True),
)
def test_wait_is_positive_and_bounded(base_s: float, max_s: float, failures: int, jitter: float) -> None:
    """Whatever the settings and however many the failures, a wait is more than nothing and at most the maximum."""
    assert 0 < Backoff(base_s=base_s, max_s=max_s).delay_s(failures, jitter) <= max_s


@given(failures=st.integers(1, 200), jitter=st.floats(0, 1, exclude_max=True))
def test_waits_never_shrink(failures: int, jitter: float) -> None:
    """With the same luck, one more failure never makes the wait shorter."""
    backoff = Backoff()
    assert backoff.delay_s(failures, jitter) <= backoff.delay_s(failures + 1, jitter)


def test_jitter_spreads_a_fleet() -> None:
    """Two draws give two waits, so that a fleet that booted together does not come back together."""
    assert Backoff().delay_s(3, 0.1) < Backoff().delay_s(3, 0.9)
