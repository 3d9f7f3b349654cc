"""``sidecar export`` as a command: where it writes, what it takes, and how it refuses."""

import json
from pathlib import Path

import pytest

from sidecar.contract.reader import parse_contract, read_contract
from sidecar.model import Use
from tests.conftest import Database
from tests.integration.process import command

SCHEMA = """
CREATE TABLE workflow (id text PRIMARY KEY, name text NOT NULL);
CREATE TABLE workflow_block (id text PRIMARY KEY, workflow_id text REFERENCES workflow);
CREATE TABLE audit (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text);
GRANT USAGE ON SCHEMA public TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
"""


@pytest.fixture
def workflows(database: Database) -> Database:
    database.execute(SCHEMA.format(role=database.role))
    return database


def test_contract_on_standard_output_is_the_one_in_the_file(workflows: Database, tmp_path: Path) -> None:
    """The same database gives the same text, on standard output or in a file, and check takes it."""
    environ = {"DATABASE_URL": workflows.url}
    path = tmp_path / "contract.json"
    shown = command("export", "database", environ=environ)
    assert 0 == shown.returncode, shown.stderr
    kept = command("export", "database", "--out", str(path), environ=environ)
    assert (0, "") == (kept.returncode, kept.stdout)
    assert shown.stdout == path.read_text()
    assert 0 == command("check", "--contract", str(path), "--strict", environ=environ).returncode


def test_relations_are_chosen_by_globs_and_used_as_told(workflows: Database) -> None:
    """--only, --except, --use and --name."""
    done = command(
        *("export", "database", "--only", "work*", "--except", "*_block", "--use", "select,update", "--name", "api"),
        environ={"DATABASE_URL": workflows.url},
    )
    contract = parse_contract(done.stdout.encode())
    assert ("api", ["workflow"]) == (contract.name, [str(relation.name) for relation in contract.relations])
    assert frozenset({Use.SELECT, Use.UPDATE}) == contract.relations[0].use


def test_refusals_are_one_line_and_exit_2(workflows: Database, tmp_path: Path) -> None:
    """What cannot be exported is told with its place, without a traceback, and nothing is written."""
    (tmp_path / "bad.sql").write_text("CREATE TABLE a (id int);\nCREATE TABLE b (id nothing);\n")
    environ = {"DATABASE_URL": workflows.url}
    cases = (
        (("database", "--only", "nothing*"), "no relation matches 'nothing*'"),
        (("database", "--use", "select,upsert"), "'upsert' is not one of select"),
        (("database", "--schema", "nowhere"), "nowhere"),
        (("drizzle", str(tmp_path)), str(tmp_path)),
        (("sql", str(tmp_path / "absent.sql")), "absent.sql"),
        (("sql", str(tmp_path / "bad.sql")), "bad.sql"),
        (("sqlalchemy", "no_such_module:Base"), "no_such_module"),
        (("database", "--out", str(tmp_path / "no" / "c.json")), "No such file or directory"),
    )
    for arguments, words in cases:
        done = command("export", *arguments, environ=environ)
        assert (2, "") == (done.returncode, done.stdout), (arguments, done.stderr)
        # asyncio's debug mode, which the tests run in, tells slow steps
        (line,) = [line for line in done.stderr.splitlines() if not line.startswith("Executing <Task")]
        assert line.startswith("sidecar export: ")
        assert words in done.stderr


def test_password_is_in_no_refusal(tmp_path: Path) -> None:
    """A database that does not answer is told without what is secret in its address."""
    done = command("export", "database", environ={"DATABASE_URL": "postgresql://app:hunter22@127.0.0.1:1/app"})
    assert 2 == done.returncode
    assert "hunter22" not in done.stderr


def test_sql_files_make_a_contract(tmp_path: Path) -> None:
    """A folder of migrations is built and read back; what a contract cannot hold is told on standard error."""
    (tmp_path / "2_more.sql").write_text("ALTER TABLE item ADD price numeric(10, 2);")
    (tmp_path / "1_first.sql").write_text(
        "CREATE TABLE item (id int PRIMARY KEY); ALTER TABLE item ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY own ON item USING (true);"
    )
    done = command("export", "sql", str(tmp_path), "--out", str(tmp_path / "c.json"))
    assert 0 == done.returncode, done.stderr
    assert "left out: " in done.stderr
    assert "own" in done.stderr
    (item,) = read_contract(str(tmp_path / "c.json")).relations
    assert ["id", "price"] == [column.name for column in item.columns]
    assert json.loads((tmp_path / "c.json").read_text())["contract"] == 1
