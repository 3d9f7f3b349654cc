"""What is wrong with a contract document, and where."""

import msgspec


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with a document."""

    place: str
    """Where: a path such as ``relations.workflow.columns.id``, empty for the document as a whole."""
    message: str
    line: int | None = None
    """1-based line in the file, where known."""

    def __str__(self) -> str:
        """Return the problem in one line, its place first."""
        where = f"line {self.line}" if self.line else ""
        return ": ".join(part for part in (where, self.place, self.message) if part)


class ContractError(Exception):
    """A contract that cannot be used. Carries every problem found, not the first one.

    Attributes:
        path: the file, as it was given.
        problems: what is wrong, in the order of the document.
    """

    def __init__(self, path: str, problems: tuple[Problem, ...]) -> None:
        """Remember the file and its problems."""
        self.path = path
        self.problems = problems
        super().__init__("; ".join(self.lines))

    @property
    def lines(self) -> tuple[str, ...]:
        """The problems, a line each, with the file in front."""
        return tuple(f"{self.path}: {problem}" for problem in self.problems)
