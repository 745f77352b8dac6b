"""A pipeline with nothing to do: how soon that is known, here and by DVC on the project that was imported from it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from cases_interface import Line, Setting, compared, timed
from measuring import median, rounds, run

from builder.lock.data.hashing import Hasher
from builder.oci.store import Store
from builder.pipeline.environments import environment_key
from builder.pipeline.imported.dvc import import_dvc
from builder.pipeline.imported.write import project_text
from builder.pipeline.key import key_of, key_parts
from builder.pipeline.resolve import Surroundings, resolve
from builder.pipeline.stages_lock import StageEntry, StagesLock, write_stages_lock
from builder.spec.load import load_project

_DVC = "dvc==3.67.1"
_STAGES, _FILES = 100, 100
"""And of files of data those of each stage."""


def pipeline(setting: Setting) -> Iterator[Line]:
    """`repro` where nothing changed, of 100 stages and 10,000 files, and `dvc repro` on the same files in turn."""
    dvc = _installed(setting.space.folder / "dvc")
    folder = setting.space.folder / "many-stages"
    if not (folder / "dvc.lock").exists():
        _write(folder)
        for words in (("init", "--no-scm", "--quiet", "--force"), ("repro", "--quiet")):
            run([str(dvc), *words], _variables(dvc), folder)
    _import(setting, folder)
    subjects = {
        "envbuild": partial(setting.space.envbuild, "repro", "--project", str(folder)),
        "dvc": partial(run, [str(dvc), "repro"], _variables(dvc), folder),
    }
    for subject in subjects.values():
        subject()  # what is hashed is remembered, by both
    found = rounds(subjects, setting.runs)
    what = f"`repro` with nothing to do, {_STAGES} stages, {_STAGES * _FILES:,} files"
    yield timed(what, found["envbuild"], 0.5)
    yield compared("`dvc repro` on the same project", median(found["dvc"]), median(found["envbuild"]), 3)


def _installed(folder: Path) -> Path:
    """DVC in an environment of its own."""
    if not (folder / "done").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(folder / "bin/python"), "-m", "pip", "install", "-q", _DVC], check=True)
        (folder / "done").touch()
    return folder / "bin/dvc"


def _variables(dvc: Path) -> dict[str, str]:
    return {**os.environ, "DVC_NO_ANALYTICS": "1", "PATH": f"{dvc.parent}:{os.environ['PATH']}"}


def _write(folder: Path) -> None:
    """Stages that each read a folder of files and what the one before made."""
    lines = ["stages:"]
    for number in range(_STAGES):
        data = folder / f"data/{number}"
        data.mkdir(parents=True, exist_ok=True)
        for file in range(_FILES):
            (data / f"{file}.txt").write_text(f"{number} {file}\n" * 20)
        before = f", out/{number - 1}.txt" if number else ""
        lines += [
            f"  s{number}:",
            f"    cmd: cp data/{number}/0.txt out/{number}.txt",
            f"    deps: [data/{number}{before}]",
            f"    outs: [out/{number}.txt]",
        ]
    (folder / "out").mkdir(exist_ok=True)
    (folder / "dvc.yaml").write_text("\n".join(lines) + "\n")


def _import(setting: Setting, folder: Path) -> None:
    """The same project with its stages as DVC ran them, in an environment that is locked."""
    environment = os.path.relpath(setting.space.base, folder)
    imported = import_dvc(folder / "dvc.yaml", folder)
    (folder / "envbuild.yaml").write_text(project_text(imported, environment))
    hasher = Hasher(Store(setting.space.store), time.time_ns)
    platform = setting.space.platform
    key = partial(environment_key, platform=platform, store=hasher.store)
    found = resolve(load_project(folder), Surroundings(hasher, key, str(platform)))
    entries = {}
    for stage in found.stages:
        inputs = {port.target: found.contents.at(port.path) for port in stage.inputs}
        parts = key_parts(stage, {target: one for target, one in inputs.items() if one})
        outputs = {port.path: found.contents.at(port.path) for port in stage.outputs}
        entries[stage.name] = StageEntry(key_of(parts), parts, {path: one for path, one in outputs.items() if one})
    write_stages_lock(folder / "lock", StagesLock(entries))
