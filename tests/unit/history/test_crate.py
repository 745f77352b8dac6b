from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from made_runs import FIRST, finished_run

from builder.history.crate import record_digest
from builder.history.folder import OpenRun


def crate(folder: Path) -> dict[str, Any]:
    document = json.loads((folder / "ro-crate-metadata.json").read_bytes())
    graph = {one["@id"]: one for one in document["@graph"]}
    assert len(graph) == len(document["@graph"])
    return graph


def test_every_thing_that_a_crate_speaks_of_is_in_it(tmp_path: Path) -> None:
    graph = crate(finished_run(tmp_path))
    elsewhere = {"https://w3id.org/ro/crate/1.1", "https://w3id.org/ro/terms/workflow-run#DockerImage"}

    def links(value: Any) -> set[str]:
        if isinstance(value, list):
            return {link for one in value for link in links(one)}
        if isinstance(value, dict):
            return {value["@id"]} if list(value) == ["@id"] else links(list(value.values()))
        return set()

    assert links(list(graph.values())) <= set(graph) | elsewhere


def test_the_crate_says_what_was_done_by_whom_with_what(tmp_path: Path) -> None:
    graph = crate(finished_run(tmp_path))
    action = graph[f"#{FIRST.id}"]
    assert "CreateAction" in action["@type"]
    assert action["actionStatus"] == "http://schema.org/CompletedActionStatus"
    assert (action["startTime"], action["endTime"]) == (
        "2026-01-31T23:59:59.123+00:00",
        "2026-02-01T00:00:59.123+00:00",
    )
    assert graph[action["agent"]["@id"]] == {
        "@id": "#who", "@type": "Person", "name": "Ann", "email": "ann@example.org",
    }  # fmt: skip
    given = {graph[one["@id"]]["name"]: graph[one["@id"]].get("value") for one in action["object"]}
    assert given == {"train": None, "rate": 0.1, "model.depth": "null", "model.layers": "[8, 8]", "seed": 7}
    came = {graph[one["@id"]]["name"]: graph[one["@id"]].get("value") for one in action["result"]}
    assert came == {"train": None, "model": None, "auc": 0.9, "loss": "NaN", "What was printed": None}
    image = graph[action["containerImage"]["@id"]]
    assert (image["@type"], image["sha256"]) == ("ContainerImage", "b" * 64)


def test_what_has_one_digest_is_one_thing_in_a_crate(tmp_path: Path) -> None:
    graph = crate(finished_run(tmp_path))
    one = graph[f"urn:sha256:{'a' * 64}"]
    assert (one["name"], one["alternateName"], one["contentSize"]) == ("train", ["copy"], "12")
    model = next(one for one in graph.values() if one.get("name") == "model" and "Dataset" in one["@type"])
    assert model["prov:wasDerivedFrom"] == [{"@id": f"urn:sha256:{'a' * 64}"}]
    assert model["prov:wasGeneratedBy"] == {"@id": f"#{FIRST.id}"}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"exit_code": 3}, "It ended with exit code 3"),
        ({"exit_code": 143, "signal": "SIGTERM"}, "It ended with exit code 143, by SIGTERM"),
        ({"state": "killed", "exit_code": None}, "It was killed"),
    ],
)
def test_a_run_that_failed_says_how(tmp_path: Path, changes: dict[str, Any], error: str) -> None:
    action = crate(finished_run(tmp_path, **changes))[f"#{FIRST.id}"]
    assert (action["actionStatus"], action["error"]) == ("http://schema.org/FailedActionStatus", error)


def test_a_run_that_is_under_way_is_active(tmp_path: Path) -> None:
    action = crate(OpenRun.begin(tmp_path, FIRST).folder)[f"#{FIRST.id}"]
    assert action["actionStatus"] == "http://schema.org/ActiveActionStatus"
    assert "endTime" not in action
    assert "error" not in action


def test_the_crate_has_the_digest_of_the_record(tmp_path: Path) -> None:
    folder = finished_run(tmp_path)
    digest = hashlib.sha256((folder / "run.json").read_bytes()).hexdigest()
    assert record_digest((folder / "ro-crate-metadata.json").read_bytes()) == digest


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"@graph": [1]}', b'{"@graph": [{"@id": "run.json"}]}', b"[" * 9999]
)
def test_a_crate_that_is_none_has_no_digest(data: bytes) -> None:
    assert record_digest(data) is None
