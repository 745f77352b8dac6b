"""The real DVC: an imported project has the same order, and the same stages are stale after the same changes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from builder.lock.data.hashing import Hasher
from builder.oci.store import Store
from builder.pipeline.imported.dvc import import_dvc
from builder.pipeline.imported.write import project_text
from builder.pipeline.key import key_of, key_parts
from builder.pipeline.resolve import Pipeline, Surroundings, resolve
from builder.pipeline.review import Review
from builder.pipeline.stages_lock import StageEntry, StagesLock
from builder.spec.load import load_project

RELEASE = "dvc==3.67.1"
PIPELINE = """
stages:
  clean:
    cmd: python clean.py
    deps: [clean.py, raw.csv]
    params: [clean.drop]
    outs: [clean.csv]
  train:
    cmd: python train.py > train.log
    deps: [clean.csv, conf]
    params: [train, other.json: [depth]]
    outs: [model.txt, train.log]
  score:
    foreach: [a, b]
    do:
      cmd: python score.py ${item}
      deps: [model.txt, score.py]
      outs: ["scores/${item}.txt"]
      metrics: ["scores/${item}.json": {cache: false}]
"""
FILES = {
    "clean.py": "import helper\nopen('clean.csv', 'w').write(open('raw.csv').read().upper())\n",
    "helper.py": "x = 1\n",
    "train.py": "open('model.txt', 'w').write(open('clean.csv').read())\n",
    "score.py": """\
