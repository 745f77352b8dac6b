from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from builder.bundle.inside.origin import latest_origin
from builder.bundle.inside.recorded import parse_record
from builder.bundle.parts.code import model_files
from builder.errors import EnvbuildError
from builder.history.layout import RECORD_LIMIT
from builder.oci.canonical import canonical_json
from builder.oci.digest import Digest
from builder.spec.load import load_project

SPEC = """\
environment: {{python: "3.11"}}
model: {{path: {path}}}
commands:
  train: {{run: train, outputs: [model]}}
"""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def record(files: dict[str, bytes], **values: Any) -> dict[str, Any]:
    rows = [[path, sha256(data), len(data)] for path, data in sorted(files.items())]
    outputs = {"model": {"digest": str(Digest.of(canonical_json(rows))), "size": 1, "files": rows}}
    return {
        "format": 1, "state": "finished", "exit_code": 0, "command": "train", "arguments": [], "params": {"a": 1},
        "seed": 7, "data": {"x": {"sha256": "a" * 64, "size": 1, "source": "fetched"}}, "lock": "sha256:1",
        "code": "sha256:2", "metrics": {"m": 0.5}, "outputs": outputs, "start": "2026-01-01T00:00:00Z",
        "end": "2026-01-01T00:00:01Z", "duration": 1.0, "image": "sha256:3", "machine": "x86_64", "python": "3.11.2",
        "bundle": {}, "model": None, "signal": None, "code_mounted": False, **values,
    }  # fmt: skip


def found(folder: Path, path: str, files: dict[str, bytes], *records: dict[str, Any]) -> dict[str, Any] | None:
    """What is taken along of `records`, the latest first, for a model of these files."""
    (folder / "envbuild.yaml").write_text(SPEC.format(path=path))
    (folder / "out/runs").mkdir(parents=True)
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    for number, one in enumerate(records):
        target = folder / "out" / ("run.json" if number == 0 else f"runs/{9 - number}.json")
        target.write_text(json.dumps(one))
    origin = latest_origin(load_project(folder), model_files(folder, path))
    return json.loads(origin.record().data) if origin else None


FILES = {"out/model/w": b"1", "out/model/a/v": b"22"}
INNER = {"w": b"1", "a/v": b"22"}


def test_the_run_that_wrote_the_model_goes_along_without_times_and_machines(tmp_path):
    kept = found(tmp_path, "out/model", FILES, record(INNER))
    assert kept is not None
    assert kept.keys() == {
        "format", "state", "command", "arguments", "params", "seed", "data", "lock", "code", "exit_code", "metrics",
        "outputs",
    }  # fmt: skip
    assert kept["data"] == {"x": {"sha256": "a" * 64, "size": 1}}
    assert parse_record(json.dumps(kept).encode(), "it") == kept


def test_the_same_run_at_another_time_on_another_machine_gives_the_same_bytes(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    other = record(INNER, start="2027-01-01T00:00:00Z", machine="aarch64", duration=9, image="sha256:9")
    assert found(tmp_path / "a", "out/model", FILES, record(INNER)) == found(tmp_path / "b", "out/model", FILES, other)


@pytest.mark.parametrize(
    "one",
    [
        record({"w": b"1"}),
        record({"w": b"2", "a/v": b"22"}),
        record({"w": b"1", "a/v": b"22", "z": b""}),
        record(INNER, exit_code=1),
        record(INNER, state="running"),
        record(INNER, outputs={}),
        record(INNER, outputs={"model": {"digest": "sha256:0", "files": None, "size": 0}}),
        {"format": 1},
        {"format": 2},
        [],
    ],
    ids=range(10),
)
def test_a_run_that_wrote_something_else_or_failed_does_not(tmp_path, one):
    assert found(tmp_path, "out/model", FILES, one) is None


def test_an_earlier_run_is_found_behind_later_ones_of_other_commands(tmp_path):
    later = record({"report": b""}, command="evaluate")
    kept = found(tmp_path, "out/model", FILES, later, record({"w": b"old"}), record(INNER, seed=3), record(INNER))
    assert kept is not None
    assert kept["seed"] == 3


def test_a_model_below_an_output_or_of_one_file_is_found(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    wrote = record({"best/w": b"1", "log": b"x"})
    assert found(tmp_path / "a", "out/model/best", {"out/model/best/w": b"1"}, wrote)
    assert found(tmp_path / "b", "out/model/w", {"out/model/w": b"1"}, record({"w": b"1", "log": b"x"}))


def test_without_a_model_or_records_there_is_none(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert found(tmp_path / "a", "out/model", {}, record({})) is None
    assert found(tmp_path / "b", "out/model", FILES) is None


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"{}", b"[" * 100_000, b" " * (RECORD_LIMIT + 1), json.dumps(record({}, seed="7")).encode(),
        json.dumps(record({}, seed=True)).encode(), json.dumps(record({}, arguments=[1])).encode(),
        json.dumps(record({}, data={"x": 1})).encode(), json.dumps(record({}, outputs={"m": {}})).encode(),
        json.dumps(record({}, model="m")).encode(),
        json.dumps(record({}, outputs={"m": {"digest": None, "files": [1]}})).encode(),
        json.dumps(record({}, commit="c")).encode(), json.dumps(record({}, commit={"id": 1, "dirty": True})).encode(),
        json.dumps(record({}, stale=[1])).encode(), json.dumps(record({}, owner=[])).encode(),
    ],
    ids=range(16),
)  # fmt: skip
def test_what_is_no_record_is_refused(data):
    with pytest.raises(EnvbuildError, match="it is"):
        parse_record(data, "it")
