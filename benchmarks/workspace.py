"""What is measured: copies of the example, its environment and variants of its lock, and the stores to build in."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from measuring import Sample, run

from builder.cli.machine import host_platform
from builder.lock.artifact import Wheel
from builder.lock.document import LOCK_FILE, Lock
from builder.lock.folder import read_lock
from builder.lock.pypi.pylock import MACHINES, write_pylock
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.spec import load_environment

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE, ENVIRONMENT = "examples/penguins", "environments/sklearn"
MEASURED = "measured"
"""The environment and the project whose wheels and code are changed."""


@dataclass(frozen=True)
class Workspace:
    """A folder that keeps the downloads between runs; all else in it is made anew."""

    folder: Path

    @classmethod
    def prepare(cls, folder: Path) -> Workspace:
        """Copy the example, and fetch and build everything once."""
        space = cls(folder.resolve())
        for name in ("project", "large", "fresh"):
            shutil.rmtree(space.folder / name, ignore_errors=True)
        for name in (EXAMPLE, ENVIRONMENT):
            shutil.copytree(ROOT / name, space.folder / "project" / name, ignore=shutil.ignore_patterns("out", "model"))
        space.write_variant("base", ())
        space.envbuild("build", str(space.example))
        space.envbuild("build", str(space.base), "--platform", str(space.platform))
        return space

    @property
    def store(self) -> Path:
        """The warm store."""
        return self.folder / "store"

    @property
    def example(self) -> Path:
        """The project."""
        return self.folder / "project" / EXAMPLE

    @property
    def base(self) -> Path:
        """The example's environment without its wheels."""
        return self.folder / "project/environments/base"

    @cached_property
    def platform(self) -> Platform:
        """The platform of this machine."""
        return host_platform()

    @cached_property
    def lock(self) -> Lock:
        """The example's lock."""
        return read_lock(self.folder / "project" / ENVIRONMENT / "lock")

    @property
    def wheels(self) -> tuple[Wheel, ...]:
        """The wheels for this machine."""
        return self.lock.wheels[self.platform]

    def artifact(self, digest: Digest) -> Path:
        """A fetched artifact."""
        return self.store / "blobs/sha256" / digest.hex

    def linked_wheels(self, folder: Path, wheels: Iterable[Wheel] | None = None) -> list[Path]:
        """The example's wheels, or other ones that are in the store, under their own names in a new folder."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for wheel in set(self.wheels if wheels is None else wheels):
            os.link(self.artifact(wheel.digest), folder / wheel.file_name)
        return sorted(folder.iterdir())

    def environment(self, store: Path | None = None) -> dict[str, str]:
        """The variables of measured commands: this checkout's code, compiled as in an installed package."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ENVBUILD"))}
        compiled = {"PYTHONPYCACHEPREFIX": str(self.folder / "bytecode")}
        return {**kept, **compiled, "PYTHONPATH": str(ROOT), "ENVBUILD_CACHE": str(store or self.store)}

    def envbuild(
        self,
        *arguments: str,
        store: Path | None = None,
        watch: bool = False,
        variables: Mapping[str, str] | None = None,
    ) -> Sample:
        """Run envbuild with these arguments. Raises: CommandFailedError."""
        command = [sys.executable, "-c", "from builder.cli import main; main()", *arguments]
        return run(command, {**self.environment(store), **(variables or {})}, self.folder, watch)

    def fresh_store(self, extra: Iterable[Digest] = ()) -> Path:
        """An empty store but for the artifacts of this machine's platform, linked from the warm one."""
        store = self.folder / "fresh" / "store"
        shutil.rmtree(store, ignore_errors=True)
        (store / "blobs/sha256").mkdir(parents=True)
        locked = self.lock.document.platforms[self.platform].debian
        digests = {package.digest for package in locked} | {wheel.digest for wheel in self.wheels}
        for digest in digests.union(extra):
            os.link(self.artifact(digest), store / "blobs/sha256" / digest.hex)
        return store

    def write_project(self, wheels: Iterable[Wheel], name: str = MEASURED) -> Path:
        """A copy of the example for this machine's platform, whose environment has these wheels. Code is kept."""
        self.write_variant(name, wheels)
        folder = self.folder / "project/examples" / name
        if not folder.exists():
            shutil.copytree(self.example, folder)
            spec = folder / "envbuild.yaml"
            text = spec.read_text("utf-8")
            assert ENVIRONMENT in text
            spec.write_text(text.replace(ENVIRONMENT, f"environments/{name}"), "utf-8")
        return folder

    def edit(self, mark: str, project: Path | None = None) -> None:
        """Change one line of the code of the example, or of a copy of it."""
        source = (project or self.example) / "src/penguins/train.py"
        lines = [line for line in source.read_text("utf-8").splitlines() if not line.startswith("# edited")]
        source.write_text("\n".join([*lines, f"# edited {mark}", ""]), "utf-8")

    def write_variant(self, name: str, wheels: Iterable[Wheel]) -> Path:
        """An environment with this machine's Debian packages and interpreter, and `wheels` instead of the locked."""
        folder = self.folder / "project/environments" / name
        (folder / "lock").mkdir(parents=True, exist_ok=True)
        lines = (self.folder / "project" / ENVIRONMENT / "environment.yaml").read_text("utf-8").splitlines()
        kept = itertools.takewhile(lambda line: not line.startswith("pypi:"), lines)
        spec = "\n".join(line for line in kept if not line.startswith("platforms:"))
        (folder / "environment.yaml").write_text(f"{spec}\nplatforms: [{self.platform}]\n", "utf-8")
        locked = self.lock.document.platforms[self.platform]
        pylock = write_pylock(wheels, locked.interpreter.version, MACHINES[self.platform.architecture])
        document = replace(
            self.lock.document,
            spec=load_environment(folder).environment.content,
            platforms={self.platform: replace(locked, pylock_digest=Digest.of(pylock))},
        )
        (folder / "lock" / locked.pylock).write_bytes(pylock)
        (folder / "lock" / LOCK_FILE).write_bytes(document.to_bytes())
        return folder

    def add_wheel(self, path: Path, name: str, version: str) -> Wheel:
        """Put a wheel into the warm store as if it had been fetched."""
        checksum = sha256()
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                checksum.update(chunk)
        digest = Digest(checksum.hexdigest())
        if not self.artifact(digest).exists():
            shutil.copy(path, self.artifact(digest))
        return Wheel(name, version, path.name, digest, path.stat().st_size, f"https://example.org/{path.name}")
