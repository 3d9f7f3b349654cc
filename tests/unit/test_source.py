from pathlib import Path

import pytest

from sidecar.postgres.source import find_source
from sidecar.postgres.target import Secret, TargetError

ONE, TWO = "postgresql://u:one@h/d", "postgresql://u:two@h/d"


@pytest.mark.parametrize(
    ("environ", "variable", "password"),
    [
        ({"DATABASE_URL": ONE}, "DATABASE_URL", "one"),
        ({"SIDECAR_DATABASE_URL": TWO}, "SIDECAR_DATABASE_URL", "two"),
        ({"DATABASE_URL": ONE, "SIDECAR_DATABASE_URL": TWO}, "SIDECAR_DATABASE_URL", "two"),
        ({"DATABASE_URL": ONE, "SIDECAR_DATABASE_URL": ""}, "DATABASE_URL", "one"),
        ({"DATABASE_URL": ONE, "PGHOST": "elsewhere"}, "DATABASE_URL", "one"),
        ({"PGHOST": "h", "PGUSER": "u", "PGPASSWORD": "three"}, "PG*", "three"),
        ({"PGDATABASE": "d", "PGUSER": "u", "PGPASSWORD": "three"}, "PG*", "three"),
    ],
)
def test_the_first_variable_that_is_set_counts(environ: dict[str, str], variable: str, password: str) -> None:
    """The sidecar's own variable wins over the application's, and both over libpq's; an empty one is unset."""
    source = find_source(environ)
    assert (variable, Secret(password)) == (source.variable, source.load(environ).password)


def test_a_file_is_read_again_each_time(tmp_path: Path) -> None:
    """A rotated secret is picked up by the next attempt."""
    file = tmp_path / "url"
    environ = {"DATABASE_URL_FILE": str(file)}
    source = find_source(environ)
    for url, password in ((ONE, "one"), (f"{TWO}\n", "two")):
        file.write_text(url)
        assert Secret(password) == source.load(environ).password


def test_the_sidecars_file_wins_over_the_applications_variable(tmp_path: Path) -> None:
    """Precedence goes by the name of the variable, not by how it is given."""
    file = tmp_path / "url"
    file.write_text(TWO)
    environ = {"DATABASE_URL": ONE, "SIDECAR_DATABASE_URL_FILE": str(file)}
    assert Secret("two") == find_source(environ).load(environ).password


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "no database: set DATABASE_URL"),
        ({"DATABASE_URL": "", "PGPASSWORD": "x"}, "no database"),
        ({"DATABASE_URL": ONE, "DATABASE_URL_FILE": "/x"}, "DATABASE_URL and DATABASE_URL_FILE are both set"),
    ],
)
def test_no_source_and_two_sources_are_refused(environ: dict[str, str], words: str) -> None:
    """Without an address, or with two of them under one name, it says so."""
    with pytest.raises(TargetError, match=words):
        find_source(environ)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        (b"", "the file is empty"),
        (b" \n", "the file is empty"),
        (b"\xff\xfe", "not UTF-8"),
        (b"mysql://u:canary@h/d", "does not begin with postgresql://"),
    ],
    ids=repr,
)
def test_a_bad_file_is_told_with_its_variable(content: bytes | None, words: str, tmp_path: Path) -> None:
    """What is wrong with a mounted secret names the variable that led there, and nothing of its content."""
    file = tmp_path / "url"
    if content is not None:
        file.write_bytes(content)
    environ = {"SIDECAR_DATABASE_URL_FILE": str(file)}
    with pytest.raises(TargetError, match=rf"^SIDECAR_DATABASE_URL_FILE: .*{words}") as caught:
        find_source(environ).load(environ)
    assert "canary" not in str(caught.value)


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    """A path that leads to a directory is told as that."""
    environ = {"DATABASE_URL_FILE": str(tmp_path)}
    with pytest.raises(TargetError, match="is a directory"):
        find_source(environ).load(environ)


def test_a_bad_address_is_told_with_its_variable() -> None:
    """What is wrong with an address names the variable, and nothing of its value."""
    environ = {"DATABASE_URL": "postgresql://u:canary#x@h/d"}
    with pytest.raises(TargetError, match=r"^DATABASE_URL: the database URL's user or password") as caught:
        find_source(environ).load(environ)
    assert "canary" not in str(caught.value)


def test_a_source_shows_no_secret() -> None:
    """The source's own text forms hide the address."""
    assert "canary" not in repr(find_source({"DATABASE_URL": "postgresql://u:canary@h/d"}))


def test_no_chain_carries_the_text() -> None:
    """A refusal has no cause whose traceback could show the address."""
    with pytest.raises(TargetError) as caught:
        find_source({"DATABASE_URL": ONE}).load({"DATABASE_URL": ONE, "PGPORT": "x"})
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
