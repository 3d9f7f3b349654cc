from collections.abc import Callable, Iterable
from typing import Any

import pytest

from sidecar.compatibility.relations import missing_schemas
from sidecar.compatibility.text_objects import missing_collations, missing_configurations
from sidecar.model import Catalog, Contract, Finding, Name, Severity
from tests.unit.builders import catalog, contract

Rule = Callable[[Contract, Catalog], Iterable[Finding]]
KINDS = pytest.mark.parametrize(
    ("rule", "key", "code", "words"),
    [
        (missing_collations, "collations", "collation-missing", "collation"),
        (
            missing_configurations,
            "text_search_configurations",
            "text-search-configuration-missing",
            "text search configuration",
        ),
    ],
    ids=["collation", "text search configuration"],
)


def named(key: str, *names: Name) -> Contract:
    things: dict[str, Any] = {key: names}
    return contract(**things)


def having(key: str, *names: str, **rest: Any) -> Catalog:
    things: dict[str, Any] = {key: names, **rest}
    return catalog(**things)


@KINDS
def test_what_is_gone_is_found(rule: Rule, key: str, code: str, words: str) -> None:
    """A name that leads nowhere is an error, shown as PostgreSQL writes it."""
    (found,) = rule(named(key, Name(None, "de-DE")), catalog())
    assert (code, '"de-DE"', "42704", Severity.ERROR) == (found.code, found.object, found.sqlstate, found.severity)
    assert f'{words} "de-DE" does not exist' == found.message


@KINDS
def test_what_is_there_passes(rule: Rule, key: str, code: str, words: str) -> None:
    """Names are compared as the contract writes them, with their schema."""
    there = having(key, '"de-DE"', "intl.german", schemas={"intl": True})
    assert [] == list(rule(named(key, Name(None, "de-DE"), Name("intl", "german")), there))
    assert ["german"] == [found.object for found in rule(named(key, Name(None, "german")), there)]


@KINDS
def test_a_missing_schema_is_told_once(rule: Rule, key: str, code: str, words: str) -> None:
    """Where the schema is gone, that is the finding."""
    wanted = named(key, Name("gone", "a"), Name("gone", "b"))
    assert [] == list(rule(wanted, catalog()))
    (found,) = missing_schemas(wanted, catalog())
    assert "the image uses a, b in it" in found.message
