from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from made_runs import FIRST, finished_run

from builder.cli.runs.show_text import run_lines
from builder.errors import EnvbuildError
from builder.history import index as module
from builder.history.compare import compare_runs
from builder.history.entry import read_entry
from builder.history.export.openlineage import events
from builder.history.export.table import csv_bytes
from builder.history.find import find_id
from builder.history.folder import KeptRun, OpenRun, read_run
from builder.history.index import open_index
from builder.history.search import holds, parse_search
from builder.history.tags import change_tags

EARLY, LATE = "20260101T000000Z-train-00aa01", "20260201T000000Z-eval-00bb02"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    finished_run(tmp_path, id=EARLY, start="2026-01-01T00:00:00.000Z", metrics={"auc": 0.5})
    finished_run(tmp_path, id=LATE, start="2026-02-01T00:00:00.000Z", command="eval", kind="stage", exit_code=3)
    return tmp_path


def ids(root: Path, file: Path | None, where: str = "") -> list[str]:
    with open_index(root, file) as index:
        return [entry.id for entry in index.entries(parse_search(where) if where else None)]


@pytest.mark.parametrize("kept", [True, False], ids=["in a file", "in memory"])
def test_runs_are_listed_the_latest_first_and_found_by_what_they_have(project: Path, kept: bool) -> None:
    file = project / "cache" / "index.sqlite" if kept else None
    for _ in range(2):
        assert ids(project, file) == [LATE, EARLY]
        assert ids(project, file, "auc < 0.6") == [EARLY]
        assert ids(project, file, "stage = eval and outcome = failed") == [LATE]
        assert ids(project, file, "not has(stage)") == [EARLY]
        with open_index(project, file) as index:
            assert [entry.id for entry in index.entries(limit=1)] == [LATE]
            assert [entry.id for entry in index.entries(parse_search("seed = 7"), 1)] == [LATE]
            assert index.count() == 2


def test_an_index_follows_its_folders(project: Path) -> None:
    file = project / "index.sqlite"
    assert ids(project, file, "tags = best") == []
    change_tags(project / "runs" / EARLY, ["best"])
    assert ids(project, file, "tags = best") == [EARLY]
    change_tags(project / "runs" / EARLY, (), ["best"])
    assert ids(project, file, "tags = best") == []
    (project / "runs" / LATE).rename(project / "elsewhere")
    assert ids(project, file) == [EARLY]
    (project / "elsewhere").rename(project / "runs" / LATE)
    assert ids(project, file) == [LATE, EARLY]


def test_only_what_changed_is_read_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = project / "index.sqlite"
    ids(project, file)
    read = []
    original = module.read_entry
    monkeypatch.setattr(module, "read_entry", lambda folder: read.append(folder.name) or original(folder))
    ids(project, file)
    assert read == []
    change_tags(project / "runs" / EARLY, ["best"])
    assert ids(project, file, "tags = best") == [EARLY]
    assert read == [EARLY]


def test_a_run_that_nobody_finished_is_found_killed(project: Path) -> None:
    file = project / "index.sqlite"
    run = OpenRun.begin(project, replace(FIRST, id="20260301T000000Z-train-00cc03", start="2026-03-01T00:00:00.000Z"))
    assert ids(project, file, "outcome = running") == [run.record.id]
    os.close(run._lock)  # as the end of its process does
    assert ids(project, file, "outcome = killed") == [run.record.id]
    assert json.loads((run.folder / "run.json").read_bytes())["state"] == "killed"


def damaged(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:4096] + b"\xff" * 8192)


