import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar import cli

OLD = """\
contract: 1
name: app
relations:
  workflow:
    use: [select]
    columns: {id: uuid, color: text}
"""
NEW = OLD.replace("color: text", "name: text")
WARNS = OLD.replace("id: uuid", "id: {type: uuid, nullable: false}")
BROKEN = OLD.replace("id: uuid", 'id: "no type("').replace("[select]", "[select, fly]")


@pytest.fixture
def file(tmp_path: Path) -> "Files":
    return Files(tmp_path)


class Files:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)


def test_validate_tells_what_it_read(file: Files, capsys: pytest.CaptureFixture[str]) -> None:
    """A valid contract gives a line with its name, sizes and digest, and success."""
    old, new = file("old.yaml", OLD), file("new.yaml", NEW)
    assert 0 == cli.main(["contract", "validate", old, new])
    out, err = capsys.readouterr()
    assert "" == err
    first, second = out.splitlines()
    assert first.startswith(f"{old}: valid: app (relations: 1, columns: 2) sha256:")
    assert second.startswith(f"{new}: valid: app")


def test_validate_tells_every_problem(file: Files, capsys: pytest.CaptureFixture[str]) -> None:
    """A contract that cannot be used: exit code 2, a line for each problem; the others are told all the same."""
    good, bad = file("good.yaml", OLD), file("bad.yaml", OLD.replace("uuid", '"no type("'))
    missing = str(file.folder / "missing.yaml")
    assert 2 == cli.main(["contract", "validate", bad, missing, good])
    out, err = capsys.readouterr()
    assert out.startswith(f"{good}: valid")
    first, second = err.splitlines()
    assert first.startswith(f"{bad}: line 6: relations.workflow.columns.id")
    assert f"{missing}: there is no such file" == second


@pytest.mark.parametrize(
    "words", [["validate", "{bad}"], ["show", "{bad}"], ["diff", "{bad}", "{good}"], ["diff", "{good}", "{bad}"]]
)
def test_a_contract_that_cannot_be_read_is_no_difference(
    words: list[str], file: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 with the place and its line, and nothing on stdout."""
    paths = {"good": file("good.yaml", OLD), "bad": file("bad.yaml", BROKEN)}
    assert 2 == cli.main(["contract", *(word.format(**paths) for word in words)])
    out, err = capsys.readouterr()
    assert "" == out
    assert err.startswith(f"{paths['bad']}: line ")


def test_show_prints_a_table(file: Files, capsys: pytest.CaptureFixture[str]) -> None:
    """The contract as a table, within the terminal's width."""
    assert 0 == cli.main(["contract", "show", file("old.yaml", OLD)])
    out, err = capsys.readouterr()
    assert "" == err
    assert "\nworkflow  select\n  id     uuid\n  color  text\n" in out
    assert all(len(line) <= 120 for line in out.splitlines())


@pytest.mark.parametrize(
    ("documents", "flags", "code"),
    [
        ((OLD, OLD), [], 0),
        ((OLD, NEW), [], 1),
        ((NEW, OLD.replace(", color: text", "")), [], 0),
        ((OLD, WARNS), [], 0),
        ((OLD, WARNS), ["--strict"], 1),
        ((WARNS, OLD), ["--strict"], 0),
    ],
    ids=["same", "column", "fewer", "warning", "strict", "fewer-strict"],
)
def test_diff_says_by_its_exit_code_whether_a_database_may_not_fit(
    documents: tuple[str, str], flags: list[str], code: int, file: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 where a database that fits the first may not fit the second, in both forms of output."""
    paths = [file("a.yaml", documents[0]), file("b.yaml", documents[1])]
    assert code == cli.main(["contract", "diff", *paths, *flags])
    words = "may not fit" if code else "fits"
    assert capsys.readouterr().out.startswith(f"a database that fits {paths[0]} {words} {paths[1]}")
    assert code == cli.main(["contract", "diff", *paths, *flags, "--output", "json"])
    assert bool(code) is json.loads(capsys.readouterr().out)["may_not_fit"]


def test_diff_as_json(file: Files, capsys: pytest.CaptureFixture[str]) -> None:
    """Which contracts were compared, and both lists as plain values."""
    paths = [file("a.yaml", OLD), file("b.yaml", NEW)]
    cli.main(["contract", "diff", *paths, "--output", "json"])
    value = json.loads(capsys.readouterr().out)
    assert (paths[0], "app") == (value["a"]["path"], value["a"]["name"])
    assert value["a"]["digest"] != value["b"]["digest"]
    demand = {"object": "workflow.name", "kind": "column", "what": "the column of type text", "severity": "error"}
    assert [{**demand, "may_not_fit": True}] == value["demands"]
    assert [{**demand, "object": "workflow.color"}] == value["no_longer"]


@pytest.mark.parametrize("words", [[], ["compare"], ["diff", "a"], ["show"], ["validate"]])
def test_a_mistyped_command_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The usage, and exit code 2."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["contract", *words])
    assert 2 == caught.value.code
    assert "usage: sidecar contract" in capsys.readouterr().err


def test_a_reader_that_went_away_is_no_error(file: Files) -> None:
    """Output that nobody reads changes no exit code and gives no traceback."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "sidecar", "contract", "show", file("a.yaml", OLD)],
            stdout=writer, stderr=subprocess.PIPE, timeout=30, check=False,
        )  # fmt: skip
    finally:
        os.close(writer)
    assert (0, b"") == (done.returncode, done.stderr)
