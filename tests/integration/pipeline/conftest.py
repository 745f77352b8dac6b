"""A project whose stages run on the embedded engine, in a small image of this machine's own Python."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import textwrap
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from python_images import Images, base_layer, file, folder

from builder.errors import EnvbuildError
from builder.history.folder import KeptRun, read_runs
from builder.history.record import RunRecord
from builder.lock.data.hashing import Hasher
from builder.oci.store import Store
from builder.pipeline.bench import Bench, EnvironmentImage, Wishes
from builder.pipeline.recording import Circumstances
from builder.pipeline.report import Report
from builder.pipeline.repro import Repro
from builder.pipeline.resolve import Surroundings, resolve
from builder.pipeline.schedule import Capacity
from builder.pipeline.shared import Shared
from builder.pipeline.stages_lock import StagesLock, read_stages_lock
from builder.run.embedded import EmbeddedEngine
from builder.run.interface import LocalImage
from builder.spec.load import load_project

_SPEC = """\
name: demo
environment: {python: "3.11", platforms: [linux/amd64]}
stages:
"""


@dataclass
class Screen:
    """Keeps what is shown."""

    lines: list[str] = field(default_factory=list)
    shown: dict[str, bytes] = field(default_factory=dict)
    errors: dict[str, EnvbuildError] = field(default_factory=dict)

    def say(self, text: str) -> None:
        self.lines.append(text)

    def printed(self, name: str, data: bytes) -> None:
        self.shown[name] = self.shown.get(name, b"") + data

    def ended(self, name: str, error: EnvbuildError | None, log: Path | None) -> None:
        if error:
            self.errors[name] = error


@dataclass
class Project:
    """A project with stages, and the store that it uses."""

    folder: Path
    store: Store
    image: LocalImage
    screen: Screen = field(default_factory=Screen)
    capacity: Capacity = field(default_factory=lambda: Capacity(2.0, None))
    circumstances: Circumstances = field(
        default_factory=lambda: Circumstances("demo", "1.0", {"name": "Ada"}, parent="20260101T000000Z-repro-000001")
    )
    told: list[RunRecord] = field(default_factory=list)
    shared: Shared | None = None
    environment: str = field(default_factory=lambda: secrets.token_hex(8))
    """The key of the plan of its environment: what other tests keep is not taken."""
    clock: Sequence[datetime] = ()
    """What the clock tells, one after the other; then the real time."""

    def write(self, **files: str) -> None:
        """Files by name, with `__` for `/` and `_dot_` for `.`; or by `write_at`."""
        for name, text in files.items():
            self.write_at(name.replace("__", "/").replace("_dot_", "."), text)

    def write_at(self, path: str, text: str) -> None:
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(textwrap.dedent(text))

    def stages(self, text: str) -> None:
        self.write_at("envbuild.yaml", _SPEC + textwrap.indent(textwrap.dedent(text), "  "))

    def read(self, path: str) -> str:
        return (self.folder / path).read_text()

    def lock(self) -> StagesLock:
        return read_stages_lock(self.folder / "lock")

    def runs(self) -> list[KeptRun]:
        """The earliest first."""
        return list(reversed(read_runs(self.folder).runs))

    def make(self, *names: str, **wishes: object) -> Repro:
        hasher = Hasher(self.store, time.time_ns)
        pipeline = resolve(
            load_project(self.folder), Surroundings(hasher, lambda _: self.environment, "linux/amd64"), names
        )
        times = iter(self.clock)
        bench = Bench(
            self.store,
            self.capacity,
            EmbeddedEngine,
            own_group=lambda: False,
            image=lambda _: EnvironmentImage(self.image, "sha256:" + "1" * 64),
            source=lambda port: self.folder / port.path,
            circumstances=lambda: self.circumstances,
            tidy=self.store.drop_scratch,
            screen=self.screen,
            now=lambda: next(times, None) or datetime.now(UTC),
            told=self.told.append,
            shared=self.shared,
        )
        return Repro(pipeline, self.lock(), bench, Wishes(**wishes))  # type: ignore[arg-type]

    def repro(self, *names: str, **wishes: object) -> Report:
        return self.make(*names, **wishes).run()

    def states(self, *names: str, **wishes: object) -> dict[str, str]:
        """What became of each stage."""
        return {one.stage: one.state for one in self.repro(*names, **wishes).stages}


@pytest.fixture(scope="session")
def stage_images() -> Iterator[Images]:
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    store = Store(root / "store")
    store.create()
    yield Images(store, base_layer())
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def stage_image(stage_images: Images) -> LocalImage:
    reason = EmbeddedEngine().unavailable()
    if reason and not os.environ.get("CI"):
        pytest.skip(reason)
    link = file("opt/env/bin/python", type=b"2", linkname="/usr/bin/python")
    folders = [folder(name) for name in ("app", "opt", "opt/env", "opt/env/bin", "run")]
    return stage_images.image([*folders, link])


@pytest.fixture
def project(tmp_path: Path, stage_images: Images, stage_image: LocalImage) -> Project:
    return Project(tmp_path, stage_images.store, stage_image)
