import pytest

from sidecar.compatibility.relations import BEHIND_OR_REMOVED
from sidecar.compatibility.sides import with_side
from sidecar.model import MigrationPosition, Side
from tests.unit import builders

OPEN = builders.finding(help=BEHIND_OR_REMOVED)
CLEAR = builders.finding(help="GRANT SELECT ON public.t TO app_role;")


@pytest.mark.parametrize(
    ("side", "help_"),
    [
        (Side.DATABASE_BEHIND, "Run the migrations: the database is behind this image."),
        (Side.DATABASE_AHEAD, "Roll the image forward: a newer migration changed it."),
    ],
)
def test_the_side_that_is_behind_decides_the_mend(side: Side, help_: str) -> None:
    """Where the mend was open, it is the one for the side that is behind; a clear mend stays."""
    open_, clear = with_side((OPEN, CLEAR), MigrationPosition(side=side))
    assert help_ == open_.help
    assert CLEAR == clear
    assert (OPEN.code, OPEN.object, OPEN.message, OPEN.severity) == (
        open_.code,
        open_.object,
        open_.message,
        open_.severity,
    )


@pytest.mark.parametrize("side", [Side.SAME, Side.DIVERGED, Side.UNKNOWN, None])
def test_where_nobody_is_behind_the_mend_stays_open(side: Side | None) -> None:
    """Sides that are level, apart or unknown, and a contract without migrations, tell nothing."""
    position = None if side is None else MigrationPosition(side=side)
    assert (OPEN, CLEAR) == with_side((OPEN, CLEAR), position)
