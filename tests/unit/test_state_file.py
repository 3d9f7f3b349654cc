import hashlib
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.postgres.target import Target
from sidecar.state_file import MAX_BYTES, Key, Pass, StateFileError, key_of, read_pass, write_pass
from tests.unit import builders

KEY = Key(contract="sha256:0", pod="a-pod", boot="a-boot", database="db:5432/app")
FOUND = Pass(key=KEY, verdict_at=1_700_000_000.5, report=builders.report(builders.warning()))


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "pass.json")


def unusable(path: str, key: Key = KEY) -> str:
    with pytest.raises(StateFileError) as caught:
        read_pass(path, key)
    return str(caught.value)


def test_a_pass_comes_back_as_it_was_written(path: str) -> None:
    """Verdict, time, warnings and database are there for the next process, and nobody else may read them."""
    write_pass(path, FOUND)
    assert FOUND == read_pass(path, KEY)
    assert 0o600 == Path(path).stat().st_mode & 0o777
    assert [Path(path)] == list(Path(path).parent.iterdir())


def test_no_file_is_no_pass_and_no_error(path: str) -> None:
    """The first start of a pod has no state."""
    assert read_pass(path, KEY) is None


@pytest.mark.parametrize("field", Key.__struct_fields__)
def test_a_pass_of_anything_else_is_refused(path: str, field: str) -> None:
    """Another contract, pod, boot or database: each makes the pass void by itself, and is named."""
    write_pass(path, FOUND)
    assert f"of another {field}" == unusable(path, msgspec.structs.replace(KEY, **{field: "another"}))


def test_no_beginning_of_a_file_is_a_pass(path: str) -> None:
    """A file that was cut anywhere is refused: no torn write can open /ready."""
    write_pass(path, FOUND)
    data = Path(path).read_bytes()
    for length in range(len(data)):
        Path(path).write_bytes(data[:length])
        assert "not a whole state file of this version" == unusable(path)


@given(st.data())
def test_no_changed_byte_goes_unnoticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A disk that returns something else than what was written cannot open /ready."""
    path = str(tmp_path_factory.mktemp("state") / "pass.json")
    write_pass(path, FOUND)
    content = bytearray(Path(path).read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    Path(path).write_bytes(content)
    unusable(path)


@given(st.binary(max_size=300))
def test_whatever_the_file_holds_it_is_refused_in_words(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    """Any bytes, behind a right checksum even, end as a reason and not as an error of some library."""
    path = str(tmp_path_factory.mktemp("state") / "pass.json")
    heading = f"schema-readiness pass 1 sha256:{hashlib.sha256(junk).hexdigest()}\n".encode()
    for content in (junk, heading + junk):
        Path(path).write_bytes(content)
        assert "not a whole state file of this version" == unusable(path)


def test_a_verdict_that_is_no_pass_is_refused(path: str) -> None:
    """A report that gates cannot open /ready, wherever it came from."""
    write_pass(path, msgspec.structs.replace(FOUND, report=builders.report(builders.finding())))
    assert "its verdict is not a pass" == unusable(path)


@pytest.mark.parametrize("at", ["1e300", "-1"])
def test_a_time_that_no_clock_shows_is_refused(path: str, at: str) -> None:
    """A number that cannot be told as a date never gets to /status."""
    payload = msgspec.json.encode(FOUND).replace(b"1700000000.5", at.encode())
    Path(path).write_bytes(f"schema-readiness pass 1 sha256:{hashlib.sha256(payload).hexdigest()}\n".encode() + payload)
    assert "not a whole state file of this version" == unusable(path)


def test_links_pipes_directories_and_giants_are_refused(tmp_path: Path) -> None:
    """Nothing but an ordinary file of ours is read; a pipe does not hang the start."""
    write_pass(str(tmp_path / "real"), FOUND)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "directory").mkdir()
    with (tmp_path / "giant").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert "too many levels of symbolic links" == unusable(str(tmp_path / "link"))
    assert "not a regular file" == unusable(str(tmp_path / "pipe"))
    assert "is a directory" == unusable(str(tmp_path / "directory"))
    assert "larger than 16 MiB" == unusable(str(tmp_path / "giant"))
    assert "not a directory" == unusable(str(tmp_path / "real" / "below"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(path: str) -> None:
    """Another container of the pod, under a user of its own, cannot vouch for us."""
    write_pass(path, FOUND)
    os.chown(path, 65_534, -1)
    assert "of another user" == unusable(path)


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, path: str) -> None:
    """Where the new file cannot be made, the error says so and the old pass stays."""
    write_pass(path, FOUND)
    (tmp_path / "pass.json.new").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        write_pass(path, msgspec.structs.replace(FOUND, verdict_at=1.0))
    assert FOUND == read_pass(path, KEY)


def test_the_key_is_of_what_the_pass_is_about() -> None:
    """Pod and database are named; a rotated user or password is the same database, another host is not."""
    target = Target(hosts=(("a", 1), ("b", 2)), user="u1", database="app")
    key = key_of("sha256:1", "uid-1", target)
    assert ("sha256:1", "uid-1", "a:1,b:2/app") == (key.contract, key.pod, key.database)
    assert key == key_of("sha256:1", "uid-1", msgspec.structs.replace(target, user="u2"))
    assert key != key_of("sha256:1", "uid-1", msgspec.structs.replace(target, hosts=(("b", 2),)))
    assert key_of("sha256:1", "", target).pod
    assert Path("/proc/sys/kernel/random/boot_id").read_text().strip() == key.boot
