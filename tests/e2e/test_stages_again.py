"""Runs of stages: made again from their record alone, packed by name, refused and named once they are stale."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from docker_registry import login_at, serving

from builder.cli.machine import host_platform

SPEC = """\
name: tiny
environment: {{python: "3.11", platforms: [{platform}]}}
model: {{path: out/model}}
data: {{numbers: {{url: numbers.txt}}}}
code: ["*.py"]
commands:
  idle: {{run: python idle.py, inputs: [numbers]}}
stages:
  clean: {{run: python clean.py, inputs: [raw.txt], outputs: [made/clean.txt]}}
  fit:
    run: python fit.py
    inputs: [made/clean.txt, numbers]
    outputs: [out/model]
    metrics: [out/metrics.json]
    params: {{params.yaml: [rate]}}
    seed: 3
    deterministic: true
  roll: {{run: python roll.py, inputs: [made/clean.txt], metrics: [out/rolled.json]}}
  fall: {{run: "python -c 'raise SystemExit(9)'", outputs: [never]}}
"""
FILES = {
    "clean.py": "open('made/clean.txt', 'w').write(open('raw.txt').read() + '!')",
    "fit.py": """\
import json, os
rate = json.load(open(os.environ["ENVBUILD_PARAMS"]))["rate"]
found = open("made/clean.txt").read() + open(os.environ["ENVBUILD_DATA_NUMBERS"]).read()
os.makedirs("out/model")
open("out/model/weights", "w").write(found + os.environ["ENVBUILD_SEED"])
json.dump({"loss": len(found) * rate}, open("out/metrics.json", "w"))
""",
    "roll.py": "import json, os\njson.dump({'points': os.urandom(8).hex()}, open('out/rolled.json', 'w'))",
    "idle.py": "",
    "params.yaml": "rate: 1.5\nother: 1\n",
    "raw.txt": "raw",
    "numbers.txt": "1\n2\n",
    ".gitignore": "runs/\nout/\nmade/\nraw.txt\nnumbers.txt\n",
}
Here = Callable[..., tuple[str, str]]


def git(folder: Path, *words: str) -> None:
    line = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *words]
    subprocess.run(line, cwd=folder, check=True, capture_output=True)


@pytest.fixture
def project(workplace: Path, monkeypatch: pytest.MonkeyPatch, here: Here) -> Path:
    """A project that is locked; the current folder."""
    folder = workplace / "tiny"
    folder.mkdir()
    (folder / "envbuild.yaml").write_text(SPEC.format(platform=host_platform()))
    for name, text in FILES.items():
        (folder / name).write_text(text)
    (folder / "raw.txt").write_text(str(uuid.uuid4()))  # what nobody has run yet
    monkeypatch.chdir(folder)
    here("lock", ".")
    return folder


def again(here: Here, run: str, *words: str | Path, code: int) -> dict[str, str]:
    """What came of a run that is made again, by what was compared."""
    out, _ = here("runs", "reproduce", run, "--engine", "embedded", "--json", *words, code=code)
    told = json.loads(out)
    assert told["exit_code"] == code
    return {one["name"]: one["outcome"] for one in told["checks"] if one["required"]}


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.filterwarnings("ignore:.*<socket.socket:pytest.PytestUnraisableExceptionWarning")
def test_a_stage_is_made_again_alone_packed_by_its_run_and_refused_once_it_is_stale(
    project, here, tmp_path, monkeypatch
):
    raw = (project / "raw.txt").read_text()
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "one")
    here("repro", "--engine", "embedded", "--keep-going", code=1)

    # What the stage before it read is gone, and so is what it wrote: neither is made again.
    shutil.rmtree(project / "made")
    (project / "raw.txt").unlink()
    before = tree(project)
    found = again(here, "latest:fit", "--keep", tmp_path / "kept", code=0)
    assert set(found.values()) == {"same"}
    assert {"key", "code", "lock", "seed", "data made/clean.txt", "metric loss", "output out/model"} <= found.keys()
    assert (tmp_path / "kept/out/model/weights").read_text() == f"{raw}!1\n2\n3"
    assert tree(project) == before
    (project / "raw.txt").write_text(raw)

    assert again(here, "latest:roll", code=3)["metric points"] == "different"
    (tmp_path / "other").write_text("other")
    for name in ("numbers", "made/clean.txt"):
        _, said = here("runs", "reproduce", "latest:fit", "--data", f"{name}={tmp_path / 'other'}", code=5)
        assert f"is not the `{name}` that the run read" in said
    _, said = here("runs", "reproduce", "latest:fall", code=1)
    assert "did not end well" in said

    (tmp_path / "registry").mkdir()
    with serving(tmp_path / "registry") as registry:
        (tmp_path / "registry/config.json").write_text(login_at(registry.host))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "registry"))
        pushed, _ = here("push", ".", f"oci://{registry.host}/tiny:1", "--run", "latest:fit")
    assert "sha256:" in pushed
    here("bundle", ".", "--run", "latest:fit", "-o", tmp_path / "tiny.tar")
    told = json.loads(here("cat", tmp_path / "tiny.tar", "/bundle/run.json")[0])
    assert (told["kind"], told["command"], told["params"]) == ("stage", "fit", {"rate": 1.5})

    (project / "fit.py").write_text(FILES["fit.py"] + "#\n")
    for words in (("bundle", ".", "-o", tmp_path / "other.tar"), ("push", ".", "oci://127.0.0.1:1/tiny:2")):
        _, said = here(*words, "--run", "latest:fit", code=1)
        assert "stage `fit`: code fit.py changed" in said
    assert not (tmp_path / "other.tar").exists()

    (project / "raw.txt").write_text("other")  # what no stage made is kept nowhere
    out, _ = here("runs", "reproduce", "latest:clean", code=6)
    assert "what it read cannot be had: `raw.txt` (sha256:" in out


@pytest.mark.filterwarnings("ignore:.*<socket.socket:pytest.PytestUnraisableExceptionWarning")
def test_a_run_outside_of_git_is_made_again_where_its_code_is_still_there_and_restored_elsewhere(
    project, here, tmp_path, monkeypatch
):
    shared = ("repro", "fit", "--engine", "embedded", "--cache", tmp_path / "shared")
    here(*shared)
    elsewhere = project.with_name("elsewhere")
    shutil.copytree(project, elsewhere, ignore=shutil.ignore_patterns("runs", "out", "made", "stages.lock.json"))
    with monkeypatch.context() as other:
        other.chdir(elsewhere)
        other.setenv("ENVBUILD_CACHE", str(tmp_path / "store"))
        _, said = here(*shared)
    assert "2 stages: 2 restored" in said
    assert not list(elsewhere.glob("runs/*/run.json"))
    for path in ("made/clean.txt", "out/model/weights", "out/metrics.json"):
        assert (elsewhere / path).read_bytes() == (project / path).read_bytes()

    here("run", "--engine", "embedded", ".", "idle")
    assert set(again(here, "latest:fit", code=0).values()) == {"same"}
    assert again(here, "latest:idle", code=0)["code"] == "same"
    for name in ("fit.py", "idle.py"):
        (project / name).write_text("#")
    for run in ("fit", "idle"):
        out, _ = here("runs", "reproduce", f"latest:{run}", code=6)
        assert "its code cannot be had" in out
        assert f"`{run}.py` has changed" in out
