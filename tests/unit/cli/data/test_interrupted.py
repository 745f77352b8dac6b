"""Data commands that are interrupted, or ended, in the midst of a query."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: endless
version: 1.0.0
status: draft
schema:
  - name: t
    properties: [{name: a, logicalType: integer}]
    quality: [{type: sql, query: "SELECT sum(sqrt(range)) FROM range(1000000000000)", mustBe: 0}]
"""


def test_a_check_that_is_ended_leaves_no_temporary_folder(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a\n1\n")
    (tmp_path / "c.yaml").write_text(CONTRACT)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "builder", "data", "check", "t.csv", "--contract", "c.yaml"],
        cwd=tmp_path, env={**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": str(Path(__file__).parents[4])},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not list(scratch.iterdir()) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (128 + signal.SIGTERM, "error: interrupted\n")
    assert not list(scratch.iterdir())
