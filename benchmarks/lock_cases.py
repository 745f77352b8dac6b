"""What locking is measured by: against uv alone, and reading large locks."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from cases_interface import Line, Setting, each, seconds, timed
from measuring import Sample, median, rounds
from workspace import Workspace

from builder.layers.interface import LAYER_FORMAT
from builder.lock.artifact import DebianPackage, Wheel
from builder.lock.document import LOCK_FILE, Interpreter, LockDocument, PlatformLock
from builder.lock.folder import write_lock
from builder.lock.pypi.pylock import pylock_name, write_pylock
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.spec import load_environment

REQUIREMENTS = ("numpy", "pandas", "scikit-learn", "fastapi", "uvicorn[standard]", "mlflow-skinny")
"""54 packages, as of 2026."""
NOT_AFTER = "2026-11-01T00:00:00Z"
PLATFORMS = (Platform("amd64"), Platform("arm64"))
MACHINES = {"amd64": "x86_64-manylinux_2_36", "arm64": "aarch64-manylinux_2_36"}
_RATIO = 1.5
_ARTIFACTS = 500


def lock(setting: Setting) -> Iterator[Line]:
    """Resolving 54 packages for two platforms, next to uv alone for each of them. Needs the network."""
    space = setting.space
    folder = _environment(space, "lock-54", REQUIREMENTS)
    variables = {**os.environ, **space.environment()}

    def relock() -> Sample:
        return space.envbuild("lock", "--upgrade", str(folder), variables=variables)

    relock()
    count = len(load_lock_wheels(folder))
    measured = rounds({"lock": relock, "uv": partial(_bare, folder)}, setting.slow_runs)
    ratio = median(measured["lock"]) / median(measured["uv"])
    yield Line("uv alone, once for each of two platforms", seconds(measured["uv"]), seconds=each(measured["uv"]))
    yield Line(
        f"`lock --upgrade`, {count} packages, two platforms",
        f"{seconds(measured['lock'])}: {ratio:.2f} times as long",
        f"at most {_RATIO} times",
        ratio <= _RATIO,
        each(measured["lock"]),
    )


def check(setting: Setting) -> Iterator[Line]:
    """`lock --check` of a large lock."""
    folder = _environment(setting.space, "check-500", ("package-0",))
    write_large_lock(folder)
    subject = partial(setting.space.envbuild, "lock", "--check", str(folder))
    subject()
    yield timed(f"`lock --check`, {_ARTIFACTS} artifacts", rounds({"check": subject}, setting.runs)["check"], 0.3)


def write_large_lock(folder: Path) -> None:
    """A current lock of 200 wheels and 50 Debian packages for each of two platforms."""
    loaded = load_environment(folder)
    files: dict[str, bytes] = {}
    locks = {}
    for platform in PLATFORMS:
        name = pylock_name(platform)
        files[name] = write_pylock([_wheel(number) for number in range(200)], "3.11.2", "x86_64")
        debian = tuple(sorted(_deb(number, platform) for number in range(50)))
        locks[platform] = PlatformLock(
            "bookworm",
            Interpreter("debian", "3.11.2", "/usr/bin/python3.11"),
            debian,
            name,
            Digest.of(files[name]),
            tuple(package.name for package in debian),
        )
    document = LockDocument(loaded.environment.content, {}, LAYER_FORMAT, NOT_AFTER, locks)
    write_lock(loaded.lock_folder, {LOCK_FILE: document.to_bytes(), **files})


def load_lock_wheels(folder: Path) -> Sequence[Wheel]:
    """The wheels of one platform."""
    from builder.lock.folder import read_lock

    return read_lock(folder / "lock").wheels[PLATFORMS[0]]


def _environment(space: Workspace, name: str, requirements: Sequence[str]) -> Path:
    folder = space.folder / "fresh" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lines = "".join(f'    - "{text}"\n' for text in requirements)
    text = f'python: "3.11"\npypi:\n  exclude-newer: {NOT_AFTER}\n  requirements:\n{lines}'
    (folder / "environment.yaml").write_text(text, "utf-8")
    (folder / "requirements.in").write_text("".join(f"{text}\n" for text in requirements), "utf-8")
    return folder


def _bare(folder: Path) -> Sample:
    from uv import find_uv_bin

    start = time.perf_counter()
    for platform in PLATFORMS:
        command = [
            find_uv_bin(), "pip", "compile", "-q", str(folder / "requirements.in"), "--only-binary", ":all:",
            "--format", "pylock.toml", "-o", str(folder / "pylock.bare.toml"), "--python-version", "3.11",
            "--python-platform", MACHINES[platform.architecture], "--exclude-newer", NOT_AFTER, "--no-config",
            "--upgrade",
        ]  # fmt: skip
        subprocess.run(command, capture_output=True, check=True)
    return Sample(time.perf_counter() - start, 0, 0, "")


def _wheel(number: int) -> Wheel:
    file = f"package_{number}-1.{number}-py3-none-any.whl"
    digest = hashlib.sha256(file.encode()).hexdigest()
    url = f"https://files.pythonhosted.org/packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{file}"
    needs = tuple(f"package-{other}" for other in range(number + 1, min(number + 4, 200)))
    return Wheel(f"package-{number}", f"1.{number}", file, Digest(digest), 10_000, url, needs, "MIT")


def _deb(number: int, platform: Platform) -> DebianPackage:
    file = f"lib{number}_1.{number}_{platform.architecture}.deb"
    url = f"http://deb.debian.org/debian/pool/main/l/lib{number}/{file}"
    return DebianPackage(
        f"lib{number}", f"1.{number}", platform.architecture, Digest.of(file.encode()), 10_000, (url, url)
    )
