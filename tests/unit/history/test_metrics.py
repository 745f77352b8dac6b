from __future__ import annotations

import json
from pathlib import Path

import pytest

from builder.history import metrics as module
from builder.history.metrics import read_metrics, read_steps


def read(folder: Path, **files: str) -> module.Metrics:
    paths = {}
    for stem, text in files.items():
        name = f"metrics.{stem}"
        (folder / name).write_text(text)
        paths[name] = folder / name
    return read_metrics(paths)


def test_final_values_are_dotted_inside_groups(tmp_path: Path) -> None:
    found = read(tmp_path, json='{"auc": 0.9, "by": {"region": {"eu": 1, "us": 2}}, "best": true}')
    assert found.final == {"auc": 0.9, "by.region.eu": 1, "by.region.us": 2, "best": True}
    assert (found.rows, found.notes) == ([], [])


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("jsonl", '{"step": 10, "loss": 0.5}\n{"step": 20, "loss": 0.25, "auc": 0.7}\n'),
        ("csv", "step,loss,auc\n10,0.5,\n20,0.25,0.7\n"),
        ("csv", "\ufeffstep,loss,auc\r\n10,0.5,\r\n20,0.25,0.7\r\n"),
    ],
    ids=["jsonl", "csv", "csv of a spreadsheet"],
)
def test_metrics_by_step_have_a_last_value(tmp_path: Path, kind: str, text: str) -> None:
    found = read(tmp_path, **{kind: text})
    assert found.rows == [(10, {"loss": 0.5}), (20, {"loss": 0.25, "auc": 0.7})]
    assert found.final == {"loss": 0.25, "auc": 0.7}
    (tmp_path / "metrics.jsonl").write_bytes(found.steps())
    assert read_steps(tmp_path / "metrics.jsonl") == found.rows


def test_without_steps_the_values_of_each_metric_are_counted(tmp_path: Path) -> None:
    found = read(tmp_path, jsonl='{"loss": 3}\n{"auc": 1}\n\n{"loss": 2}\n')
    assert found.rows == [(1, {"loss": 3}), (1, {"auc": 1}), (2, {"loss": 2})]


def test_the_file_of_final_values_has_the_last_word(tmp_path: Path) -> None:
    found = read(tmp_path, json='{"loss": 0.1}', jsonl='{"loss": 0.5}\n', csv="auc\n0.9\n")
    assert found.final == {"loss": 0.1, "auc": 0.9}


@pytest.mark.parametrize(
    ("kind", "text", "final", "noted"),
    [
        ("json", '{"a": NaN, "b": 1}', {"a": "NaN", "b": 1}, "`a` of `metrics.json` is no finite number: `NaN`"),
        ("json", '{"a": -Infinity}', {"a": "-Infinity"}, "no finite number"),
        ("json", '{"a": 1e999}', {"a": "Infinity"}, "no finite number"),
        ("json", '{"a": 1' + "0" * 400 + "}", {"a": "Infinity"}, "no finite number"),
        ("json", '{"a": "best\\u001b[2J"}', {"a": "best\ufffd[2J"}, "no finite number: `best\ufffd[2J`"),
        ("json", '{"a": [1, 2], "b": null, "c": 1}', {"c": 1}, "is neither a number nor a text"),
        ("json", '{"": 1, "a\\nb": 2, " c": 3}', {}, "has no name, or an odd one"),
        ("json", "[1]", {}, "it is no JSON object"),
        ("json", '{"a": 1', {}, "the metrics in `metrics.json` are not recorded"),
        ("json", "[" * 100_000, {}, "the metrics in `metrics.json` are not recorded"),
        ("json", '{"a": ' * 100_000, {}, "the metrics in `metrics.json` are not recorded"),
        ("jsonl", '{"a": 1}\nhalf a li', {"a": 1}, "a line of `metrics.jsonl` is no JSON"),
        ("jsonl", '{"a": 1}\n[2]\n', {"a": 1}, "is no JSON object"),
        ("csv", "step,a\n1,nan\n2,bad\n", {"a": "bad"}, "no finite number: `NaN`"),
        ("csv", 'a\n"' + "x" * 200_000 + '"\n', {}, "the metrics in `metrics.csv` are not recorded"),
        ("csv", ",".join(map(str, range(2000))) + "\n", {}, "it has 2000 columns"),
    ],
)  # fmt: skip
def test_what_is_no_metric_is_noted(tmp_path: Path, kind: str, text: str, final: object, noted: str) -> None:
    found = read(tmp_path, **{kind: text})
    assert found.final == final
    assert noted in "\n".join(found.notes)
    json.dumps([found.final, found.rows], allow_nan=False)
    json.loads(found.steps() or b"0") if kind == "json" else None


def test_files_that_are_none_are_noted(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").mkdir()
    found = read_metrics({"metrics.csv": tmp_path / "metrics.csv", "metrics.json": tmp_path / "nowhere.json"})
    assert len(found.notes) == 2


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "metrics.csv", "wb") as file:
        file.truncate(1 << 30)
    found = read_metrics({"metrics.csv": tmp_path / "metrics.csv"})
    assert "it has 1073741824 bytes, and at most 67108864 are read" in found.notes[0]


def test_of_many_values_some_are_kept_and_the_last_is_final(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_VALUES", 100)
    found = read(tmp_path, csv="step,loss\n" + "".join(f"{n},{n / 10}\n" for n in range(1001)))
    assert 50 <= len(found.rows) <= 100
    assert [step for step, _ in found.rows[:3]] == [0, 16, 32]
    assert found.final == {"loss": 100.0}
    assert found.notes == ["`metrics.csv` has more than 100 values: every 16th row is recorded"]


def test_of_many_metrics_some_are_kept(tmp_path: Path) -> None:
    found = read(tmp_path, json=json.dumps({f"m{n}": n for n in range(1500)}))
    assert len(found.final) == 1000
    assert found.notes == ["`metrics.json` has more than 1000 metrics; the rest is left out"]
