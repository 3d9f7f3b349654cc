"""Real SQLAlchemy models and Alembic migrations: what is exported fits, what breaks is found, what fails is told."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.contract.document import ColumnDocument, ForeignKeyDocument, MigrationsDocument
from sidecar.contract.exported import Exported, ExportError, written
from sidecar.contract.sources.sqlalchemy_models import export_sqlalchemy
from sidecar.model import Use
from tests.conftest import Database
from tests.export.checking import codes, findings

pytest.importorskip("sqlalchemy")
pytest.importorskip("alembic")

MODELS = Path(__file__).with_name("shop_models.py")
INI = """\
[alembic]
script_location = migrations
"""
ENV = """\
from alembic import context
from shop_models import Base

context.configure(url="postgresql://", target_metadata=Base.metadata, literal_binds=True)
with context.begin_transaction():
    context.run_migrations()
"""
FIRST = """\
from alembic import op

revision = "a1"
down_revision = None


def upgrade():
    op.execute("CREATE SCHEMA billing")
"""
SECOND = """\
from alembic import op

revision = "b2"
down_revision = "a1"


def upgrade():
    from shop_models import Base
    Base.metadata.create_all(op.get_bind(), checkfirst=False)
"""
DDL = """\
import sys, sqlalchemy, shop_models
metadata = eval("shop_models." + sys.argv[1])
engine = sqlalchemy.create_mock_engine(
    "postgresql+asyncpg://", lambda statement, *_: print(str(statement.compile(dialect=engine.dialect)), ";")
)
metadata.create_all(engine, checkfirst=False)
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An application's folder, and the current one."""
    shutil.copy(MODELS, tmp_path / "shop_models.py")
    (tmp_path / "alembic.ini").write_text(INI)
    versions = tmp_path / "migrations" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / "migrations" / "env.py").write_text(ENV)
    (versions / "a1_first.py").write_text(FIRST)
    (versions / "b2_second.py").write_text(SECOND)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.startswith("shop")]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


def ran(*command: str) -> str:
    """Run Python, without what the models print and with each % that a driver would have taken for a parameter."""
    result = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    lines = [line for line in result.stdout.splitlines() if line != "models are imported"]
    return "\n".join(lines).replace("%%", "%")


def exported(target: str = "shop_models:Base") -> Exported:
    return export_sqlalchemy(target, alembic_ini=Path("alembic.ini"))


@pytest.fixture
def migrated(shop: Path, database: Database) -> Database:
    """A database that the application's own migrations built."""
    database.execute(
        ran(
            "-c",
            "import sys; sys.path.insert(0, ''); from alembic.config import main; main()",
            "upgrade",
            "head",
            "--sql",
        )
    )
    return database


def test_models_fit_the_database_that_alembic_built(migrated: Database) -> None:
    """One of everything, migrated by Alembic: no finding at all."""
    assert () == findings(migrated, exported())


def test_names_that_the_server_chooses(shop: Path, database: Database) -> None:
    """Constraints without names are known by those that the server gives them: no warning, and a new one is found."""
    database.execute(ran("-c", f"import sys; sys.path.insert(0, '')\n{DDL}", "plain"))
    contract = export_sqlalchemy("shop_models:plain")
    assert () == findings(database, contract)
    database.execute("ALTER TABLE a_b ADD CONSTRAINT k CHECK (d > 0); ALTER TABLE a ADD CHECK (b_d > 0)")
    assert {("constraint-added", "public.a_b k"), ("constraint-added", "public.a a_b_d_check2")} == codes(
        findings(database, contract)
    )


def test_the_other_models_fit_without_alembic(shop: Path, database: Database) -> None:
    """What create_all builds fits, too."""
    database.execute("CREATE SCHEMA billing")
    database.execute(ran("-c", f"import sys; sys.path.insert(0, '')\n{DDL}", "Base.metadata"))
    assert () == findings(database, export_sqlalchemy("shop_models:Base"))


