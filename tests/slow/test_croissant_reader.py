"""Croissant documents as the library of the standard reads them, in an environment of its own: it is large."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_subjects import HOSTILE, TABLE, made_subject

from builder.records.croissant import croissant

READ = """
import json, sys
import mlcroissant
dataset = mlcroissant.Dataset(jsonld=sys.argv[1])
issues = dataset.metadata.ctx.issues
tables = {one.id: [row for row in dataset.records(record_set=one.id)] for one in dataset.metadata.record_sets}
print(json.dumps({"errors": sorted(issues.errors), "files": [one.id for one in dataset.metadata.distribution],
                  "tables": tables}, default=lambda value: value.decode() if isinstance(value, bytes) else str(value)))
"""


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has mlcroissant."""
    folder = tmp_path_factory.mktemp("mlcroissant")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin/python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "mlcroissant>=1.1"], check=True)
    return python


@pytest.mark.parametrize("text", ["What it is.", HOSTILE], ids=["plain", "hostile"])
def test_the_library_reads_files_and_tables(reader: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/penguins").write_bytes(TABLE)
    (tmp_path / "bundle").mkdir()
    record = croissant(made_subject(description=text))
    assert record is not None
    file = tmp_path / "bundle" / record.path
    file.write_bytes(record.data)
    done = subprocess.run([reader, "-c", READ, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout)
    assert read["errors"] == []
    assert sorted(read["files"]) == ["folder/1", "folder/2", "penguins", "remote"]
    assert len(read["tables"]["penguins-table"]) == 2
