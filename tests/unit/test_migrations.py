"""Where the migrations stand: the answers of the server are made by hand; real ones are in the integration test."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.compatibility.migrations import TOOLS, head_of, position, rows_query, sentence, tool_of, unknown
from sidecar.model import ContractMigrations, MigrationPosition, Name, Side

OLD_AND_NEW = {
    # an older and a newer migration of the tool
    "drizzle": ("1780756851885", "1780756999000"),
    "prisma": ("20240101000000_init", "20240202000000_color"),
    "goose": ("9", "10"),
    "flyway": ("1.9", "1.10"),
    "schema_migrations": ("20240101000000", "20240202000000"),
    "rails": ("20240101000000", "20240202000000"),
    "dbmate": ("20240101000000", "20240202000000"),
    "golang-migrate": ("9", "10"),
}
DJANGO = {"billing": "0004_note", "shop": "0002_stock"}


def contract(tool: str, head: str | dict[str, str], count: int | None = None) -> ContractMigrations:
    return ContractMigrations(tool=tool, table=TOOLS[tool].table, head=head_of(tool, head), count=count)


def standing(**changes: Any) -> dict[str, Any]:
    """Nothing is applied."""
    return {
        "app": "",
        "applied": 0,
        "newer": 0,
        "has_head": False,
        "has_baseline": False,
        "is_baseline_newer": False,
        "newest": None,
        "unfinished": [],
        "unfinished_count": 0,
    } | changes


def stand(migrations: ContractMigrations, *standings: dict[str, Any]) -> MigrationPosition:
    return position(migrations, json.dumps(standings))


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_brings_its_table(tool: str) -> None:
    assert (tool, TOOLS[tool].table) == tool_of(tool, None)
    assert (tool, Name("ops", "applied")) == tool_of(tool, Name("ops", "applied"))


@pytest.mark.parametrize(
    ("table", "tool"),
    [
        (Name("drizzle", "__drizzle_migrations"), "drizzle"),
        (Name(None, "__drizzle_migrations"), "drizzle"),
        (Name("app", "_prisma_migrations"), "prisma"),
        (Name(None, "alembic_version"), "alembic"),
        (Name("public", "django_migrations"), "django"),
        (Name(None, "goose_db_version"), "goose"),
        (Name(None, "flyway_schema_history"), "flyway"),
        (Name(None, "schema_migrations"), "schema_migrations"),
    ],
)
def test_a_table_tells_its_tool(table: Name, tool: str) -> None:
    assert (tool, table) == tool_of(None, table)


@pytest.mark.parametrize(
    ("tool", "table", "message"),
    [
        (
            "drizle",
            None,
            "'drizle' is no migration tool known here: did you mean drizzle?; the tool is one of drizzle,",
        ),
        ("Flyway", None, "did you mean flyway?"),
        ("golang_migrate", None, "did you mean golang-migrate?"),
        ("liquibase", None, "'liquibase' is no migration tool known here; the tool is one of drizzle, prisma,"),
        (None, Name("ops", "applied"), "keeps its migrations in a table ops.applied: name the tool;"),
        (None, None, "neither tool nor table says what keeps the migrations; the tool is one of"),
    ],
)
def test_an_unknown_tool_or_table_is_refused_with_the_known_ones(
    tool: str | None, table: Name | None, message: str
) -> None:
    with pytest.raises(ValueError) as raised:
        tool_of(tool, table)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("tool", "head", "normal"),
    [
        ("drizzle", "1780756851885", {"": "1780756851885"}),
        ("drizzle", {"created_at": "1780756851885"}, {"": "1780756851885"}),
        ("prisma", {"migration_name": "20240101000000_init"}, {"": "20240101000000_init"}),
        ("prisma", " it's \\ odd ", {"": "it's \\ odd"}),
        ("alembic", "ae1027a6acf", {"": "ae1027a6acf"}),
        ("alembic", "ae1027a6acf,27c6a30d7c24 ae1027a6acf", {"": "27c6a30d7c24, ae1027a6acf"}),
        ("django", DJANGO, DJANGO),
        ("goose", {"version_id": "10"}, {"": "10"}),
        ("flyway", "1_10", {"": "1_10"}),
        ("rails", "20240101000000", {"": "20240101000000"}),
        ("dbmate", {"version": "001"}, {"": "001"}),
        ("golang-migrate", "12", {"": "12"}),
    ],
)
def test_a_head_is_normalised(tool: str, head: str | dict[str, str], normal: dict[str, str]) -> None:
    assert normal == head_of(tool, head)


@pytest.mark.parametrize(
    ("tool", "head", "message"),
    [
        (
            "drizzle",
            "0227_natural_mentor",
            "'0227_natural_mentor' is no head of drizzle; give created_at of the newest",
        ),
        ("drizzle", {"created": "1"}, "drizzle has one head: write it alone or as created_at, not created;"),
        ("drizzle", {"created_at": "1", "id": "2"}, "not created_at, id;"),
        ("drizzle", {}, "not nothing;"),
        ("drizzle", "-1", "is no head of drizzle"),
        ("drizzle", "١٢", "is no head of drizzle"),
        ("prisma", "  ", "'  ' is no head of prisma; give the directory of the newest migration"),
        ("prisma", "a\x00b", "is no head of prisma"),
        ("alembic", ", ", "is no head of alembic"),
        ("django", "0004_note", "django's head is by application: a mapping"),
        ("django", {}, "django's head is by application: a mapping"),
        ("django", {"": "0004_note"}, "an application of django has no name"),
        ("django", {"billing": ""}, "'' is no head of django"),
        ("goose", "v10", "is no head of goose; give the newest version, a number"),
        ("flyway", "V1.10", "is no head of flyway; give the newest version, such as 1.10 for V1.10__add_color.sql"),
        ("flyway", "1..2", "is no head of flyway"),
        ("flyway", "1" * 51, "is no head of flyway"),
        ("golang-migrate", "1.0", "is no head of golang-migrate"),
        ("rails", "", "'' is no head of rails"),
    ],
)
def test_a_head_that_the_tool_cannot_have_is_refused(tool: str, head: str | dict[str, str], message: str) -> None:
    with pytest.raises(ValueError) as raised:
        head_of(tool, head)
    assert message in str(raised.value)


@pytest.mark.parametrize("tool", TOOLS)
def test_the_query_quotes_what_comes_from_the_contract(tool: str) -> None:
    """Names and heads stand between quotes, and nothing is left to fill in."""
    adapter = TOOLS[tool]
    head = {"o'\"{0}": "it's \\{rows}"} if adapter.by_application else {"": "it's \\{rows}"}
    query = rows_query(ContractMigrations(tool=tool, table=Name('o"dd', "{table}%s"), head=head))
    assert '"o""dd"."{table}%s"' in query
    assert " E'it''s \\\\{rows}'" in query
    assert query.startswith("SELECT") and ";" not in query and "$1" not in query


def test_the_query_leaves_an_unqualified_table_to_the_search_path() -> None:
    assert 'FROM "flyway_schema_history"\n' in rows_query(contract("flyway", "1"))


@pytest.mark.parametrize(("tool", "heads"), OLD_AND_NEW.items())
class TestEveryOrderedTool:
    def test_newer_migrations_put_the_database_ahead(self, tool: str, heads: tuple[str, str]) -> None:
        old, new = heads
        found = stand(contract(tool, old), standing(applied=7, newer=2, has_head=True, newest=new))
        assert MigrationPosition(side=Side.DATABASE_AHEAD, count=2, image_head=old, database_head=new) == found
        assert (
            f"the database is 2 migrations ahead of this image ({new} is newer than {old}): roll the image forward"
            == sentence(found)
        )

    def test_a_missing_head_puts_the_database_behind(self, tool: str, heads: tuple[str, str]) -> None:
        old, new = heads
        found = stand(contract(tool, new, count=10), standing(applied=7, newest=old))
        assert MigrationPosition(side=Side.DATABASE_BEHIND, count=3, image_head=new, database_head=old) == found
        assert (
            f"the database is 3 migrations behind this image ({old} is older than {new}): run the migrations"
            == sentence(found)
        )

    def test_without_a_count_how_far_behind_is_not_told(self, tool: str, heads: tuple[str, str]) -> None:
        old, new = heads
        found = stand(contract(tool, new), standing(applied=7, newest=old))
        assert (Side.DATABASE_BEHIND, None) == (found.side, found.count)
        assert (
            f"the database is behind this image ({old} is older than {new}): run the migrations"
            == sentence(found)
        )  # fmt: skip

    def test_the_same_head_blames_the_schema_or_the_contract(self, tool: str, heads: tuple[str, str]) -> None:
        old, _ = heads
        found = stand(contract(tool, old, count=7), standing(applied=7, has_head=True, newest=old))
        assert MigrationPosition(side=Side.SAME, count=0, image_head=old, database_head=old) == found
        assert (
            "image and database are at the same migration: the schema was changed by hand,"
            " or the contract does not match the image" == sentence(found)
        )

    def test_newer_ones_without_the_head_are_a_divergence(self, tool: str, heads: tuple[str, str]) -> None:
        old, new = heads
        found = stand(contract(tool, old, count=3), standing(applied=7, newer=1, newest=new))
        assert MigrationPosition(side=Side.DIVERGED, image_head=old, database_head=new) == found
        assert sentence(found).startswith(f"image and database have diverged: {new} is applied, which is newer")

    def test_an_empty_table_puts_the_database_behind_by_all(self, tool: str, heads: tuple[str, str]) -> None:
        old, _ = heads
        found = stand(contract(tool, old, count=1), standing())
        assert MigrationPosition(side=Side.DATABASE_BEHIND, count=1, image_head=old) == found
        assert (
            f"the database is 1 migration behind this image (nothing up to {old} is applied): run the migrations"
            == sentence(found)
        )
        assert stand(contract(tool, old), standing()).count is None


@pytest.mark.parametrize(
    ("tool", "mark"),
    [
        ("prisma", "prisma has it unfinished: it failed or is still running"),
        ("flyway", "flyway marks it failed"),
        ("golang-migrate", "it is marked dirty: it failed or is still running"),
    ],
)
def test_a_migration_that_did_not_finish_is_told(tool: str, mark: str) -> None:
    old, new = OLD_AND_NEW[tool]
    found = stand(
        contract(tool, old), standing(applied=7, has_head=True, newest=old, unfinished=[new], unfinished_count=1)
    )
    assert (Side.SAME, f"migration {new} did not finish: {mark}") == (found.side, found.detail)
    assert f"image and database are at the same migration; {found.detail}" == sentence(found)


def test_many_that_did_not_finish_are_counted() -> None:
    found = stand(contract("prisma", "c"), standing(unfinished=["a", "b", "c\n"], unfinished_count=5))
    assert Side.DATABASE_BEHIND is found.side
    assert found.detail.startswith("migrations a, b, c and 2 more did not finish: ")
    assert sentence(found).endswith(f"(nothing up to c is applied): run the migrations; {found.detail}")


@pytest.mark.parametrize(
    ("changes", "side", "count"),
    [
        ({"newer": 1, "is_baseline_newer": True, "has_head": True}, Side.DATABASE_AHEAD, None),
        ({"newer": 1, "has_head": True}, Side.DATABASE_AHEAD, 1),
        ({}, Side.DATABASE_BEHIND, None),
        ({"has_head": True}, Side.SAME, 0),
    ],
)
@pytest.mark.parametrize("tool", ["golang-migrate", "flyway"])
def test_where_one_row_stands_for_many_nothing_is_counted(
    tool: str, changes: dict[str, Any], side: Side, count: int | None
) -> None:
    found = stand(contract(tool, "9", count=9), standing(applied=1, has_baseline=True, newest="7") | changes)
    assert (side, count, "") == (found.side, found.count, found.detail)


def test_migrations_that_were_passed_over_are_told() -> None:
    """Drizzle never applies one that is older than the newest applied."""
    migrations = contract("drizzle", "1780756851885", count=9)
    same = stand(migrations, standing(applied=7, has_head=True, newest="1780756851885"))
    ahead = stand(migrations, standing(applied=8, newer=1, has_head=True, newest="1780756999000"))
    assert (Side.SAME, 0) == (same.side, same.count)
    assert (Side.DATABASE_AHEAD, 1) == (ahead.side, ahead.count)
    assert "of the 9 migrations that the contract counts, the database lacks 2" == same.detail == ahead.detail


def test_more_applied_than_the_contract_counts_says_nothing() -> None:
    """Old migrations are often deleted from the image and never from the table."""
    behind = stand(contract("rails", "9", count=3), standing(applied=7, newest="8"))
    same = stand(contract("rails", "8", count=3), standing(applied=7, has_head=True, newest="8"))
    assert (Side.DATABASE_BEHIND, None, "") == (behind.side, behind.count, behind.detail)
    assert (Side.SAME, 0, "") == (same.side, same.count, same.detail)


class TestDjango:
    migrations = contract("django", DJANGO, count=6)
    billing = standing(app="billing", applied=4, has_head=True, newest="0004_note")
    shop = standing(app="shop", applied=2, has_head=True, newest="0002_stock")
    newer_billing = billing | {"applied": 5, "newer": 1, "newest": "0005_tax"}
    older_shop = shop | {"applied": 1, "has_head": False, "newest": "0001_initial"}

    def test_the_same_heads(self) -> None:
        heads = "billing.0004_note, shop.0002_stock"
        assert MigrationPosition(side=Side.SAME, count=0, image_head=heads, database_head=heads) == stand(
            self.migrations, self.shop, self.billing
        )

    def test_ahead_by_what_any_application_has_beyond_its_head(self) -> None:
        found = stand(self.migrations, self.newer_billing, self.shop)
        assert (
            "the database is 1 migration ahead of this image (billing.0005_tax is newer than billing.0004_note):"
            " roll the image forward" == sentence(found)
        )
        both = stand(
            self.migrations, self.newer_billing, self.shop | {"applied": 4, "newer": 2, "newest": "0004_price"}
        )
        assert (Side.DATABASE_AHEAD, 3) == (both.side, both.count)
        assert "2 applications are apart: billing, shop" == both.detail

    def test_behind_by_what_is_missing_over_all(self) -> None:
        found = stand(self.migrations, self.billing, self.older_shop)
        assert (
            "the database is 1 migration behind this image (shop.0001_initial is older than shop.0002_stock):"
            " run the migrations" == sentence(found)
        )

    def test_an_application_without_any_is_behind(self) -> None:
        found = stand(self.migrations, self.billing, standing(app="shop"))
        assert (Side.DATABASE_BEHIND, 2, "") == (found.side, found.count, found.database_head)

    def test_one_ahead_and_one_behind_is_a_divergence(self) -> None:
        found = stand(self.migrations, self.newer_billing, self.older_shop)
        assert (
            MigrationPosition(
                side=Side.DIVERGED,
                image_head="shop.0002_stock",
                database_head="billing.0005_tax",
                detail="2 applications are apart: billing, shop",
            )
            == found
        )

    def test_an_answer_about_other_applications_is_none(self) -> None:
        assert Side.UNKNOWN is stand(self.migrations, self.billing).side

    def test_of_many_heads_a_few_are_shown(self) -> None:
        migrations = contract("django", dict.fromkeys("abcde", "0001_initial"))
        assert "a.0001_initial, b.0001_initial, c.0001_initial and 2 more" == unknown("why", migrations).image_head


class TestAlembic:
    def test_the_same_revision(self) -> None:
        found = stand(contract("alembic", "ae10"), standing(applied=1, has_head=True, newest="ae10"))
        assert MigrationPosition(side=Side.SAME, count=0, image_head="ae10", database_head="ae10") == found

    def test_another_revision_has_no_order(self) -> None:
        found = stand(contract("alembic", "ae10", count=9), standing(applied=1, newer=1, newest="27c6, b1"))
        assert (Side.UNKNOWN, None, "ae10", "27c6, b1") == (
            found.side,
            found.count,
            found.image_head,
            found.database_head,
        )
        assert (
            "which side is behind cannot be told: alembic's revisions have no order: the database is at 27c6, b1, this"
            " image was built with ae10; if the image's own migrations do not know 27c6, b1, the database is ahead"
            == sentence(found)
        )

    def test_an_empty_table_is_behind(self) -> None:
        found = stand(contract("alembic", "ae10", count=9), standing())
        assert MigrationPosition(side=Side.DATABASE_BEHIND, count=9, image_head="ae10") == found


@pytest.mark.parametrize(
    "document",
    [
        "",
        "null",
        "[",
        "[]",
        "{}",
        "[[]]",
        '[{"app": ""}]',
        json.dumps([standing(applied=-1)]),
        json.dumps([standing(newest=1)]),
        json.dumps([standing(app="other")]),
        json.dumps([standing(applied=10**400)]),
        "[" * 100_000,
        '[{"x":' + "[" * 100_000,
        "\ud800",
    ],
)
def test_an_answer_that_cannot_be_read_is_told_as_unknown(document: str) -> None:
    found = position(contract("drizzle", "1"), document)
    assert MigrationPosition(
        side=Side.UNKNOWN,
        image_head="1",
        detail="the answer about drizzle.__drizzle_migrations cannot be read",
    ) == found  # fmt: skip


def test_what_is_unknown_says_why() -> None:
    found = unknown("permission denied for table alembic_version", contract("alembic", "ae10"))
    assert "ae10" == found.image_head
    assert "which side is behind cannot be told: permission denied for table alembic_version" == sentence(found)


COUNTS = st.integers(0, 3) | st.integers()
STANDINGS = st.fixed_dictionaries(
    {
        "app": st.sampled_from(["", "billing", "shop", "other"]),
        "applied": COUNTS,
        "newer": COUNTS,
        "has_head": st.booleans(),
        "has_baseline": st.booleans(),
        "is_baseline_newer": st.booleans(),
        "newest": st.none() | st.text(),
        "unfinished": st.lists(st.text(), max_size=5),
        "unfinished_count": COUNTS,
    }
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(
    st.sampled_from(sorted(TOOLS)),
    st.none() | st.integers(0, 5),
    (st.lists(STANDINGS, max_size=3) | JSON).map(json.dumps) | st.text(st.characters()),
)
def test_no_answer_makes_it_raise(tool: str, count: int | None, document: str) -> None:
    """Whatever the database says, there is a position, and one line for it."""
    migrations = contract(tool, DJANGO if tool == "django" else "7", count)
    found = position(migrations, document)
    assert found.count is None or found.count >= 0
    assert "\n" not in sentence(found) and sentence(found)
