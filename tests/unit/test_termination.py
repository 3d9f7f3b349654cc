import os
from pathlib import Path

import pytest

from sidecar.termination import write_termination_log


def test_the_message_replaces_what_was_there(tmp_path: Path) -> None:
    """A shorter message leaves nothing of a longer one behind."""
    file = tmp_path / "log"
    file.write_bytes(b"x" * 5000)
    assert write_termination_log(str(file), b"last words") is None
    assert b"last words" == file.read_bytes()


def test_the_file_stays_the_same_file(tmp_path: Path) -> None:
    """The kubelet mounts the file itself, so it is written in place and never replaced."""
    file = tmp_path / "log"
    file.touch()
    inode = file.stat().st_ino
    write_termination_log(str(file), b"last words")
    assert inode == file.stat().st_ino


def test_a_missing_file_is_nothing_wrong_outside_of_kubernetes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default path does not exist on a workstation: nothing is created, nothing is wrong."""
    file = tmp_path / "log"
    monkeypatch.setattr("sidecar.termination.DEFAULT_TERMINATION_LOG", str(file))
    assert write_termination_log(str(file), b"x") is None
    assert not file.exists()


def test_a_file_that_was_asked_for_is_created(tmp_path: Path) -> None:
    """A path of the user's own is created."""
    file = tmp_path / "log"
    assert write_termination_log(str(file), b"x") is None
    assert b"x" == file.read_bytes()


def test_what_went_wrong_is_returned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that cannot be written is told, not raised, the default one too: the exit code matters more."""
    assert isinstance(write_termination_log(str(tmp_path), b"x"), OSError)
    monkeypatch.setattr("sidecar.termination.DEFAULT_TERMINATION_LOG", str(tmp_path))
    assert isinstance(write_termination_log(str(tmp_path), b"x"), OSError)


def test_off_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The word off is no file name."""
    monkeypatch.chdir(tmp_path)
    assert write_termination_log("off", b"x") is None
    assert [] == list(tmp_path.iterdir())


def test_a_missing_directory_is_told_where_the_file_was_asked_for(tmp_path: Path) -> None:
    """A path of the user's own that cannot be created is wrong."""
    assert isinstance(write_termination_log(str(tmp_path / "no" / "log"), b"x"), FileNotFoundError)


def test_a_full_disk_is_told() -> None:
    """An error while writing is returned as well."""
    assert isinstance(write_termination_log("/dev/full", b"x"), OSError)


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    """The file is closed whatever happens."""
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the directory's own descriptor counts in both
    for path in (str(tmp_path / "log"), "/dev/full"):
        write_termination_log(path, b"x")
    assert before == len(os.listdir("/proc/self/fd"))  # noqa: PTH208
