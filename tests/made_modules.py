"""Projects whose stages use modules, and modules, for tests."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import yaml

from builder.lock.data.hashing import Hasher
from builder.lock.modules import ModulesLock, read_modules_lock
from builder.oci.store import Store
from builder.pipeline.modules.folder import Places
from builder.pipeline.modules.take import Taken
from builder.pipeline.resolve import Surroundings, resolve
from builder.pipeline.stage import ResolvedStage
from builder.spec import LoadedProject, load_project

MODULE = """
name: scale
version: "1.2"
description: Scales the columns of a table.
owner: data team
run: python scale.py
inputs:
  table: {path: in/table.csv, description: What is scaled.}
  limits: {path: in/limits, kind: folder, optional: true}
outputs:
  scaled: {path: result/table.csv}
  figures: {path: result/figures.json, metrics: true, optional: true}
params:
  factor: {type: number, default: 2, minimum: 0}
  method: {type: string, values: [linear, log], default: linear}
  columns: {type: list}
env: {LEVEL: "1"}
"""

USE = {
    "uses": "modules/scale",
    "inputs": {"table": "data/raw.csv"},
    "outputs": {"scaled": "data/scaled.csv"},
    "params": {"columns": ["a"]},
}


def write_module(folder: Path, text: str = MODULE) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "module.yaml").write_text(text)
    (folder / "scale.py").write_text("import shared\n")
    (folder / "shared.py").write_text("")


def write_project(folder: Path, stages: Mapping[str, object], **more: object) -> LoadedProject:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "data/raw.csv").write_text("a,b\n1,2\n")
    document = {"environment": {"python": "3.11"}, **more, "stages": stages}
    (folder / "envbuild.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return load_project(folder)


def places(loaded: LoadedProject, store: Store) -> Places:
    def no_registry() -> None:
        raise AssertionError("no registry is asked")

    return Places(loaded.folder, Hasher(store, lambda: 0), no_registry)  # type: ignore[arg-type]


def resolved(loaded: LoadedProject, store: Store, lock: ModulesLock | None = None) -> dict[str, ResolvedStage]:
    """The stages of a project, with the modules as they are locked."""
    lock = lock or read_modules_lock(loaded.folder / "lock")
    place = places(loaded, store)
    key = functools.partial(lambda environment: f"key of {environment.file}")
    found = resolve(loaded, Surroundings(place.hasher, key, "linux/amd64", Taken(loaded, place, lock.modules)))
    return {stage.name: stage for stage in found.stages}
