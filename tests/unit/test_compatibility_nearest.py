import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.compatibility.nearest import CUTOFF, nearest, renamed


@pytest.mark.parametrize(
    ("name", "candidates", "expected"),
    [
        pytest.param("color", ("colour", "size"), "colour", id="a letter more"),
        pytest.param("userId", ("user_id", "id"), "user_id", id="another way of writing"),
        pytest.param("userId", ("USERID",), "USERID", id="another case"),
        pytest.param("color", ("Color", "colors"), "Color", id="case counts least"),
        pytest.param("color", ("size", "weight"), None, id="nothing alike"),
        pytest.param("color", (), None, id="nothing there"),
        pytest.param("", ("a", "b"), None, id="no name"),
        pytest.param("a", ("", " "), None, id="empty candidates"),
        pytest.param("größe", ("grösse", "x"), "grösse", id="letters beyond ASCII"),
    ],
)
def test_the_most_alike_name_is_guessed(name: str, candidates: tuple[str, ...], expected: str | None) -> None:
    """A guess is the live name that is most like the missing one, and there is none where nothing is like it."""
    assert expected == nearest(name, candidates)


def test_ties_go_to_the_first_in_order() -> None:
    """Of candidates that are equally alike, the first in order is guessed, as the function promises."""
    assert "abx" == nearest("ab", ("aby", "abx"))


def test_names_that_differ_in_case_alone_are_one_guess() -> None:
    """Two candidates that fold to the same letters are told apart by order, not by luck."""
    assert "Color" == nearest("colour", ("color", "Color")) == nearest("colour", ("Color", "color"))


@given(st.text(max_size=8), st.lists(st.text(max_size=8), max_size=6), st.randoms(use_true_random=False))
def test_a_guess_is_a_candidate_and_takes_no_notice_of_order(
    name: str, candidates: list[str], chance: random.Random
) -> None:
    """Whatever the names, a guess is one of the candidates, and the same in any order."""
    guess = nearest(name, candidates)
    assert guess is None or guess in candidates
    mixed = list(candidates)
    chance.shuffle(mixed)
    assert guess == nearest(name, mixed)


def test_the_cutoff_is_between_a_typing_mistake_and_another_word() -> None:
    """The bound is one that difflib takes."""
    assert 0.0 < CUTOFF < 1.0


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (None, '; renamed to "userID"?'),
        ("billing", '; renamed to billing."userID"?'),
        ("A b", '; renamed to "A b"."userID"?'),
    ],
)
def test_a_guess_ends_a_message_as_postgresql_would_write_it(schema: str | None, expected: str) -> None:
    """The guess is quoted where it has to be, with the schema in front where there is one."""
    assert expected == renamed("userId", ("userID",), schema)


def test_without_a_guess_a_message_ends_as_it_is() -> None:
    """Nothing is added where nothing is alike."""
    assert "" == renamed("color", ("weight",))
