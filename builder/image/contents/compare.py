"""One image compared with its lock: labels, layers, packages of every kind, the interpreter, nothing extra. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from builder.errors import EnvbuildError
from builder.image.config import LOCK_LABEL, environment_config
from builder.image.contents.claims import Claim, Claims
from builder.image.contents.conda import check_conda
from builder.image.contents.debian import check_debian, not_locked, unclaimed
from builder.image.contents.layers import added_names, kind_of, kinds_of, strays
from builder.image.contents.python import check_wheels
from builder.image.skeleton import CODE, ENVIRONMENT, environment_files
from builder.layers.files import FileEntry, Kind
from builder.lock.document import Lock, PlatformLock
from builder.oci.documents import ImageConfig, Platform
from builder.oci.layer_rules import FILE, SYMBOLIC_LINK, shown
from builder.oci.problems import Problem, first
from builder.oci.validate import Checked
from builder.plan import make_plan

FOREIGN = "its layers are not those that envbuild makes, so files outside of `/opt/env` were not compared"
OTHER_LOCK = "it is of another lock"
BYTECODE = "bytecode can only be made again and compared, which `--rebuild` does"

_LABEL = f"$.config.Labels.{LOCK_LABEL}"
_BY_VENV = frozenset(f"{ENVIRONMENT}/bin/{name}".encode() for name in ("Activate.ps1", "activate.csh", "activate.fish"))
"""What `python -m venv` makes in a Dockerfile besides what envbuild does: scripts for other shells."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of comparing."""

    problems: tuple[Problem, ...]
    packages: Mapping[str, int]
    """How many packages of each kind were compared."""
    left_out: str = ""
    """What could not be compared, as nothing tells how it should be."""
    not_compared: str = ""
    """Why nothing was compared."""
    notes: tuple[Problem, ...] = ()


def compare(image: Checked, lock: Lock) -> Comparison:
    """Everything in which an image differs from what a lock says of it."""
    platform = _platform(image.config.platform, lock)
    if platform is None:
        there = ", ".join(map(str, lock.platforms))
        what = f"image {image.descriptor.digest} is for {image.config.platform}, and the lock has {there}"
        return Comparison((Problem("contents", what, path="$.platform"),), {})
    label = image.config.labels.get(LOCK_LABEL)
    if label and label != str(lock.digest):
        what = f"{_about(image)} says that it is of the lock {label[:80]}, and not of {lock.digest}"
        problem = Problem("contents", f"{what}, so what is in it was not compared", path=_LABEL)
        return Comparison((problem,), {}, not_compared=OTHER_LOCK)
    return _Compared(image, lock, platform).result()


def _platform(platform: Platform, lock: Lock) -> Platform | None:
    """The lock's name for a platform, which may leave its variant out."""
    bare = Platform(platform.architecture, platform.os)
    return next((one for one in (platform, bare) if one in lock.document.platforms), None)


