"""The lock document, `envbuild.lock.json`: the index that ties a spec to hashes of all that it became. Pure.

Nothing of the machine, the user or the time of locking is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from builder.errors import EnvbuildError
from builder.lock.artifact import DebianPackage, Wheel
from builder.lock.integrity import AGAIN, check_intact, check_merged, sealed_document, sealed_platform
from builder.oci.canonical import canonical_json, parse_json, readable_json
from builder.oci.digest import Digest
from builder.oci.documents import Platform

LOCK_VERSION = 2
"""Version 1 had no checks and no dependencies."""
LOCK_FILE = "envbuild.lock.json"
DEFAULT_CREATED = "1980-01-02T00:00:00Z"
"""The creation time of images where the spec sets no `exclude-newer`."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The Python of an environment."""

    source: str
    """`debian`: a package of the suite."""
    version: str
    """Full, as in 3.11.2: markers are evaluated with it."""
    path: str
    """Its absolute path in the image."""

    @property
    def minor(self) -> str:
        """Major and minor, as in 3.11."""
        return ".".join(self.version.split(".")[:2])


@dataclass(frozen=True, slots=True)
class PlatformLock:
    """What one platform's image is made of."""

    suite: str
    interpreter: Interpreter
    debian: tuple[DebianPackage, ...]
    """Sorted by name."""
    pylock: str
    """The name of the sibling file (PEP 751) that holds the wheels."""
    pylock_digest: Digest
    debian_roots: tuple[str, ...] = ()
    """The names of the Debian packages that are there for themselves; the others are there for them. Sorted."""


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
    files: Mapping[str, bytes]
    """The lock's files by name, as they are on disk."""

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The locked platforms, sorted."""
        return tuple(sorted(self.document.platforms))


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


def _platform_to_dict(lock: PlatformLock) -> dict[str, Any]:
    interpreter = lock.interpreter
    return sealed_platform(
        {
            "base": {"suite": lock.suite},
            "interpreter": {"source": interpreter.source, "version": interpreter.version, "path": interpreter.path},
            "debian": [package.to_dict() for package in lock.debian],
            "debian-roots": list(lock.debian_roots),
            "pypi": {"file": lock.pylock, "sha256": lock.pylock_digest.hex},
        }
    )


def _platform_from_dict(document: Mapping[str, Any]) -> PlatformLock:
    interpreter, pypi = document["interpreter"], document["pypi"]
    return PlatformLock(
        str(document["base"]["suite"]),
        Interpreter(str(interpreter["source"]), str(interpreter["version"]), str(interpreter["path"])),
        tuple(map(DebianPackage.from_dict, document["debian"])),
        str(pypi["file"]),
        Digest(pypi["sha256"]),
        tuple(map(str, document.get("debian-roots", ()))),
    )
