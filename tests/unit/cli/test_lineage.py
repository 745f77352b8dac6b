from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_lineage import digest, packed, pipeline, stages_lock

from builder.cli.audit_trail import add
from builder.oci.store import Store

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def project(work: Path, tmp_path: Path) -> Path:
    """A project with three runs, whose model is in an image and a bundle."""
    pipeline(work)
    (work / "raw.csv").write_text("raw")
    store = Store(tmp_path / "cache")
    store.create()
    packed(store)
    return work


def asked(envbuild: Call, *arguments: str) -> dict[str, Any]:
    code, out, err = envbuild("lineage", *arguments, "--json")
    assert code == 0, err
    return dict(json.loads(out))


def names(document: dict[str, Any], kind: str) -> set[str]:
    return {node["names"][0] for node in document["nodes"] if node["kind"] == kind}


def test_which_images_hold_something_made_from_this_file(envbuild: Call, project: Path) -> None:
    found = asked(envbuild, "raw.csv")
    assert found["images"] == [f"bundle:{digest('bundle')}", f"image:{digest('image')}"]
    assert names(found, "stage") == {"ingest", "train", "evaluate"}
    assert [(one["who"], one["by"]) for one in found["read"]] == [("Anna <anna@example.org>", "ingest")]
    code, out, _ = envbuild("lineage", "raw.csv")
    assert code == 0
    assert "  churn:1.0 (bundle sha256:" in out
    assert "read by:\n  2026-01-01T00:00:01.000Z Anna <anna@example.org>: ingest read raw (" in out


def test_what_a_bundle_came_from(envbuild: Call, project: Path) -> None:
    found = asked(envbuild, "churn:1.0", "--backward")
    assert found["roots"] == [f"bundle:{digest('bundle')}"]
    assert names(found, "stage") == {"ingest", "train"}
    assert f"sha256:{digest('raw')}" in {node["digest"] for node in found["nodes"]}
    assert found["images"] == []


@pytest.mark.parametrize(
    ("thing", "root"),
    [
        ("train", "run:20260101T000002Z-train-000002"),
        ("20260101T000002Z", "run:20260101T000002Z-train-000002"),
        ("000002", "run:20260101T000002Z-train-000002"),
        (f"sha256:{digest('raw')[:9]}", f"sha256:{digest('raw')}"),
        (digest("raw"), f"sha256:{digest('raw')}"),
        ("ingest.py", f"sha256:{digest('ingest')}"),
        ("metrics.json", f"sha256:{digest('0.5')}"),
        (f"sha256:{digest('bundle')}", f"bundle:{digest('bundle')}"),
    ],
    ids=["stage", "run", "digits of a run", "digest", "bare digest", "code", "path", "image"],
)
def test_things_are_found_by_what_people_call_them(envbuild: Call, project: Path, thing: str, root: str) -> None:
    assert asked(envbuild, thing)["roots"] == [root]


def test_what_is_unknown_is_told_with_what_is_near(envbuild: Call, project: Path) -> None:
    code, out, err = envbuild("lineage", "trian")
    assert (code, out) == (1, "")
    assert "nothing is known of `trian`" in err
    assert "Did you mean `train` or `train.py`?" in err
    assert "the digest that `push` printed" in envbuild("lineage", "registry.example/team/a:1.0")[2]
    code, _, err = envbuild("lineage", "raw.csv", "--project", "missing")
    assert (code, "`missing` is not there" in err) == (1, True)


def test_a_beginning_of_several_is_refused(envbuild: Call, project: Path) -> None:
    code, _, err = envbuild("lineage", "20260101T0000")
    assert code == 1
    assert "`20260101T0000` is the beginning of 3" in err
    assert "20260101T000002Z-train-000002" in err


def test_a_file_that_was_changed_since_is_not_taken_for_what_it_was(envbuild: Call, project: Path) -> None:
    (project / "metrics.json").write_text("0.6")
    code, _, err = envbuild("lineage", "metrics.json")
    assert code == 1
    assert f"other versions of it are known: sha256:{digest('0.5')[:12]}" in err