class _Compared:
    """One comparison."""

    def __init__(self, image: Checked, lock: Lock, platform: Platform) -> None:
        self._image, self._lock, self._platform = image, lock, platform
        self._locked: PlatformLock = lock.document.platforms[platform]
        self._files = image.files
        self._base = len(self._locked.image.layers) if self._locked.image else 0
        kinds = kinds_of(image.config, len(image.manifest.layers))
        self._kinds = (*[""] * self._base, *kinds[self._base :])
        self._claims = Claims()

    @property
    def _is_foreign(self) -> bool:
        """Whether envbuild made none of its layers, as where it was built from a Dockerfile."""
        return not any(self._kinds)

    def result(self) -> Comparison:
        """What came of it."""
        locked, lock = self._locked, self._lock
        wheels, conda = lock.wheels[self._platform], lock.conda.get(self._platform, ())
        debian: Sequence[Problem] = ()
        if not locked.image:
            debian = tuple(check_debian(locked.debian, self._files, self._claims, on_base=self._is_foreign))
        problems = [
            *self._labels(),
            *first(self._layers()),
            *first(debian),
            *first(check_conda(conda, self._files, self._claims)),
            *first(check_wheels(wheels, locked.interpreter.minor, self._files, self._claims)),
            *first(self._interpreter()),
            *first(self._differences()),
            *first(self._extras()),
        ]
        packages = {"Debian": len(locked.debian), "conda": len(conda), "Python": len(wheels)}
        left_out = FOREIGN if self._is_foreign else BYTECODE if self._is_compiled else ""
        return Comparison(tuple(problems), packages, left_out, notes=tuple(self._notes()))

    def _notes(self) -> Iterator[Problem]:
        count = not_locked(self._locked.debian, self._files) if self._is_foreign and not self._locked.image else 0
        if count:
            what = "1 Debian package of the base is" if count == 1 else f"{count} Debian packages of the base are"
            yield Problem("contents", f"{what} not locked")

    @property
    def _is_compiled(self) -> bool:
        """Whether the lock asks for bytecode."""
        return self._lock.document.spec.get("compile") is True

    def _labels(self) -> Iterator[Problem]:
        config, about = self._image.config, _about(self._image)
        if not config.labels.get(LOCK_LABEL):
            yield Problem("contents", f"{about} names no lock; this one is {self._lock.digest}", path=_LABEL)
        if not self._is_foreign and config.created != self._lock.document.created:
            created = self._lock.document.created
            yield Problem("contents", f"{about} was not created at {created}, as the lock says", path="$.created")

    def _layers(self) -> Iterator[Problem]:
        """The layers that the lock gives are there, in their order, and no others but those of the project."""
        base, there = self._locked.image, self._image.config.diff_ids
        for number, diff_id in enumerate(base.diff_ids if base else ()):
            if number >= len(there) or there[number] != diff_id:
                yield Problem("contents", f"layer {number + 1} has not the diff_id {diff_id} of the locked base")
        if not self._is_foreign:
            yield from self._planned()

    def _planned(self) -> Iterator[Problem]:
        config, layers = self._image.config, self._image.manifest.layers
        try:
            planned = environment_config(make_plan(self._lock, self._platform), ())
        except EnvbuildError as error:
            yield Problem("contents", f"the lock gives no image to compare with: {error}")
            return
        added = added_names(config.history)
        # a layer of bytecode that turns out empty is left out
        given = [name for name in planned.history if kind_of(name) != "bytecode" or name in config.history]
        for number, (name, wanted) in enumerate(zip_longest(config.history, (*given, *added))):
            if name != wanted:
                digest = str(layers[number].digest) if number < len(layers) else ""
                what = f"is `{_short(name)}`" if name else "is not there"
                should = f"the lock gives `{_short(wanted)}`" if wanted else "the lock gives no such layer"
                yield Problem("contents", f"layer {number + 1} {what}, where {should}", digest)
        planned = replace(planned, working_dir=f"/{CODE}") if added else planned
        yield from _settings(config, planned, str(self._image.manifest.config.digest))

    def _interpreter(self) -> Iterator[Problem]:
        """It is there and can be executed; and the environment's own files are those that lead to it."""
        interpreter = self._locked.interpreter
        found = self._files.find(interpreter.path.encode())
        if found is None or found.node.kind != FILE or not found.node.mode & 0o111:
            what = f"the interpreter `{interpreter.path}` is not there, or is no program"
            yield Problem("contents", what, path=interpreter.path.lstrip("/"))
        for entry in environment_files(interpreter, conda=bool(self._lock.conda.get(self._platform))):
            if entry.kind is not Kind.DIRECTORY:
                yield from self._own_file(entry)

    def _own_file(self, entry: FileEntry) -> Iterator[Problem]:
        """One of the environment's own; where others made it, it may be written in another way."""
        path, is_link = entry.path.encode(), entry.kind is Kind.SYMLINK
        there = self._files.find(path, follow=False)
        if self._is_foreign:
            if there is not None:
                self._claims.add(path, Claim("the environment", kind=there.node.kind))
            return
        checksum = b"" if is_link else hashlib.sha256(entry.data).digest()
        self._claims.add(path, Claim("the environment", checksum, kind=SYMBOLIC_LINK if is_link else FILE))
        if is_link and there is not None and there.node.link != entry.target.encode():
            what = f"`{entry.path}` leads to `{shown(there.node.link)}`, not to `{entry.target}`"
            yield Problem("contents", what, path=entry.path)

    def _differences(self) -> Iterator[Problem]:
        """What is no longer as its package has it; the system's own files may replace those of Debian packages."""
        system = {number for number, kind in enumerate(self._kinds) if kind == "system"}
        return self._claims.differences(self._files, frozenset(system))

    def _extras(self) -> Iterator[Problem]:
        """Files that no package has. Of the system's own files and of links nobody tells which there are."""
        known = self._claims.by_path.keys() | (_BY_VENV if self._is_foreign else ())
        for path, placed in self._files.below(ENVIRONMENT.encode()):
            is_bytecode = self._is_compiled and b"/__pycache__/" in path
            if path not in known and placed.layer >= self._base and not is_bytecode:
                what = f"`{shown(path)}` is in the environment, and no locked package has it"
                yield Problem("contents", what, path=shown(path, 4096))
        if not self._is_foreign:
            yield from strays(self._files, self._kinds)
            yield from unclaimed(self._files, self._debian_layers(), self._claims)

    def _debian_layers(self) -> dict[int, Sequence[str]]:
        """The names of the packages in each layer of them, by its number."""
        names = self._image.config.history
        return {
            number: [part.split(" ")[0] for part in names[number].removeprefix("Debian: ").split(", ")]
            for number, kind in enumerate(self._kinds)
            if kind == "debian"
        }


def _about(image: Checked) -> str:
    return f"config {image.manifest.config.digest}"


def _settings(config: ImageConfig, planned: ImageConfig, digest: str) -> Iterator[Problem]:
    """What a config tells engines, as far as a project's must be the environment's."""
    missing = [pair for pair in planned.env if pair not in config.env]
    for name, same in (
        ("User", config.user == planned.user),
        ("WorkingDir", config.working_dir == planned.working_dir),
        ("Env", not missing),
        ("Volumes", config.volumes == planned.volumes),
    ):
        if not same:
            path = f"$.config.{name}"
            yield Problem("contents", f"config {digest}: `{path}` is not what the lock gives", path=path)


def _short(name: str | None) -> str:
    return (name or "")[:100]
