from sidecar.compatibility.enums import changed_enums
from tests.unit.builders import catalog, contract, enum, live_enum

WANTED = contract(enums=(enum("mood", "sad", "it's"),))


def test_a_label_that_is_gone_is_found() -> None:
    """Each label that the image uses and the enum lacks is told, as a literal."""
    found = list(changed_enums(WANTED, catalog(enums={"mood": live_enum("mood", "happy")})))
    assert [("enum-label-missing", "22P02")] * 2 == [(finding.code, finding.sqlstate) for finding in found]
    assert ["public.mood.'sad'", "public.mood.'it''s'"] == [finding.object for finding in found]
    assert "enum public.mood has no label 'it''s'" == found[1].message
    assert found[1].help.startswith("ALTER TYPE public.mood ADD VALUE 'it''s';")


def test_an_enum_that_is_gone_is_found() -> None:
    """An enum that no name leads to is told as a missing type."""
    (found,) = changed_enums(contract(enums=(enum("Mood", "a"),)), catalog())
    assert ("type-missing", '"Mood"', "42704", 'type "Mood" does not exist') == (
        found.code,
        found.object,
        found.sqlstate,
        found.message,
    )


def test_a_type_that_is_no_enum_any_more_is_found() -> None:
    """A domain or composite under the enum's name is something else."""
    (found,) = changed_enums(WANTED, catalog(enums={"mood": live_enum("mood", kind="d")}))
    assert ("enum-replaced", "public.mood", "42804") == (found.code, found.object, found.sqlstate)
    assert "type public.mood is not an enum any more" == found.message


def test_further_labels_and_another_order_pass() -> None:
    """Labels that the image does not use, and their order, do not matter."""
    there = catalog(enums={"mood": live_enum("mood", "new", "it's", "sad")})
    assert [] == list(changed_enums(WANTED, there))


def test_labels_are_told_apart_by_case() -> None:
    """A label in another case is another label."""
    there = catalog(enums={"mood": live_enum("mood", "Sad", "it's")})
    assert ["public.mood.'sad'"] == [found.object for found in changed_enums(WANTED, there)]


def test_an_enum_in_a_missing_schema_is_told_with_the_schema() -> None:
    """Where the schema is gone, that is the finding."""
    assert [] == list(changed_enums(contract(enums=(enum("mood", "a", schema="gone"),)), catalog()))
    found = list(changed_enums(contract(enums=(enum("mood", "a", schema="there"),)), catalog(schemas={"there": True})))
    assert ["there.mood"] == [finding.object for finding in found]
