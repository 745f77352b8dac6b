"""Small projects with stages, resolved and judged without an environment that is locked."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from builder.history.content import Content
from builder.lock.data.hashing import Hasher
from builder.oci.store import Store
from builder.pipeline.key import key_of, key_parts
from builder.pipeline.resolve import Pipeline, Surroundings, resolve
from builder.pipeline.review import Review
from builder.pipeline.stage import ResolvedStage
from builder.pipeline.stages_lock import StageEntry, StagesLock
from builder.pipeline.status import Kept, Verdict
from builder.spec import LoadedProject, load_project

HEAD = 'environment: {python: "3.11"}\n'


@dataclass
class StagesProject:
    """A project on disk, and what its stages were last made of."""

    folder: Path
    store: Store
    environment_key: str = "e" * 64
    lock: StagesLock = field(default_factory=StagesLock)

    @classmethod
    def make(cls, folder: Path) -> StagesProject:
        store = Store(folder / "store")
        store.create()
        (folder / "project").mkdir()
        return cls(folder / "project", store)

    def write(self, files: Mapping[str, str]) -> None:
        for path, text in files.items():
            place = self.folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(textwrap.dedent(text))

    def declare(self, stages: str, head: str = HEAD) -> None:
        """Write `envbuild.yaml` with these stages."""
        self.write({"envbuild.yaml": head + "stages:\n" + textwrap.indent(textwrap.dedent(stages), "  ")})

    def load(self) -> LoadedProject:
        return load_project(self.folder)

    def resolve(self, *names: str) -> Pipeline:
        hasher = Hasher(self.store, time.time_ns)
        around = Surroundings(hasher, lambda _: self.environment_key, "linux/amd64")
        return resolve(self.load(), around, names)

    def stage(self, name: str) -> ResolvedStage:
        return next(stage for stage in self.resolve().stages if stage.name == name)

    def make_all(self) -> None:
        """Take the outputs that are there for what the stages made."""
        pipeline = self.resolve()
        for stage in pipeline.stages:
            inputs = {port.target: pipeline.contents.of(port) for port in stage.inputs}
            parts = key_parts(stage, {target: content for target, content in inputs.items() if content})
            outputs = {port.path: pipeline.contents.at(port.path) for port in stage.outputs}
            made = {path: content for path, content in outputs.items() if content}
            contracts = Review(pipeline, self.lock).contracts(stage)
            self.lock = self.lock.with_entry(stage.name, StageEntry(key_of(parts), parts, made, None, contracts))

    def review(self, *names: str, kept: Kept = lambda _: None) -> dict[str, Verdict]:
        return {verdict.stage: verdict for verdict in Review(self.resolve(*names), self.lock, kept).all()}


def three_stages(folder: Path) -> StagesProject:
    """`features`, `train` and `report`, one behind the other, all current."""
    project = StagesProject.make(folder)
    project.write(
        {
            "data/raw.csv": "a,b\n1,2\n",
            "params.yaml": "train: {rate: 0.1, depth: 3}\nother: 1\n",
            "src/churn/__init__.py": "",
            "src/churn/features.py": "from churn import table\n",
            "src/churn/table.py": "import csv\n",
            "src/churn/train.py": "import churn.table\n",
            "report.sh": "cat out/model.txt\n",
            "out/features.csv": "a\n",
            "out/model.txt": "model\n",
            "out/report.html": "report\n",
        }
    )
    project.declare(
        """
        features: {run: python -m churn.features, inputs: [data/raw.csv], outputs: [out/features.csv]}
        train:
          run: python -m churn.train
          inputs: [out/features.csv]
          outputs: [out/model.txt]
          params: {params.yaml: [train.rate]}
        report: {run: sh report.sh, inputs: [out/model.txt], outputs: [out/report.html]}
        """
    )
    project.make_all()
    return project


def file_content(text: str, name: str = "x") -> Content:
    import hashlib

    return Content.of_file(name, hashlib.sha256(text.encode()).hexdigest(), len(text))
