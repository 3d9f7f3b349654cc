"""YAML text → plain values, with every scalar as the text that was written, and the lines that things stand in.

Read from the parser's events, not from its nodes: composing those recurses in C, and a file of brackets would take
the process down. Bounded in depth and, as aliases multiply, in the number of values.
"""

import contextlib
from typing import Any

import yaml

from sidecar.contract.errors import Problem

MAX_DEPTH = 16
"""The format needs six levels; a deeper document is something else."""
MAX_NODES = 1_000_000
"""A contract of 21,000 columns has about 50,000 values; aliases could make billions out of a few lines."""

Place = tuple[str | int, ...]
"""Where in a document: keys and list indexes from the top down."""

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = ("", "~", "null", "Null", "NULL")
"""What a plain value of a mapping may say for nothing (YAML 1.2, core schema). Keys and list items stay text."""


def dotted(place: Place) -> str:
    """Return the place as text: ``relations.workflow.use[0]``."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


class _Frame:
    """A mapping or sequence that is being filled."""

    def __init__(self, value: dict[str, Any] | list[Any], anchor: str | None, count: int) -> None:
        self.value = value
        self.anchor = anchor
        self.count_before = count
        self.key: str | int | None = None if isinstance(value, dict) else 0

    def add(self, value: Any) -> None:
        if isinstance(self.value, list):
            self.value.append(value)
            self.key = len(self.value)
        else:
            assert isinstance(self.key, str), "a mapping's value follows its key"
            self.value[self.key] = value
            self.key = None


class YamlBuilder:
    """Builds plain values from the parser's events.

    Attributes:
        problems: what is wrong with the document, each with its place and line.
        lines: the 1-based line of each place, if asked for.
    """

    def __init__(self, *, with_lines: bool = False) -> None:
        self.problems: list[Problem] = []
        self.lines: dict[str, int] = {}
        self._with_lines = with_lines
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._count = 0
        self._root: Any = None
        self._goes_on = True

    def build(self, text: str) -> Any:
        """Return the document's value; what is wrong with it is in ``problems`` afterwards.

        Raises:
            yaml.YAMLError: the text is not YAML.
        """
        documents = 0
        for event in yaml.parse(text, LOADER):
            documents += isinstance(event, yaml.DocumentStartEvent)
            if documents > 1:
                self._problem("there is more than one document; a contract is one", event)
            elif isinstance(event, yaml.NodeEvent):
                self._take(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                frame = self._stack.pop()
                self._finish(frame.value, frame.anchor, self._count - frame.count_before + 1)
            if self._count > MAX_NODES:
                self._problem("the document has too many values (aliases?)", event)
            if len(self._stack) > MAX_DEPTH:
                self._problem("the document is nested too deeply", event)
            if not self._goes_on:
                break
        return self._root

    def _take(self, event: yaml.NodeEvent) -> None:
        self._count += 1
        frame = self._stack[-1] if self._stack else None
        if frame is not None and frame.key is None:
            self._take_key(frame, event)
            return
        if self._with_lines:
            self.lines.setdefault(dotted(self._place()), _line(event))
        if isinstance(event, yaml.ScalarEvent):
            is_plain = not event.style
            in_mapping = frame is not None and isinstance(frame.value, dict)
            is_null = is_plain and event.value in (_NULLS if in_mapping else ("",))
            self._finish(None if is_null else event.value, event.anchor, 1)
        elif isinstance(event, yaml.AliasEvent):
            anchor = str(event.anchor)
            if anchor not in self._anchors:
                self._problem(f"the alias *{anchor} stands for nothing, or for what it is in", event)
            value, count = self._anchors.get(anchor, (None, 1))
            self._count += count
            self._finish(value, None, count)
        else:
            value = {} if isinstance(event, yaml.MappingStartEvent) else []
            self._stack.append(_Frame(value, event.anchor, self._count))

    def _take_key(self, frame: _Frame, event: yaml.NodeEvent) -> None:
        if not isinstance(event, yaml.ScalarEvent):
            self._problem("a key must be plain text", event)
            return
        frame.key = event.value
        if self._with_lines:
            self.lines.setdefault(dotted(self._place()), _line(event))
        if event.value in frame.value:
            self._problem("this key stands there twice", event, goes_on=True)

    def _finish(self, value: Any, anchor: str | None, count: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = (value, count)
        if self._stack:
            self._stack[-1].add(value)
        else:
            self._root = value

    def _place(self) -> Place:
        return tuple(frame.key for frame in self._stack if frame.key is not None)

    def _problem(self, message: str, event: yaml.Event, *, goes_on: bool = False) -> None:
        self._goes_on = self._goes_on and goes_on
        line = _line(event)
        self.problems.append(Problem(place=dotted(self._place()), message=message, line=line))


class Lines:
    """Finds the line of a place, reading the document once more: only ever asked when something is wrong."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines: dict[str, int] | None = None

    def of(self, place: str) -> int | None:
        """Return the 1-based line, or None where the place is not in the document."""
        if self._lines is None:
            builder = YamlBuilder(with_lines=True)
            with contextlib.suppress(yaml.YAMLError):
                builder.build(self._text)
            self._lines = builder.lines
        return self._lines.get(place)
