import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.contract.comparison import compare_contracts
from sidecar.contract.rendering import render_comparison, render_contract
from sidecar.identifiers import printable
from sidecar.model import (
    Acceptance,
    Contract,
    ContractMigrations,
    ContractQuery,
    ContractSource,
    ForeignKey,
    KnownConstraints,
    Name,
    SessionNeeds,
    Use,
)
from tests.unit import builders
from tests.unit.test_compatibility_registry import contracts

BOTH = builders.READ | builders.WRITE
FULL = builders.contract(
    builders.relation(
        "workflow",
        builders.column("id", "uuid", use=BOTH, nullable=False),
        builders.column("userId", "text", "varchar(20)", use=BOTH, nullable=True),
        builders.column("seen", use=builders.READ),
        use=BOTH | {Use.DELETE},
        upserts=(("id",),),
        constraints=KnownConstraints(
            unique=("u", ("a", "b")),
            foreign_keys=(ForeignKey(columns=("userId",), references=Name(None, "user")),),
            checks=("positive",),
            exclusions=("apart",),
            triggers=("stamp",),
        ),
        indexes=("i", ("id", "seen")),
    ),
    builders.relation("bare", schema="Billing", constraints=KnownConstraints()),
    source=ContractSource(kind="drizzle", migration="0227"),
    search_path=("app", "public"),
    enums=(builders.enum("mood", "sad", "it's"),),
    functions=(builders.function("f", "integer"), msgspec.structs.replace(
        builders.function("g"), result=builders.column("x", "text").types[0], returns_set=True)),
    extensions=("vector",),
    sequences=(Name(None, "s"),),
    collations=(Name(None, "de"),),
    text_search_configurations=(Name(None, "german"),),
    queries=(ContractQuery(name="newest", sql="SELECT *\n  FROM workflow", parameters=0, run=True),),
    session=SessionNeeds(temporary_tables=True, statement_timeout_s=2.5),
    migrations=ContractMigrations(tool="alembic", table=Name(None, "alembic_version"), head={"": "abc"}, count=3),
    acceptances=(Acceptance(code="column-nullable", object="public.t.c", reason="never NULL there"),),
)  # fmt: skip


def test_a_contract_is_shown_whole() -> None:
    """Everything that a contract asks stands in the table, in this form."""
    lines = [line.rstrip() for line in f"""\
contract     app
digest       sha256:{"0" * 64}
source       drizzle 0227
types        widening
search_path  app, public

2 relations, 3 columns

workflow  select, insert, update, delete
  id        uuid                           not null
  "userId"  text or character varying(20)  null
  seen      any type                                 select
  on conflict   (id) do update
  unique        u, (a, b)
  foreign keys  ("userId") → "user"
  checks        positive
  exclusions    apart
  triggers      stamp
  indexes       i, (id, seen)

"Billing".bare  select
  constraints  none but the primary key

enums
  mood  'sad', 'it''s'

functions
  f(integer)
  g()         returns setof text

extensions
  vector

sequences
  s

collations
  de

text search configurations
  german

queries
  newest  run  SELECT * FROM workflow

session
  temporary tables   made
  statement_timeout  off, or at least 2.5 s

migrations
  tool   alembic
  table  alembic_version
  head   abc
  count  3

accepted findings
  column-nullable  public.t.c  never NULL there
""".splitlines()]  # fmt: skip
    assert lines == render_contract(FULL).splitlines()


@settings(max_examples=60)
@given(contracts(), st.integers(0, 200), st.randoms(use_true_random=False))
def test_lines_fit_the_terminal(contract: Contract, width: int, chance: random.Random) -> None:
    """No line is wider than the terminal, within 80 and 120; the order of the relations does not matter."""
    shown = render_contract(contract, width)
    assert all(len(line) <= min(max(width, 80), 120) and line == line.rstrip() for line in shown.splitlines())
    relations = list(contract.relations)
    chance.shuffle(relations)
    assert shown == render_contract(msgspec.structs.replace(contract, relations=tuple(relations)), width)


def test_long_cells_are_wrapped_and_lose_nothing() -> None:
    """A long list of labels goes over several lines, in its own column."""
    labels = [f"label{number}" for number in range(60)]
    shown = render_contract(builders.contract(enums=(builders.enum("mood", *labels),)), 80)
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert all(f"'{label}'" in shown for label in labels)


@pytest.mark.parametrize(
    ("text", "shown"), [("plain ä", "plain ä"), ("a\nb", "a\\nb"), ("\x1b[31m", "\\x1b[31m"), ("\u202e", "\\u202e")]
)
def test_nothing_reaches_the_terminal_that_it_would_obey(text: str, shown: str) -> None:
    """Names are anybody's: control characters are written out."""
    assert shown == printable(text)


@pytest.mark.parametrize(
    ("strict", "first"),
    [
        (False, "a database that fits old may not fit new: 1 demand beyond it"),
        (True, "a database that fits old may not fit new: 2 demands beyond it"),
    ],
)
def test_a_comparison_is_told_in_lines(strict: bool, first: str) -> None:
    """First the verdict, then both lists."""
    old = builders.contract(builders.relation("t", builders.column("a", "text")), extensions=("gone",))
    new = builders.contract(
        builders.relation("t", builders.column("a", "text", nullable=False), builders.column("b", "integer"))
    )
    assert [
        first,
        "",
        "new demands",
        "  + t.b: the column of type integer",
        "  + t.a: the column is NOT NULL (warning)",
        "",
        "new no longer needs",
        "  - gone: the extension",
    ] == render_comparison(compare_contracts(old, new), ("old", "new"), strict=strict).splitlines()


def test_equal_contracts_are_told_in_one_line() -> None:
    """Nothing to list is nothing listed."""
    assert "a database that fits a fits b\n" == render_comparison(compare_contracts(FULL, FULL), ("a", "b"))
