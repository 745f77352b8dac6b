from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_lineage import digest, pipeline, stages_lock

from builder.errors import EnvbuildError
from builder.lineage.gathered import Place, read_project
from builder.lineage.graph import Lineage
from builder.lineage.portable import activities_of, lineage_bytes, lineage_document, read_lineage
from builder.lineage.sources import of_stages
from builder.lineage.things import Activity
from builder.oci.store import Store

MODEL = [digest("w"), digest("c")]


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Activity, ...]:
    store = Store(tmp_path / "store")
    store.create()
    pipeline(tmp_path)
    return read_project(Place(tmp_path, "churn"), store).runs


def test_steps_lead_back_to_data_that_nothing_made(runs: tuple[Activity, ...]) -> None:
    document = lineage_document(Lineage.of(runs), MODEL)
    assert document is not None
    assert [step["name"] for step in document["steps"]] == ["ingest", "train"]
    assert [(one["name"], one["sha256"]) for one in document["sources"]] == [("raw", digest("raw"))]
    assert document["steps"][1]["params"] == {"rate": 0.1}
    assert document["steps"][1]["owner"] == "owner of train"


def test_neither_days_nor_people_nor_machines_are_in_it(runs: tuple[Activity, ...]) -> None:
    data = lineage_bytes(lineage_document(Lineage.of(runs), MODEL) or {})
    moved = [replace(one, id=f"run:{one.name}", run=one.name, start="2027", who="Eve", image=None) for one in runs]
    assert lineage_bytes(lineage_document(Lineage.of(moved), MODEL) or {}) == data
    assert not [text for text in (b"2026", b"Anna", b"anna@", b"ann@", b"dddddd") if text in data]


def test_what_goes_along_is_read_back_as_it_was(runs: tuple[Activity, ...]) -> None:
    document = lineage_document(Lineage.of(runs), MODEL)
    assert document is not None
    again = Lineage.of(activities_of(read_lineage(lineage_bytes(document), "it"), "churn"))
    assert lineage_document(again, MODEL) == document


@pytest.mark.parametrize("change", [{"doubt": "changed"}, {"outcome": "failed"}, {"outcome": "killed"}], ids=str)
def test_work_that_failed_or_was_changed_by_hand_makes_no_model(
    runs: tuple[Activity, ...], change: dict[str, str]
) -> None:
    lineage = Lineage.of(replace(one, **change) if one.name == "train" else one for one in runs)
    assert lineage_document(lineage, MODEL) is None


def test_a_run_that_found_the_model_and_left_it_did_not_make_it(runs: tuple[Activity, ...]) -> None:
    same = replace(runs[1], id="run:copy", run="copy", name="copy", used=runs[1].made)
    document = lineage_document(Lineage.of([same, *runs]), MODEL)
    assert document is not None
    assert [step["name"] for step in document["steps"]] == ["ingest", "train"]


def test_a_circle_of_records_ends() -> None:
    lock = [*of_stages(stages_lock(), "churn")]
    circle = [lock[0], replace(lock[0], id="stage:back", name="back", used=lock[0].made, made=lock[0].used), lock[1]]
    document = lineage_document(Lineage.of(circle), [lock[1].made[0].sha256])
    assert document is not None
    assert {step["name"] for step in document["steps"]} == {"ingest", "back", "train"}


BAD = {
    "no JSON": b"{",
    "another format": b'{"format":2,"steps":[]}',
    "a step that is none": b'{"format":1,"steps":[7],"model":[],"sources":[]}',
    "a path out": json.dumps(
        {
            "format": 1,
            "steps": [
                {
                    "kind": "stage",
                    "name": "x",
                    "code": {"sha256": None},
                    "outputs": {},
                    "inputs": {
                        "a": {"kind": "folder", "sha256": "0" * 64, "size": 1, "files": [["../a", "0" * 64, 1]]}
                    },
                }
            ],
        }
    ).encode(),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_what_is_no_lineage_is_refused(data: bytes) -> None:
    with pytest.raises(EnvbuildError):
        read_lineage(data, "it")


def test_a_lock_whose_key_is_not_that_of_its_parts_is_in_doubt() -> None:
    document = stages_lock()
    document["stages"]["train"]["parts"]["seed"] = 8
    doubts = {one.name: one.doubt for one in of_stages(document, "churn")}
    assert doubts["ingest"] is None
    assert doubts["train"] == "its key in the lock is not that of its parts"
    assert [*of_stages({"stages": {"a": 7, "b": {"parts": {}}}}, "churn")] == []
