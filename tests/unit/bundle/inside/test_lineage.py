from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from data_projects import DataProject
from made_lineage import digest, pipeline
from made_plans import made_lock

from builder.bundle.build import gather
from builder.bundle.inside.lineage import remember_bundle
from builder.lineage.images import kept_images
from builder.lineage.portable import LINEAGE_FILE
from builder.records.record import Record


@pytest.fixture
def project(tmp_path: Path) -> DataProject:
    made = DataProject(tmp_path / "project", tmp_path / "store")
    made.file("src/a.py", b"x = 1\n")
    made.file("model/weights", b"w")
    made.file("model/config", b"c")
    return made


def lineage_of(project: DataProject) -> Record | None:
    loaded = project.spec(code=["src/**"], model={"path": "model"})
    records = gather(loaded, made_lock(), project.fetcher).records
    return next((one for one in records if one.path == LINEAGE_FILE), None)


def test_a_bundle_tells_how_its_model_was_made(project: DataProject) -> None:
    pipeline(project.folder)
    record = lineage_of(project)
    assert record is not None
    document = json.loads(record.data)
    assert [step["name"] for step in document["steps"]] == ["ingest", "train"]
    assert {digest("w"), digest("c")} < set(document["model"])
    shutil.rmtree(project.store.root / "records")
    again = lineage_of(project)
    assert again is not None
    assert again.data == record.data, "whatever the store has seen"


def test_a_model_that_nothing_here_made_has_no_lineage(project: DataProject) -> None:
    assert lineage_of(project) is None
    pipeline(project.folder)
    project.file("model/weights", b"another")
    project.file("model/config", b"other")
    assert lineage_of(project) is None


def test_a_bundle_without_images_that_are_remembered_holds_nothing(project: DataProject) -> None:
    store = project.fetcher.store
    assert remember_bundle(store, "churn:1.0", f"sha256:{digest('x')}", ()) == []
    assert [one.name for one in kept_images(store)] == ["churn:1.0"]
