from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from made_runs import FIRST, finished_run

from builder.history.content import Content
from builder.history.folder import OpenRun
from builder.history.record import LARGEST, Commit

EARLY, LATE = "20260101T000000Z-train-00aa01", "20260201T000000Z-train-00bb02"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def project(work: Path) -> Path:
    finished_run(work, id=EARLY, start="2026-01-01T00:00:00.000Z", metrics={"auc": 0.5})
    finished_run(work, id=LATE, start="2026-02-01T00:00:00.000Z", params={"rate": 0.2}, exit_code=3, seed=8)
    return work


def test_list_tells_what_became_of_runs_and_what_is_no_run(project: Path, envbuild: Run) -> None:
    (project / "runs" / "20260301T000000Z-train-00cc03").mkdir()
    code, out, error = envbuild("runs", "list")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].split() == ["run", "outcome", "time", "metrics", "tags"]
    assert lines[1].split()[:2] == [LATE, "failed"]
    assert lines[2].split()[:6] == [EARLY, "ok", "1", "min", "0", "s"]
    assert "note: `runs/20260301T000000Z-train-00cc03` cannot be read" in error
    code, out, _ = envbuild("runs", "list", "--failed", "--command", "train", "--json")
    assert [one["id"] for one in json.loads(out)] == [LATE]
    assert "1 of 2 runs" in envbuild("runs", "list", "-n", "1")[2]
    assert envbuild("runs", "list", "--stage", "train") == (0, "", "none of 2 runs\n" + error)


def test_list_works_on_the_folder_of_runs_and_on_a_folder_without_any(project: Path, envbuild: Run) -> None:
    assert LATE in envbuild("runs", "list", "-C", "runs")[1]
    (project / "empty").mkdir()
    assert envbuild("runs", "list", "-C", "empty") == (0, "", "no runs\n")
    code, _, error = envbuild("runs", "list", "-C", "nowhere")
    assert code == 1
    assert "is not there" in error


def test_what_measured_the_peak_of_memory_is_said_beside_it_and_is_no_note(work: Path, envbuild: Run) -> None:
    finished_run(work, id=EARLY, notes=(LARGEST,), host={"gpus": [], "cpus": 2})
    out = envbuild("runs", "show")[1]
    assert "at most, of its largest process" in out
    assert "note:" not in out
    assert "gpus" not in out


@pytest.mark.parametrize("command", ["list", "show", "search", "compare", "plot", "tag", "rm", "export", "reproduce"])
def test_every_command_of_runs_takes_the_project_as_the_other_commands_do(command: str, envbuild: Run) -> None:
    assert "-C, --project PATH" in envbuild("runs", command, "--help")[1]


def test_a_missing_choice_is_told_on_one_line(work: Path, envbuild: Run) -> None:
    code, _, error = envbuild("runs", "export")
    assert code == 2
    assert "Choose from: csv, json, openlineage, mlflow" in error


def test_search_lists_what_an_expression_holds_for(project: Path, envbuild: Run) -> None:
    assert envbuild("runs", "search", "params.rate < 0.15", "--ids")[1] == f"{EARLY}\n"
    code, out, error = envbuild("runs", "search", "rate < 0.15")
    assert (code, out) == (0, "")
    assert "no run has `metrics.rate`; is `params.rate` meant?" in error
    code, out, error = envbuild("runs", "search", "auc >", "--json")
    assert code == 1
    assert "auc >\n" + " " * 18 + "^" in error
    assert json.loads(out)["error"]["what"] == "the expression cannot be read"


def test_show_tells_everything_of_a_run(project: Path, envbuild: Run) -> None:
    code, out, _ = envbuild("runs", "show", "00aa")
    assert code == 0
    for text in (EARLY, "python -m churn.train", "with changes: changes.patch", "The rate was too high",
                 "1.0 MB at most", "Ann ann@example.org", "rate          0.1", "model.layers  [8, 8]",
                 "auc  0.5"):  # fmt: skip
        assert text in out
    assert "note" not in out
    assert envbuild("runs", "show", "latest", "--log") == (0, "hi\n", "")
    assert envbuild("runs", "show", EARLY, "--patch") == (0, "patch", "")
    shown = json.loads(envbuild("runs", "show", EARLY, "--json")[1])
    assert (shown["id"], shown["outcome"], shown["tags"], shown["edited"]) == (EARLY, "ok", [], None)


