"""Every package of an image in one form, with what it states of its licence and what it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from builder.lock.artifact import Archive, CondaPackage, DebianPackage, Wheel
from builder.lock.contents import Kind as LockedKind
from builder.lock.contents import Packages, contents
from builder.lock.document import Lock, PlatformLock
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.oci.registry.reference import Reference
from builder.records.packages import purl
from builder.records.packages.stated import Stated

Artifact = DebianPackage | Archive | CondaPackage | Wheel
Kind = Literal["base", "debian", "interpreter", "conda", "python"]


@dataclass(frozen=True, slots=True)
class Package:
    """One package of an image."""

    kind: Kind
    name: str
    version: str
    purl: str
    """Names it among all packages of the image."""
    digest: Digest
    """Of its file; of a base, of its manifest."""
    url: str
    """Where it is had, without credentials; empty where only the store has it."""
    stated: Stated
    needs: tuple[str, ...] = ()
    """The purls of what it needs."""
    is_root: bool = False
    """Whether it is there for itself."""

    @property
    def license(self) -> str:
        """An SPDX expression, or `NOASSERTION`."""
        return self.stated.license


def locked_artifacts(lock: Lock, platform: Platform) -> tuple[Artifact, ...]:
    """The files that an image's packages come in."""
    locked = lock.document.platforms[platform]
    archive = locked.interpreter.archive
    own = (archive,) if archive else ()
    return (*locked.debian, *own, *lock.conda.get(platform, ()), *lock.wheels[platform])


def list_packages(lock: Lock, platform: Platform, stated: Mapping[Digest, Stated]) -> tuple[Package, ...]:
    """The packages of an image, base first, each kind sorted by name; `stated` is of all `locked_artifacts`."""
    locked = lock.document.platforms[platform]
    known = {**stated, **_with_texts(locked.debian, stated)}
    debs = [(one, purl.debian_purl(one, locked.suite, known[one.digest].source)) for one in locked.debian]
    conda = [(one, purl.conda_purl(one)) for one in lock.conda.get(platform, ())]
    wheels = [(one, purl.wheel_purl(one)) for one in lock.wheels[platform]]
    groups = contents(lock, platform)
    base, interpreter = _base(locked, platform), _interpreter(locked, known)
    found = [*base, *_of_kind("debian", debs, groups, known), *interpreter, *_of_kind("conda", conda, groups, known)]
    python = _python(locked, found)
    return (*found, *(_on(python, package) for package in _of_kind("python", wheels, groups, known)))


def _of_kind(
    kind: LockedKind,
    purls: Sequence[tuple[DebianPackage | CondaPackage | Wheel, str]],
    groups: Mapping[LockedKind, Packages],
    stated: Mapping[Digest, Stated],
) -> Iterator[Package]:
    if kind not in groups:
        return
    group, by_name = groups[kind], {artifact.name: own for artifact, own in purls}
    for artifact, own in sorted(purls, key=lambda pair: pair[0].name):
        url = next(iter(artifact.source.urls), "")
        needs = tuple(sorted(by_name[name] for name in group.edges[artifact.name]))
        is_root = artifact.name in group.roots
        yield Package(
            kind, artifact.name, artifact.version, own, artifact.digest, url, stated[artifact.digest], needs, is_root
        )


def _base(locked: PlatformLock, platform: Platform) -> list[Package]:
    base = locked.image
    if base is None:
        return []
    name = Reference.parse(base.reference).repository
    own = purl.base_purl(base, platform)
    digest = base.manifest.digest
    return [Package("base", name, str(digest), own, digest, "", Stated(), is_root=True)]


def _interpreter(locked: PlatformLock, stated: Mapping[Digest, Stated]) -> list[Package]:
    interpreter = locked.interpreter
    archive = interpreter.archive
    if archive is None:
        return []
    own = purl.interpreter_purl(archive, interpreter.version)
    words = stated[archive.digest]
    return [
        Package("interpreter", "python", interpreter.version, own, archive.digest, archive.url, words, is_root=True)
    ]


def _python(locked: PlatformLock, packages: Sequence[Package]) -> tuple[str, ...]:
    """The purl of the package that is the interpreter, where it is one."""
    names = {
        "debian": ("debian", f"python{locked.interpreter.minor}"),
        "standalone": ("interpreter", "python"),
        "conda": ("conda", "python"),
    }
    wanted = names.get(locked.interpreter.source)
    return tuple(package.purl for package in packages if (package.kind, package.name) == wanted)


def _on(python: tuple[str, ...], wheel: Package) -> Package:
    return replace(wheel, needs=tuple(sorted({*wheel.needs, *python})))


def _with_texts(packages: Sequence[DebianPackage], stated: Mapping[Digest, Stated]) -> Mapping[Digest, Stated]:
    """Of debs whose documentation is a link to that of another: what that one says."""
    by_name = {package.name: stated[package.digest] for package in packages}
    found = {}
    for package in packages:
        own = stated[package.digest]
        other = by_name.get(own.elsewhere)
        if other is not None and not own.texts:
            found[package.digest] = replace(other, source=own.source, elsewhere=own.elsewhere)
    return found
