"""The exposition, judged by Prometheus' own linter."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Database
from tests.integration.process import running
from tests.integration.schemas import SCHEMA, write_contract

PROMTOOL = shutil.which("promtool")

pytestmark = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")


def test_metrics_are_clean_before_and_after_the_verdict(database: Database, tmp_path: Path) -> None:
    """promtool check metrics finds nothing to complain about, with findings and without."""
    assert PROMTOOL is not None
    database.execute(SCHEMA.format(role=database.role))
    contract = write_contract(tmp_path)
    for url, event in ((database.url, "ready"), ("postgresql://app@127.0.0.1:1/app", "attempt failed")):
        with running(tmp_path, {"DATABASE_URL": url, "SIDECAR_CONTRACT": contract}) as sidecar:
            sidecar.wait_for(event)
            body = sidecar.ask("/metrics").body
        done = subprocess.run(
            [PROMTOOL, "check", "metrics"], input=body, capture_output=True, text=True, timeout=30, check=False
        )
        assert (0, "", "") == (done.returncode, done.stdout, done.stderr)
        assert "process_resident_memory_bytes" in body