def test_nothing_of_a_run_commands_a_terminal(work: Path, envbuild: Run) -> None:
    evil = "\x1b[31mred\x07\r\n"
    folder = finished_run(work, metrics={evil: evil}, params={evil: evil}, notes=(evil,), why=evil, who={"name": evil})
    (folder / "log.txt").write_text("ok\tfine\n" + evil)
    finished_run(work, id=LATE, metrics={evil: 1.0}, outputs={evil: Content("file", "a" * 64, 1)})
    for arguments in (("list",), ("show", "00bb"), ("show", folder.name), ("show", folder.name, "--log"),
                      ("compare", folder.name, LATE), ("compare", folder.name, LATE, "--markdown"),
                      ("search", "has(x)")):  # fmt: skip
        code, out, error = envbuild("runs", *arguments)
        assert code == 0
        assert "\x1b" not in out + error
        assert "\x07" not in out + error
    assert "ok\tfine\n" in envbuild("runs", "show", folder.name, "--log")[1]


def test_tags_name_a_run_until_they_are_taken_away(project: Path, envbuild: Run) -> None:
    assert envbuild("runs", "tag", "00aa", "best", "v1/good") == (0, "best v1/good\n", "")
    assert envbuild("runs", "show", "best")[1].startswith(f"run          {EARLY}\n")
    removed = json.loads(envbuild("runs", "tag", "best", "best", "--remove", "--json")[1])
    assert removed == {"id": EARLY, "tags": ["v1/good"]}
    assert envbuild("runs", "show", "best")[0] == 1
    for name in ("latest", "-x", "a b", "x" * 65, EARLY):
        code, _, error = envbuild("runs", "tag", "latest", "--", name)
        assert code == 1
        assert "cannot be a tag" in error


def test_removal_says_what_goes_and_asks(project: Path, envbuild: Run) -> None:
    code, out, error = envbuild("runs", "rm", "--keep-last", "1")
    assert code == 1
    assert EARLY in out
    assert "Say `--yes`" in error
    planned = json.loads(envbuild("runs", "rm", "--where", "auc = 0.5", "--dry-run", "--json")[1])
    assert planned == {"removed": [EARLY], "kept": [], "dry_run": True}
    assert (project / "runs" / EARLY).is_dir()
    code, out, error = envbuild("runs", "rm", "--keep-last", "1", "--yes")
    assert (code, error) == (0, "1 run removed\n")
    assert os.listdir(project / "runs") == [LATE]
    assert envbuild("runs", "rm")[0] == 2
    assert envbuild("runs", "rm", "latest", "--where", "a = 1")[0] == 2


def test_a_run_that_is_running_is_never_removed(project: Path, envbuild: Run) -> None:
    run = OpenRun.begin(project, replace(FIRST, id="20260301T000000Z-train-00cc03"))
    for arguments in ((run.record.id, "--yes", "--force"), (EARLY, run.record.id, "--yes")):
        code, _, error = envbuild("runs", "rm", *arguments)
        assert code == 1
        assert "is running" in error
    code, _, error = envbuild("runs", "rm", "--keep-last", "0", "--yes")
    assert code == 0
    assert f"note: `{run.record.id}` is running, and stays" in error
    assert os.listdir(project / "runs") == [run.record.id]
    run.discard()


def test_a_run_that_a_stage_names_takes_force(project: Path, envbuild: Run) -> None:
    from builder.pipeline.key import key_of
    from builder.pipeline.stages_lock import StageEntry, StagesLock, write_stages_lock

    parts = {"format": 1, "arguments": [], "inputs": {}, "outputs": [], "code": {}, "parameters": {},
             "parameter-files": {}, "seed": None, "environment": "", "platform": "", "variables": {},
             "network": False}  # fmt: skip
    (project / "lock").mkdir()
    write_stages_lock(project / "lock", StagesLock({"fit": StageEntry(key_of(parts), parts, {}, EARLY)}))
    code, _, error = envbuild("runs", "rm", EARLY, "--yes")
    assert code == 1
    assert "is the one that made the outputs of stage `fit`" in error
    assert envbuild("runs", "rm", EARLY, "--yes", "--force")[0] == 0
    assert not (project / "runs" / EARLY).exists()


def test_compare_says_first_what_differed_then_what_came_of_it(project: Path, envbuild: Run) -> None:
    code, out, error = envbuild("runs", "compare", EARLY, LATE)
    assert (code, error) == (0, "")
    assert out.index("parameters:") < out.index("the same: command, code, data, environment") < out.index("metrics:")
    assert "rate          0.1 → 0.2  (+0.1)" in out
    assert "auc   0.5 → 0.9  (+0.4)" in out
    assert "outcome      ok → failed" in out
    assert "copy   sha256:aaaaaaaaaaaa in both" in out
    found = json.loads(envbuild("runs", "compare", EARLY, LATE, "--json")[1])
    assert found["differs"] == ["parameters"]
    assert found["metrics"][0] == {"name": "auc", "same": False, "values": [0.5, 0.9], "difference": 0.4}
    markdown = envbuild("runs", "compare", EARLY, LATE, "--markdown")[1]
    assert "| `rate` | `0.1` | `0.2` | +0.1 |" in markdown
    finished_run(project, id="20260301T000000Z-train-00cc03", seed=9)
    table = envbuild("runs", "compare", EARLY, LATE, "00cc03")[1].splitlines()
    assert table[0].split()[:3] == ["run", "model.layers", "rate"]
    assert [line.split()[0] for line in table[1:]] == [EARLY, LATE, "20260301T000000Z-train-00cc03"]
    assert envbuild("runs", "compare", EARLY)[0] == 2
    assert envbuild("runs", "compare", EARLY, EARLY)[0] == 2