import os, sys
os.makedirs("scores", exist_ok=True)
open(f"scores/{sys.argv[1]}.txt", "w").write(open("model.txt").read())
open(f"scores/{sys.argv[1]}.json", "w").write('{"auc": 0.5}')
""",
    "raw.csv": "a,b\n1,2\n",
    "conf/one.ini": "[a]\n",
    "params.yaml": "# all of it\nclean: {drop: [1, 2]}\ntrain: {rate: 0.1}\nunused: 1\n",
    "other.json": '{"depth": 3, "more": 4}',
    "dvc.yaml": PIPELINE,
}
NAMES = {"score-a": "score@a", "score-b": "score@b"}


@dataclass(frozen=True)
class Project:
    folder: Path
    dvc: Path
    store: Store

    def ask(self, *words: str) -> str:
        environment = {**os.environ, "DVC_NO_ANALYTICS": "1", "PATH": f"{self.dvc.parent}:{os.environ['PATH']}"}
        line = [self.dvc, *words]
        done = subprocess.run(line, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def pipeline(self) -> Pipeline:
        found = import_dvc(self.folder / "dvc.yaml", self.folder)
        (self.folder / "envbuild.yaml").write_text(project_text(found, {"python": "3.11"}))
        hasher = Hasher(self.store, lambda: 0)
        return resolve(load_project(self.folder), Surroundings(hasher, lambda _: "environment", "linux/amd64"))

    def made(self) -> StagesLock:
        """That all stages have just been run."""
        pipeline = self.pipeline()
        entries = {}
        for stage in pipeline.stages:
            inputs = {port.target: pipeline.contents.at(port.path) for port in stage.inputs}
            outputs = {port.path: pipeline.contents.at(port.path) for port in stage.outputs}
            parts = key_parts(stage, {target: content for target, content in inputs.items() if content})
            known = {path: content for path, content in outputs.items() if content}
            entries[stage.name] = StageEntry(key_of(parts), parts, known)
        return StagesLock(entries)

    def stale(self, lock: StagesLock) -> set[str]:
        """The stages that are not current for a reason of their own, as DVC calls them."""
        verdicts = Review(self.pipeline(), lock).all()
        own = {one.stage for one in verdicts if any(not re.match(r"stage `\S+` is stale", why) for why in one.reasons)}
        return {NAMES.get(name, name) for name in own}

    def stale_for_dvc(self) -> set[str]:
        return set(json.loads(self.ask("status", "--json")))


@pytest.fixture(scope="module")
def dvc(store: Path) -> Path:
    """DVC in an environment of its own, which is kept where downloads are."""
    folder = store / RELEASE.replace("==", "-")
    if not (folder / "done").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([folder / "bin/python", "-m", "pip", "install", "-q", RELEASE], check=True)
        (folder / "done").touch()
    return folder / "bin/dvc"


@pytest.fixture(scope="module")
def run_once(dvc: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("dvc")
    project = Project(folder / "project", dvc, Store(folder / "store"))
    project.store.create()
    for path, text in FILES.items():
        (project.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (project.folder / path).write_text(text)
    project.ask("init", "--no-scm", "--quiet")
    project.ask("repro", "--quiet")
    return project


@pytest.fixture
def project(run_once: Project, tmp_path: Path) -> Project:
    shutil.copytree(run_once.folder, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project", run_once.dvc, run_once.store)


def edit(path: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / path).read_text()
        assert old in text
        (folder / path).unlink()  # DVC's outputs may be linked from its cache
        (folder / path).write_text(text.replace(old, new))

    return change


SAME: dict[str, Callable[[Path], None]] = {
    "nothing": lambda _: None,
    "touched": lambda folder: os.utime(folder / "raw.csv", (1, 1)),
    "input": edit("raw.csv", "1", "9"),
    "file-in-an-input-folder": lambda folder: (folder / "conf/two.ini").touch() or None,
    "input-gone-from-a-folder": lambda folder: (folder / "conf/one.ini").rename(folder / "conf/renamed.ini") and None,
    "parameter": edit("params.yaml", "0.1", "0.2"),
    "parameter-in-a-group": edit("params.yaml", "{rate: 0.1}", "{rate: 0.1, new: 1}"),
    "parameter-in-a-list": edit("params.yaml", "[1, 2]", "[1, 3]"),
    "unused-parameter": edit("params.yaml", "unused: 1", "unused: 2"),
    "unused-parameter-of-a-json": edit("other.json", "4", "5"),
    "comment-of-parameters": edit("params.yaml", "# all of it", "# some of it"),
    "order-of-parameters": edit("params.yaml", "unused: 1\n", ""),
    "script": edit("score.py", "sys.argv[1]", "sys.argv[-1]"),
    "command": edit("dvc.yaml", "python train.py >", "python -O train.py >"),
    "command-of-a-loop": edit("dvc.yaml", "python score.py ${item}", "python score.py ${item} x"),
    "output-changed": edit("scores/a.txt", "A", "Z"),
    "output-gone": lambda folder: (folder / "scores/b.txt").unlink(),
    "metrics-gone": lambda folder: (folder / "scores/a.json").unlink(),
    "one-more-input": edit("dvc.yaml", "[clean.csv, conf]", "[clean.csv, conf, raw.csv]"),
    "one-more-in-a-loop": edit("dvc.yaml", "foreach: [a, b]", "foreach: [a, b, c]"),
}


def test_the_graph_is_the_same(project: Project) -> None:
    edges = re.findall(r'"(\S+)" -> "(\S+)"', project.ask("dag", "--dot"))
    needs = project.pipeline().needs
    ours = {(NAMES.get(before, before), NAMES.get(name, name)) for name, found in needs.items() for before in found}
    assert {tuple(edge) for edge in edges} == ours


@pytest.mark.parametrize("name", sorted(SAME))
def test_the_same_stages_are_stale_after_the_same_change(project: Project, name: str) -> None:
    lock = project.made()
    assert project.stale(lock) == set()
    SAME[name](project.folder)
    expected = {one.replace("score@c", "score-c") for one in project.stale_for_dvc()}
    assert project.stale(lock) == expected


def test_what_a_script_imports_is_code_here_and_unknown_to_dvc(project: Project) -> None:
    """DVC knows of a file what its `deps` say; here what a script imports is found, so a change of it counts."""
    lock = project.made()
    edit("helper.py", "1", "2")(project.folder)
    assert (project.stale_for_dvc(), project.stale(lock)) == (set(), {"clean"})


def test_a_script_that_only_the_command_names_is_code_here(project: Project) -> None:
    """`train.py` is in no `deps`: DVC would not run `train` again."""
    lock = project.made()
    edit("train.py", "model.txt", "./model.txt")(project.folder)
    assert (project.stale_for_dvc(), project.stale(lock)) == (set(), {"train"})


@pytest.mark.parametrize("is_gone", [True, False], ids=["gone", "changed"])
def test_an_output_changed_by_hand_is_restored_and_those_behind_it_stay_current(
    project: Project, is_gone: bool
) -> None:
    """DVC takes what is in the project for the input of the next stage; here that is what its stage made."""
    lock = project.made()
    if is_gone:
        (project.folder / "model.txt").unlink()
    else:
        edit("model.txt", "A", "Z")(project.folder)
    assert project.stale_for_dvc() == {"train", "score@a", "score@b"}
    assert project.stale(lock) == {"train"}
