"""Bundles with large weights: packing them against hashing and copying them, verifying against hashing, reading."""

from __future__ import annotations

import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from cases_interface import Line, Setting, each, timed
from measuring import Sample, median, rounds, run
from workspace import Workspace

_PIECE = 1 << 20
_MEMORY = 200e6
_HASH_AND_COPY = 'sha256sum "$0" && cp "$0" "$1" && sync "$1"'
_INFLATE = """
import hashlib, io, sys, tarfile
from isal import igzip
with tarfile.open(sys.argv[1]) as archive:
    for member in archive:
        file = archive.extractfile(member)
        if file is None or not member.name.startswith("blobs/"):
            continue
        layer, content = hashlib.sha256(), hashlib.sha256()
        is_gzip = file.read(2) == b"\\x1f\\x8b"
        file.seek(0)
        while piece := file.read(1 << 20):
            layer.update(piece)
        file.seek(0)
        with igzip.IGzipFile(fileobj=file, mode="rb") if is_gzip else io.BytesIO() as inflated:
            while piece := inflated.read(1 << 20):
                content.update(piece)
"""


def weights(setting: Setting, size: int = 2_000_000_000) -> Iterator[Line]:
    """Packing a model, whose bytes are others each time, against `sha256sum` and one copy that is on the disk too.

    Then reading and verifying what was packed, and packing the example, a small bundle, with a line of code edited.
    """
    space = setting.space
    project = space.write_project(space.wheels, "weights")
    file, bundle, copy = project / "out/model/weights.bin", space.folder / "w.tar", space.folder / "w.bin"
    write_weights(file, size)
    subjects: dict[str, Callable[[], Sample]] = {
        "sha256sum and cp": partial(_shell, space, _HASH_AND_COPY, file, copy),
        "bundle": lambda: _pack(space, project, bundle, file),
    }
    space.envbuild("build", str(project))
    measured = rounds(subjects, setting.slow_runs)
    yield _ratio(f"`bundle` with a model of {size / 1e9:.1f} GB", measured["bundle"], measured["sha256sum and cp"], 1.3)
    peak = max(sample.peak for sample in measured["bundle"])
    yield Line("the memory that it takes", f"{peak / 1e6:.0f} MB", f"under {_MEMORY / 1e6:.0f} MB", peak < _MEMORY)
    copy.unlink()
    before = space.folder / "before.tar"
    bundle.rename(before)
    _pack(space, project, bundle, file)
    yield from _read(setting, before, bundle)
    for path in (file, before):
        path.unlink()
    yield from _verified(setting, bundle)
    bundle.unlink()


def _read(setting: Setting, before: Path, bundle: Path) -> Iterator[Line]:
    """What reads documents alone, of two bundles with other weights."""
    space = setting.space
    subjects: dict[str, Callable[[], Sample]] = {
        f"`inspect` of that bundle ({_size(bundle)})": partial(space.envbuild, "inspect", str(bundle)),
        "`diff` of two such bundles": partial(space.envbuild, "diff", str(before), str(bundle)),
    }
    for subject in subjects.values():
        subject()
    for what, samples in rounds(subjects, setting.runs).items():
        yield timed(what, samples, 0.5)


def _verified(setting: Setting, bundle: Path) -> Iterator[Line]:
    space, small = setting.space, setting.space.folder / "small.tar"
    pack = partial(space.envbuild, "bundle", str(space.example), "-o", str(small))
    pack()
    subjects: dict[str, Callable[[], Sample]] = {
        "sha256sum": partial(_shell, space, 'sha256sum "$0"', bundle),
        "verify": partial(space.envbuild, "verify", str(bundle)),
        "inflating": partial(_inflate, space, small),
        "verify compressed": partial(space.envbuild, "verify", str(small)),
    }
    found = rounds(subjects, setting.slow_runs)
    yield _ratio(f"`verify` of that bundle ({_size(bundle)})", found["verify"], found["sha256sum"], 1.5, "`sha256sum`")
    what = "inflating and hashing its layers in one process"
    yield _ratio(f"`verify` of the example's bundle ({_size(small)})", found["verify compressed"], found["inflating"],
                 1.3, what)  # fmt: skip

    def edited() -> Sample:
        space.edit(str(time.time_ns()))
        return pack()

    yield timed("one line of code edited: `bundle`", rounds({"edit": edited}, setting.runs)["edit"], 1.0)
    small.unlink()


def write_weights(path: Path, size: int) -> None:
    """Bytes that do not compress."""
    shutil.rmtree(path.parent, ignore_errors=True)
    path.parent.mkdir(parents=True)
    chance = random.Random(size)
    with path.open("wb") as file:
        for start in range(0, size, _PIECE):
            file.write(chance.randbytes(min(_PIECE, size - start)))


def _pack(space: Workspace, project: Path, bundle: Path, file: Path) -> Sample:
    """A bundle of weights that nobody has seen yet."""
    with file.open("r+b") as weights:
        weights.write(time.time_ns().to_bytes(8, "big"))
    bundle.unlink(missing_ok=True)
    return space.envbuild("bundle", str(project), "-o", str(bundle), watch=True)


def _shell(space: Workspace, script: str, *paths: Path) -> Sample:
    return run(["sh", "-c", script, *map(str, paths)], space.environment(), space.folder)


def _inflate(space: Workspace, bundle: Path) -> Sample:
    return run([sys.executable, "-c", _INFLATE, str(bundle)], space.environment(), space.folder)


def _ratio(
    what: str, own: Sequence[Sample], other: Sequence[Sample], goal: float, named: str = "`sha256sum` and one copy"
) -> Line:
    ratio = median(own) / median(other)
    value = f"{median(own):.2f} s: {ratio:.2f} times as long as {named} ({median(other):.2f} s)"
    return Line(what, value, f"at most {goal:g} times", ratio <= goal, each(own))


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.0f} MB"