def test_compare_finds_locks_in_the_commits_of_runs(work: Path, envbuild: Run) -> None:
    import hashlib

    def git(*arguments: str) -> str:
        who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        return subprocess.run(["git", *who, *arguments], check=True, capture_output=True, text=True).stdout.strip()

    source = Path(__file__).parents[4] / "environments" / "sklearn" / "lock"
    git("init", "-q")
    (work / "environments" / "a" / "lock").mkdir(parents=True)
    digests, commits = [], []
    for old in ("x", "y"):
        for file in source.iterdir():
            data = file.read_bytes()
            if file.name == "envbuild.lock.json":
                document = json.loads(data)
                document["created"] = "2026-01-01T00:00:00Z" if old == "x" else "2026-02-01T00:00:00Z"
                data = json.dumps(document, indent=2, sort_keys=True).encode()
                digests.append("sha256:" + hashlib.sha256(data).hexdigest())
            (work / "environments" / "a" / "lock" / file.name).write_bytes(data)
        git("add", "environments")
        git("commit", "-qm", old)
        commits.append(Commit(git("rev-parse", "HEAD")))
    for run, digest, commit in zip((EARLY, LATE), digests, commits, strict=True):
        finished_run(work, id=run, lock=digest, commit=commit)
    code, out, error = envbuild("runs", "compare", EARLY, LATE)
    assert (code, error) == (0, "")
    assert "created: 2026-01-01T00:00:00Z → 2026-02-01T00:00:00Z" in out
    finished_run(work, id="20260301T000000Z-train-00cc03", lock="sha256:" + "0" * 64)
    assert "packages are not compared" in envbuild("runs", "compare", EARLY, "00cc03")[2]


def test_export_writes_rows_that_no_spreadsheet_runs(project: Path, envbuild: Run) -> None:
    finished_run(project, id="20260301T000000Z-train-00cc03", why="=cmd|' /C calc'!A0", params={"@x": "+1", "n": -1})
    code, out, _ = envbuild("runs", "export", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [row["id"][-6:] for row in rows] == ["00bb02", "00cc03", "00aa01"]
    assert (rows[1]["why"], rows[1]["params.@x"], rows[1]["params.n"]) == ("'=cmd|' /C calc'!A0", "'+1", "-1")
    assert envbuild("runs", "export", "--format", "json", "-o", "runs.json", "--where", "auc = 0.5")[0] == 0
    assert [one["id"] for one in json.loads((project / "runs.json").read_text())] == [EARLY]
    assert envbuild("runs", "export", "--format", "csv", "-o", "nowhere/x.csv")[0] == 1
    assert envbuild("runs", "export", "--format", "csv", "--url", "http://127.0.0.1")[0] == 2


def test_plots_are_the_same_each_time_and_show_hostile_names(project: Path, envbuild: Run) -> None:
    folder = finished_run(project, id="20260301T000000Z-train-00cc03", metrics={"a$\\frac{$<b>": 1.0})
    (folder / "metrics.jsonl").write_text("".join(f'{{"step": {n}, "a$\\\\frac{{$<b>": {n}}}\n' for n in range(3)))
    for arguments in (("-m", "auc", "--over", "params.rate"), ("-m", "a$\\frac{$<b>"),
                      ("-m", "auc", "--parallel", "params.rate", "--parallel", "outcome")):  # fmt: skip
        pictures = []
        for name in ("one.svg", "two.svg"):
            code, _, error = envbuild("runs", "plot", *arguments, "-o", name)
            assert code == 0, error
            pictures.append((project / name).read_bytes())
        assert pictures[0] == pictures[1]
        assert b"<svg" in pictures[0]
    assert envbuild("runs", "plot", "-m", "auc", "--over", "seed", "-o", "one.png")[0] == 0
    assert (project / "one.png").read_bytes().startswith(b"\x89PNG")
    assert "nothing to draw" in envbuild("runs", "plot", "-m", "auc", "-o", "one.png")[2]
    assert "There are: " in envbuild("runs", "plot", "-m", "acc", "-o", "one.png")[2]
    assert envbuild("runs", "plot", "-m", "auc", "-o", "one.pdf")[0] == 2


def test_without_matplotlib_it_is_said_what_to_install(
    project: Path, envbuild: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    code, _, error = envbuild("runs", "plot", "-m", "auc", "--over", "seed", "-o", "one.svg")
    assert code == 1
    assert "pip install 'envbuild[plot]'" in error