def of_another_format(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


@pytest.mark.parametrize(
    "spoil",
    [damaged, of_another_format, Path.unlink, lambda file: file.write_bytes(b""), lambda file: file.write_bytes(b"no")],
    ids=["damaged", "another format", "deleted", "empty", "no database"],
)
def test_an_index_that_is_spoilt_is_made_again(project: Path, spoil: object) -> None:
    file = project / "index.sqlite"
    ids(project, file)
    spoil(file)
    assert ids(project, file, "auc < 0.6") == [EARLY]
    connection = sqlite3.connect(file)
    assert connection.execute("SELECT count(*) FROM runs").fetchone() == (2,)
    connection.close()


def test_an_index_that_cannot_be_kept_is_made_in_memory(project: Path) -> None:
    (project / "cache").write_text("no folder")
    assert ids(project, project / "cache" / "index.sqlite") == [LATE, EARLY]
    (project / "folder.sqlite").mkdir()
    assert ids(project, project / "folder.sqlite") == [LATE, EARLY]


def test_an_index_that_another_process_holds_is_made_in_memory(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BUSY_SECONDS", 0.01)
    file = project / "index.sqlite"
    ids(project, file)
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    change_tags(project / "runs" / EARLY, ["best"])
    assert ids(project, file, "tags = best") == [EARLY]
    holder.close()
    assert file.exists()
    assert ids(project, file, "tags = best") == [EARLY]


def test_commands_at_once_see_all_runs(project: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from builder.history.index import open_index\n"
        "with open_index(Path(sys.argv[1]), Path(sys.argv[1]) / 'index.sqlite') as index:\n"
        "    print(len(list(index.entries())))"
    )
    line = [sys.executable, "-c", code, str(project)]
    root = Path(__file__).parents[3]
    started = [subprocess.Popen(line, stdout=subprocess.PIPE, text=True, cwd=root) for _ in range(3)]
    assert [one.communicate()[0] for one in started] == ["2\n"] * 3


def test_what_is_no_run_is_told_and_hides_nothing(project: Path) -> None:
    runs = project / "runs"
    (runs / "20260301T000000Z-train-00cc03").mkdir()
    (runs / "20260301T000000Z-train-00cc04").mkdir()
    (runs / "20260301T000000Z-train-00cc04" / "run.json").write_text("{")
    (runs / "20260301T000000Z-train-00cc05").symlink_to(EARLY)
    (runs / "notes").mkdir()
    (runs / EARLY / "tags.json").write_text('{"format": 1, "tags": [1]}')
    with open_index(project, project / "index.sqlite") as index:
        assert [entry.id for entry in index.entries()] == [LATE, EARLY]
        told = {one.folder: one.problem for one in index.broken()}
    assert list(told) == [EARLY, *(f"20260301T000000Z-train-00cc0{number}" for number in (3, 4, 5))]
    assert "no list of tags" in told[EARLY]


def test_a_record_with_any_value_changed_by_hand_is_listed_or_told(project: Path) -> None:
    file = project / "runs" / EARLY / "run.json"
    whole = json.loads(file.read_bytes())
    places = [(name,) for name in whole] + [
        (name, inner) for name, value in whole.items() if isinstance(value, dict) for inner in value
    ]
    where = parse_search("auc > 0.1 or commit = d or code = c or start > 2026 or duration > 1m")
    for place in places:
        for value in (None, True, -1, 1e300, "x", [], [1], {}, {"a": {"b": [None]}}):
            changed = json.loads(json.dumps(whole))
            target = changed if len(place) == 1 else changed[place[0]]
            target[place[-1]] = value
            file.write_text(json.dumps(changed))
            found = read_entry(file.parent)
            assert (found.entry is None) == (found.problem is not None), (place, value)
            holds(where, found.facts)
            if found.entry is not None:
                record = read_run(file.parent).record
                json.dumps(compare_runs([record, record]).to_dict())
                assert list(run_lines(KeptRun(project, record), ()))
                assert csv_bytes([(record, ())])
                assert list(events(record))


def test_a_record_that_was_changed_by_hand_is_marked(project: Path) -> None:
    file = project / "runs" / EARLY / "run.json"
    file.write_text(file.read_text().replace("0.5", "0.99"))
    with open_index(project, None) as index:
        assert {entry.id: entry.edited for entry in index.entries()} == {LATE: False, EARLY: True}


def test_values_that_no_database_has_are_found_all_the_same(project: Path) -> None:
    odd = {"big": 1 << 80, "half\ud800": "x\ud800", 'quo"te\\': True, "list": [1, "a"]}
    finished_run(project, id="20260301T000000Z-odd-00cc03", params=json.loads(json.dumps(odd).replace("\\ud800", "~")))
    where = f"""params.big = {1 << 80} and params."quo\\"te\\\\" = true and params.list = a and params.list = 1"""
    assert ids(project, None, where) == ["20260301T000000Z-odd-00cc03"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (EARLY, EARLY), ("20260101T", EARLY), ("202602", LATE), ("00aa01", EARLY), ("00bb", LATE), ("latest", LATE),
        ("latest:train", EARLY), ("best", EARLY),
    ],
)  # fmt: skip
def test_a_run_is_found_by_its_id_a_part_of_it_a_tag_or_as_the_latest(project: Path, text: str, found: str) -> None:
    change_tags(project / "runs" / EARLY, ["best"])
    with open_index(project, None) as index:
        assert find_id(index, text) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2026", "means 2 runs"), ("00", "there is no run"), ("*", "there is no run"), ("both", "means 2 runs"),
        ("latest:none", "no run of `none`"), ("20260101T000000Z-train-00aa02", "there is no run"), ("..", "no run"),
    ],
)  # fmt: skip
def test_what_means_no_run_or_several_is_refused(project: Path, text: str, why: str) -> None:
    for run in (EARLY, LATE):
        change_tags(project / "runs" / run, ["both"])
    with open_index(project, None) as index, pytest.raises(EnvbuildError, match=why):
        find_id(index, text)


def test_a_run_that_cannot_be_read_is_not_taken_for_none(project: Path) -> None:
    (project / "runs" / EARLY / "run.json").write_text("{")
    with open_index(project, None) as index, pytest.raises(EnvbuildError, match="cannot be read") as failure:
        find_id(index, EARLY)
    assert "is not valid JSON" in failure.value.why[0]
