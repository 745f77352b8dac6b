from __future__ import annotations

from pathlib import Path

import pytest
from data_projects import DataProject


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataProject:
    monkeypatch.chdir(tmp_path)
    return DataProject(tmp_path / "project", tmp_path / "store")