def test_what_a_contract_says_of_models(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Types as PostgreSQL spells them; computed columns are read only; what the module prints is no output."""
    contract = exported()
    document = contract.document
    users, invoice = document.relations["users"], document.relations["billing.invoice"]
    types = {name: c.type for name, c in users.columns.items() if isinstance(c, ColumnDocument)}
    assert types == {
        "Odd.100%": "integer",
        "at": "timestamp with time zone",
        "at3": "timestamp(3) without time zone",
        "boss_id": "bigint",
        "day": "date",
        "either": "jsonb",
        "external": "uuid",
        "f": "real",
        "flag": "boolean",
        "full": "text",
        "id": "bigint",
        "mail": "email",
        "mails": "email[]",
        "mood": '"Mood"',
        "moods": '"Mood"[]',
        "must": "required",
        "n": "numeric(10,2)",
        "name": "character varying(255)",
        "raw": "bytea",
        "seq": "integer",
        "seq2": "integer",
        "size": "character varying(1)",
        "span": "interval",
        "span3": "interval day to second(3)",
        "state": "billing.status",
        "trimmed": "character varying(40)",
    }
    assert ColumnDocument(type="text", nullable=False, use=("select",)) == users.columns["full"]
    assert ColumnDocument(type="integer", nullable=False, use=("select",)) == users.columns["seq"]
    assert ColumnDocument(type="integer", nullable=False) == users.columns["seq2"]
    assert ColumnDocument(type="required", nullable=False) == users.columns["must"]
    assert users.constraints is not None
    assert (("day", "n"), ("external",), "users_lower", "users_partial", "users_span") == users.constraints.unique
    checks = ("ck_users_late", "ck_users_positive", "ck_users_size", "email_check", "required_check", "required_long")
    assert checks == users.constraints.checks
    assert ("ix_users_boss_id", "users_upper") == users.indexes
    assert invoice.constraints is not None
    assert (ForeignKeyDocument(columns=("user_id",), references="users"),) == invoice.constraints.foreign_keys
    assert ("apart",) == invoice.constraints.exclusions
    assert {"Mood": ("sad", "ok"), "billing.status": ("open", "paid")} == document.enums
    assert ("billing.invoice_numbers", "tickets") == document.sequences
    assert MigrationsDocument(tool="alembic", head="b2", count=2) == document.migrations
    assert contract.omissions == (
        "index users_lower of users: a contract holds its name, not its expression",
        "index users_partial of users: a contract holds its name, not its WHERE",
        "index users_span of users: a contract holds its name, not its expression",
        "index users_upper of users: a contract holds its name, not its expression",
        "unique (day, n) of users: a contract does not hold NULLS NOT DISTINCT",
    )
    assert capsys.readouterr().out == ""


def test_table_of_which_nothing_is_written(shop: Path) -> None:
    """A table of computed columns alone is read and deleted from."""
    contract = export_sqlalchemy("shop_models:plain")
    assert (Use.SELECT, Use.DELETE) == contract.document.relations["only_id"].use
    assert any(line.startswith("table only_id: ") for line in contract.omissions)


@pytest.mark.parametrize("target", ["plain", "db", "db.metadata", "Registry", "make"])
def test_kinds_of_targets(shop: Path, target: str) -> None:
    """A MetaData, an object or class that has one, and a function give the same contract every time."""
    text = written(export_sqlalchemy(f"shop_models:{target}").document)
    assert text == written(export_sqlalchemy("shop_models:plain").document)
    assert str(shop) not in sys.path


def test_version_table_of_the_ini(shop: Path) -> None:
    """The ini may say where Alembic keeps its version."""
    (shop / "alembic.ini").write_text(f"{INI}version_table = versions\nversion_table_schema = billing\n")
    migrations = exported().document.migrations
    assert migrations is not None
    assert "billing.versions" == migrations.table


CHANGES = {
    "table": ("DROP TABLE billing.invoice", {("relation-missing", "billing.invoice")}),
    "column": ("ALTER TABLE users DROP raw", {("column-missing", "public.users.raw")}),
    "type": ("ALTER TABLE users ALTER either TYPE text", {("column-type-changed", "public.users.either")}),
    "length": ("ALTER TABLE users ALTER trimmed TYPE varchar(9)", {("column-type-changed", "public.users.trimmed")}),
    "now NOT NULL": ("ALTER TABLE users ALTER span SET NOT NULL", {("column-not-null", "public.users.span")}),
    "now nullable": ("ALTER TABLE users ALTER name DROP NOT NULL", {("column-nullable", "public.users.name")}),
    "required column": (
        "ALTER TABLE users ADD owner text NOT NULL",
        {("required-column-unwritten", "public.users.owner")},
    ),
    "generated column": (
        "ALTER TABLE users DROP trimmed;ALTER TABLE users ADD trimmed varchar(40) GENERATED ALWAYS AS ('x') STORED",
        {("generated-column-written", "public.users.trimmed")},
    ),
    "identity column": (
        "ALTER TABLE users ALTER seq2 SET GENERATED ALWAYS",
        {("identity-column-written", "public.users.seq2")},
    ),
    "unique": ("ALTER TABLE users ADD CONSTRAINT u UNIQUE (raw)", {("constraint-added", "public.users u")}),
    "foreign key": (
        "ALTER TABLE users ADD CONSTRAINT f FOREIGN KEY (seq2) REFERENCES billing.invoice",
        {("constraint-added", "public.users f")},
    ),
    "check": ("ALTER TABLE users ADD CONSTRAINT k CHECK (n > 9)", {("constraint-added", "public.users k")}),
    "domain's check": (
        "ALTER DOMAIN required ADD CONSTRAINT k CHECK (VALUE <> '')",
        {("constraint-added", "public.users k")},
    ),
    "exclusion": (
        "ALTER TABLE billing.invoice ADD CONSTRAINT x EXCLUDE USING gist (during WITH &&)",
        {("constraint-added", "billing.invoice x")},
    ),
    "index": ("DROP INDEX users_upper", {("index-missing", "public.users users_upper")}),
    "enum label": (
        "ALTER TYPE billing.status RENAME VALUE 'paid' TO 'settled'",
        {("enum-label-missing", "billing.status.'paid'")},
    ),
    "sequence": ("DROP SEQUENCE tickets", {("sequence-missing", "tickets")}),
}


def test_breaking_changes_are_found(migrated: Database) -> None:
    """Each kind of change is found where it is, and nothing else."""
    contract = exported()
    wrong = {}
    for kind, (change, wanted) in CHANGES.items():
        copy = f"{migrated.name}_copy"
        migrated.execute(f"CREATE DATABASE {copy} TEMPLATE {migrated.name}")
        changed = Database(migrated.server, copy)
        try:
            changed.execute(change)
            found = codes(findings(changed, contract))
        finally:
            migrated.execute(f"DROP DATABASE {copy} WITH (FORCE)")
        if found != wanted:
            wrong[kind] = found
    assert {} == wrong


FILES = {
    "shop_raises.py": "import shop_inner\n",
    "shop_inner.py": "\n\ndef f():\n    raise KeyError('DATABASE_URL')\nf()\n",
    "shop_syntax.py": "x = 1\ndef (:\n",
    "shop_exits.py": "import sys\nsys.exit('set DATABASE_URL')\n",
    "shop_needs.py": "import psycopg99\n",
    "shop_prints.py": "print('canary')\nx = 1\n",
}

ERRORS = {
    "no attribute": ("shop_models", "'shop_models' names no attribute of a module; write MODULE:ATTRIBUTE"),
    "a file": ("shop/models.py:Base", "'shop/models.py' is no module's name; write shop.models:Base"),
    "no module": ("shop_absent:Base", "shop_absent:Base: there is no module 'shop_absent' in "),
    "no package": ("shop_absent.models:Base", "there is no module 'shop_absent' in "),
    "no module in a module": ("shop_models.more:Base", "importing shop_models.more|no module 'shop_models.more'"),
    "raises": ("shop_raises:Base", r"importing shop_raises failed: KeyError: 'DATABASE_URL' \(shop_inner.py:4\)"),
    "syntax": ("shop_syntax:Base", r"importing shop_syntax failed: SyntaxError: .* \(shop_syntax.py:2\)"),
    "exits": ("shop_exits:Base", r"failed: SystemExit: set DATABASE_URL \(shop_exits.py:2\)"),
    "needs": ("shop_needs:Base", r"No module named 'psycopg99' \(shop_needs.py:1\); run it where the application's"),
    "misspelt": ("shop_models:Bose", "shop_models has no 'Bose'; did you mean 'Base'?"),
    "misspelt below": ("shop_models:db.metdata", "shop_models.db has no 'metdata'; did you mean 'metadata'?"),
    "wrong kind": ("shop_models:text_value", "a value of type str holds no tables; in shop_models, Base and "),
    "wrong class": ("shop_models:Mood", "class Mood holds no tables"),
    "nothing in it": ("shop_prints:x", "a value of type int holds no tables; give a MetaData"),
    "function raises": ("shop_models:broken", r"calling it failed: RuntimeError: no settings here \(shop_models.py:"),
    "empty": ("shop_models:nothing", "its metadata has no tables; give the module that imports every module"),
    "no type": ("shop_models:unknown", "shop_models:unknown: t.c: PostgreSQL has no type for it here: "),
    "no other table": ("shop_models:foreign", "shop_models:foreign: foreign key of t|shop_models:foreign: t.c"),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_errors(shop: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be read is told in one line, with the place; nothing goes to standard output."""
    for name, text in FILES.items():
        (shop / name).write_text(text)
    target, wanted = ERRORS[kind]
    with pytest.raises(ExportError) as caught:
        export_sqlalchemy(target)
    assert re.search(wanted, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)
    assert "" == capsys.readouterr().out


def test_two_heads(shop: Path) -> None:
    """Two heads are named, with how to merge them."""
    versions = shop / "migrations" / "versions"
    (versions / "c3.py").write_text(FIRST.replace("a1", "c3").replace("None", "'a1'"))
    with pytest.raises(ExportError, match=r"^alembic.ini: 2 heads: b2, c3; make them one: alembic merge heads$"):
        exported()


def test_migrations_that_cannot_be_read(shop: Path) -> None:
    """A missing ini, no revisions and a revision that fails are told apart."""
    with pytest.raises(ExportError, match=r"^absent.ini: there is no such file"):
        export_sqlalchemy("shop_models:Base", alembic_ini=Path("absent.ini"))
    versions = shop / "migrations" / "versions"
    (versions / "b2_second.py").write_text("revision = 'b2'\ndown_revision = 'a1'\n1 / 0\n")
    with pytest.raises(ExportError, match=r"failed: ZeroDivisionError: .* \(migrations/versions/b2_second.py:3\)$"):
        exported()
    shutil.rmtree(versions)
    versions.mkdir()
    with pytest.raises(ExportError, match="it has no revisions"):
        exported()
    (shop / "alembic.ini").write_text("[alembic]\n")
    with pytest.raises(ExportError, match=r"^alembic.ini: reading the migrations failed: CommandError: "):
        exported()


def test_without_sqlalchemy(shop: Path) -> None:
    """Where the application's packages are missing, that is said; the module itself loads without them."""
    script = (
        "import sys; sys.modules['sqlalchemy'] = None\n"
        "from sidecar.contract.sources.sqlalchemy_models import export_sqlalchemy\n"
        "try: export_sqlalchemy('shop_models:Base')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    root = str(MODELS.parents[2])
    told = ran("-c", f"import sys; sys.path.append({root!r})\n{script}")
    assert told.startswith("ExportError sqlalchemy cannot be imported"), told
    assert told.endswith("run it where the application's packages are installed")
