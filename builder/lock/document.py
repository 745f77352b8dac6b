"""The lock document, `envbuild.lock.json`: the index that ties a spec to hashes of all that it became. Pure.

Nothing of the machine, the user or the time of locking is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from builder.errors import EnvbuildError
from builder.lock.artifact import Archive, CondaPackage, DebianPackage, Wheel
from builder.lock.base_image import BaseImage
from builder.lock.debian.suites import SUITES
from builder.lock.integrity import AGAIN, check_intact, check_merged, sealed_document, sealed_platform
from builder.oci.canonical import canonical_json, parse_json, readable_json
from builder.oci.digest import Digest
from builder.oci.documents import Platform

LOCK_VERSION = 2
"""Version 1 had no checks and no dependencies."""
LOCK_FILE = "envbuild.lock.json"
CONDA_LOCK_FILE = "conda-lock.yml"
"""Its sibling with the conda packages, as other tools call it."""
DEFAULT_CREATED = "1980-01-02T00:00:00Z"
"""The creation time of images where the spec sets no `exclude-newer`."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The Python of an environment."""

    source: str
    """`debian`: a package of the suite; `standalone`: an archive of its own; `base`: the base image's; `conda`."""
    version: str
    """Full, as in 3.11.2: markers are evaluated with it."""
    path: str
    """Its absolute path in the image."""
    archive: Archive | None = None
    """Of a standalone one."""

    @property
    def minor(self) -> str:
        """Major and minor, as in 3.11."""
        return ".".join(self.version.split(".")[:2])


@dataclass(frozen=True, slots=True)
class PlatformLock:
    """What one platform's image is made of."""

    suite: str
    """Of Debian; empty where the base is an image."""
    interpreter: Interpreter
    debian: tuple[DebianPackage, ...]
    """Sorted by name."""
    pylock: str
    """The name of the sibling file (PEP 751) that holds the wheels."""
    pylock_digest: Digest
    debian_roots: tuple[str, ...] = ()
    """The names of the Debian packages that are there for themselves; the others are there for them. Sorted."""
    image: BaseImage | None = None
    """The base, where it is not a suite."""
    build_debian: tuple[DebianPackage, ...] = ()
    """What is there besides `debian` while a wheel is built from source, and never in an image. Sorted by name."""
    build_debian_roots: tuple[str, ...] = ()
    """Those of them that were asked for. Sorted."""
    conda: CondaReference | None = None
    """Where the conda packages are, if there are any."""

    @property
    def glibc(self) -> tuple[int, int]:
        """The version of the base's C library."""
        return base_glibc(self.suite, self.image)

    @property
    def base_name(self) -> str:
        """What to call the base."""
        return self.image.reference if self.image else f"debian:{self.suite}"


@dataclass(frozen=True, slots=True)
class CondaReference:
    """The sibling that holds the conda packages of every platform, and what its format has no place for."""

    file: str
    digest: Digest
    details: Mapping[str, CondaDetail]
    """By the name of the package."""


@dataclass(frozen=True, slots=True)
class CondaDetail:
    """What conda-lock's format does not keep of a package."""

    size: int
    """In bytes."""
    license: str = ""