def test_a_run_that_was_changed_by_hand_is_marked(envbuild: Call, project: Path) -> None:
    record = project / "runs/20260101T000002Z-train-000002/run.json"
    record.write_text(record.read_text().replace("0.1", "0.2"))
    found = asked(envbuild, "raw.csv")
    doubts = {node["names"][0]: node["doubt"] for node in found["nodes"] if node["kind"] == "stage"}
    assert doubts["train"]
    assert not doubts["ingest"]
    assert "train (20260101T000002Z-train-000002, changed by hand" in envbuild("lineage", "raw.csv")[1]


def test_depth_is_counted_in_what_was_done(envbuild: Call, project: Path) -> None:
    assert names(asked(envbuild, "raw.csv", "--forward", "--depth", "1"), "stage") == {"ingest"}
    assert names(asked(envbuild, "raw.csv", "--forward", "--depth", "2"), "stage") == {"ingest", "train", "evaluate"}


def test_a_lock_tells_of_stages_whose_runs_are_not_here(envbuild: Call, work: Path) -> None:
    (work / "lock").mkdir()
    (work / "lock/stages.lock.json").write_text(json.dumps(stages_lock()))
    found = asked(envbuild, "model", "--backward")
    assert names(found, "stage") == {"ingest", "train"}


def test_projects_are_one_by_the_digests_of_things(envbuild: Call, work: Path, tmp_path: Path) -> None:
    first, second = work / "first", work / "second"
    for folder in (first, second):
        runs = pipeline(folder)
        other = ("train", "evaluate") if folder == first else ("ingest",)
        for name in other:
            for path in sorted(runs[name].iterdir()):
                path.unlink()
            runs[name].rmdir()
    assert names(asked(envbuild, "raw", "-C", "first"), "stage") == {"ingest"}
    assert names(asked(envbuild, "raw", "-C", "first", "-C", "second"), "stage") == {"ingest", "train", "evaluate"}


def test_the_trail_of_a_team_tells_of_bundles_made_elsewhere(envbuild: Call, work: Path) -> None:
    pipeline(work)
    holds = [["file", "model/weights", f"sha256:{digest('w')}"]]
    add(work / "audit", "bundled", "churn:2.0", f"sha256:{digest('other')}", {"holds": holds})
    add(work / "audit", "bundled", "churn:3.0", f"sha256:{digest('odd')}", {"holds": "all"})
    place = {"reference": "registry.example.org/churn:2.0"}
    add(work / "audit", "pushed", "churn:2.0", f"sha256:{digest('other')}", place)
    add(work / "audit", "read", "raw", None, {"data": {"raw": f"sha256:{digest('raw')}"}, "command": "data check"})
    found = asked(envbuild, "raw")
    assert found["images"] == [f"bundle:{digest('other')}"]
    assert [one["by"] for one in found["read"]] == ["data check", "ingest"]
    assert asked(envbuild, "registry.example.org/churn:2.0")["roots"] == [f"bundle:{digest('other')}"]


def test_each_form_tells_the_same(envbuild: Call, project: Path) -> None:
    code, _, err = envbuild("lineage", "raw.csv", "--format", "svg", "-o", "made.svg")
    assert (code, "wrote `made.svg`" in err) == (0, True)
    drawn = [element.text for element in ET.parse(project / "made.svg").iter("{http://www.w3.org/2000/svg}text")]
    mermaid = envbuild("lineage", "raw.csv", "--format", "mermaid")[1]
    for name in ("ingest", "train", "evaluate", "churn:1.0"):
        assert name in drawn
        assert f'"{name}<br>' in mermaid
    events = [json.loads(line) for line in envbuild("lineage", "raw.csv", "--format", "openlineage")[1].splitlines()]
    assert [event["job"]["name"] for event in events if event["eventType"] == "COMPLETE"] == [
        "ingest",
        "train",
        "evaluate",
    ]


def test_damaged_records_are_told_and_left_out(envbuild: Call, project: Path) -> None:
    (project / "runs/20260101T000003Z-evaluate-000003/run.json").write_text("{")
    (project / "lock").mkdir()
    (project / "lock/stages.lock.json").write_text("[")
    code, out, err = envbuild("lineage", "raw.csv")
    assert code == 0
    assert "evaluate" not in out
    assert "note: `runs/20260101T000003Z-evaluate-000003` cannot be read" in err
    assert "stages.lock.json` cannot be read" in err