@dataclass(frozen=True, slots=True)
class LockDocument:
    """The index; its siblings hold the wheels."""

    spec: Mapping[str, Any]
    """The environment that was locked, as a document."""
    inputs: Mapping[str, Any]
    """What was read of the files that the spec names, by path (see `Sources.inputs`)."""
    layer_format: int
    """The revision of the rules that decide the layers' bytes."""
    created: str
    """The creation time written into images, RFC 3339 in UTC."""
    platforms: Mapping[Platform, PlatformLock]

    def to_bytes(self) -> bytes:
        """The readable bytes, whose digest names the lock."""
        return readable_json(
            sealed_document(
                {
                    "version": LOCK_VERSION,
                    "layer-format": self.layer_format,
                    "created": self.created,
                    "spec": dict(self.spec),
                    **({"inputs": dict(self.inputs)} if self.inputs else {}),
                    "spec-digest": str(spec_digest(self.spec, self.inputs)),
                    "platforms": {str(platform): _platform_to_dict(lock) for platform, lock in self.platforms.items()},
                }
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes, what: str = "the lock", *, verify: bool = True) -> LockDocument:
        """From the file; `what` is its name in messages.

        Without `verify`, of any version up to this one, and with no look at its checks.

        Raises: EnvbuildError, if it is not a lock, or one of another version; TamperedLockError, if it is not as it
        was made; ConflictedLockError.
        """
        check_merged(data, LOCK_FILE, what)
        document = parse_json(data, what)
        _check_version(document, what, 1 if not verify else LOCK_VERSION)
        try:
            platforms = {
                Platform.parse(name): _platform_from_dict(lock) for name, lock in document["platforms"].items()
            }
            inputs = document.get("inputs", {})
            lock = cls(document["spec"], inputs, int(document["layer-format"]), str(document["created"]), platforms)
        except (KeyError, TypeError, ValueError, AttributeError, EnvbuildError) as error:
            known = isinstance(error, EnvbuildError)
            why = str(error) if known else f"{type(error).__name__}: {error}"
            raise EnvbuildError(f"{what} is not complete", why, AGAIN) from error
        if verify:
            check_intact(document, str(spec_digest(lock.spec, lock.inputs)), LOCK_FILE, what)
        return lock


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock with its siblings: everything that a build needs to know of an environment."""

    document: LockDocument
    digest: Digest
    """Of the bytes of `envbuild.lock.json`, which hold the digests of its siblings."""
    wheels: Mapping[Platform, tuple[Wheel, ...]]
    """Sorted by name."""
    conda: Mapping[Platform, tuple[CondaPackage, ...]]
    """Sorted by name; empty where there is no conda environment."""
    files: Mapping[str, bytes]
    """The lock's files by name, as they are on disk."""

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The locked platforms, sorted."""
        return tuple(sorted(self.document.platforms))

    @property
    def indexes(self) -> tuple[tuple[str, str], ...]:
        """The package indexes that the spec names: name and URL, whose credentials the machine knows by name."""
        pypi = self.document.spec.get("pypi") or {}
        return tuple((str(index["name"]), str(index["url"])) for index in pypi.get("indexes", ()))


def _check_version(document: Any, what: str, oldest: int) -> None:
    version = document.get("version") if isinstance(document, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise EnvbuildError(f"{what} is not one of envbuild", "it has no valid `version`", AGAIN)
    if version > LOCK_VERSION:
        raise EnvbuildError(
            f"{what} is of version {version}; this envbuild knows versions up to {LOCK_VERSION}",
            hint="Use a newer envbuild, or lock again with this one",
        )
    if version < oldest:
        raise EnvbuildError(
            f"{what} is of version {version}, which an older envbuild made", hint="Lock again with `envbuild lock`"
        )


def spec_digest(spec: Mapping[str, Any], inputs: Mapping[str, Any]) -> Digest:
    """The digest that says for which spec, and which content of the files that it names, a lock was made."""
    return Digest.of(canonical_json([spec, inputs] if inputs else spec))


def base_glibc(suite: str, image: BaseImage | None) -> tuple[int, int]:
    """The version of a base's C library; `suite` is Debian's, where the base is no image."""
    major, minor = (image.glibc if image else SUITES[suite].glibc).split(".")[:2]
    return int(major), int(minor)


def _platform_to_dict(lock: PlatformLock) -> dict[str, Any]:
    document: dict[str, Any] = {
        "base": lock.image.to_dict() if lock.image else {"suite": lock.suite},
        "interpreter": _interpreter_to_dict(lock.interpreter),
        "debian": [package.to_dict() for package in lock.debian],
        "debian-roots": list(lock.debian_roots),
        "pypi": {"file": lock.pylock, "sha256": lock.pylock_digest.hex},
    }
    if lock.build_debian:
        document["build-debian"] = [package.to_dict() for package in lock.build_debian]
        document["build-debian-roots"] = list(lock.build_debian_roots)
    if lock.conda:
        details = {name: _detail_to_dict(detail) for name, detail in lock.conda.details.items()}
        document["conda"] = {"file": lock.conda.file, "sha256": lock.conda.digest.hex, "packages": details}
    return sealed_platform(document)


def _interpreter_to_dict(interpreter: Interpreter) -> dict[str, Any]:
    document: dict[str, Any] = {
        "source": interpreter.source,
        "version": interpreter.version,
        "path": interpreter.path,
    }
    if interpreter.archive:
        archive = interpreter.archive
        document["archive"] = {"url": archive.url, "sha256": archive.digest.hex, "size": archive.size}
    return document


def _detail_to_dict(detail: CondaDetail) -> dict[str, Any]:
    return {"size": detail.size} | ({"license": detail.license} if detail.license else {})


def _platform_from_dict(document: Mapping[str, Any]) -> PlatformLock:
    base, pypi, conda = document["base"], document["pypi"], document.get("conda")
    return PlatformLock(
        str(base.get("suite", "")),
        _interpreter_from_dict(document["interpreter"]),
        tuple(map(DebianPackage.from_dict, document["debian"])),
        str(pypi["file"]),
        Digest(pypi["sha256"]),
        tuple(map(str, document.get("debian-roots", ()))),
        BaseImage.from_dict(base) if "image" in base else None,
        tuple(map(DebianPackage.from_dict, document.get("build-debian", ()))),
        tuple(map(str, document.get("build-debian-roots", ()))),
        _conda_from_dict(conda) if conda else None,
    )


def _interpreter_from_dict(document: Mapping[str, Any]) -> Interpreter:
    archive = document.get("archive")
    size = archive.get("size") if archive else None
    return Interpreter(
        str(document["source"]),
        str(document["version"]),
        str(document["path"]),
        Archive(str(archive["url"]), Digest(archive["sha256"]), None if size is None else int(size))
        if archive
        else None,
    )


def _conda_from_dict(document: Mapping[str, Any]) -> CondaReference:
    details = {
        str(name): CondaDetail(int(detail["size"]), str(detail.get("license", "")))
        for name, detail in document["packages"].items()
    }
    return CondaReference(str(document["file"]), Digest(document["sha256"]), details)
