"""Locks of made-up packages, whole and valid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from builder.lock.artifact import DebianPackage, Wheel
from builder.lock.document import LOCK_FILE, Interpreter, Lock, LockDocument, PlatformLock
from builder.lock.folder import parse_lock, write_lock
from builder.lock.pypi.pylock import pylock_name, write_pylock
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.spec import Environment
from builder.spec.fields import as_document

AMD64, ARM64 = Platform("amd64"), Platform("arm64")
INTERPRETER = Interpreter("debian", "3.11.2", "/usr/bin/python3.11")


def made_wheel(name: str, version: str = "1.0", *needs: str, size: int = 1000, license_: str = "MIT") -> Wheel:
    """A wheel that needs others by name."""
    file = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    url = f"https://files.example/{file}"
    return Wheel(name, version, file, Digest.of(file.encode()), size, url, tuple(sorted(needs)), license_)


def made_deb(name: str, version: str = "1.0", *needs: str, size: int = 500) -> DebianPackage:
    """A Debian package that needs others by name."""
    file = f"{name}_{version}_amd64.deb"
    return DebianPackage(
        name, version, "amd64", Digest.of(file.encode()), size, (f"http://deb.example/{file}",), tuple(sorted(needs))
    )


def made_lock_files(
    environment: Environment,
    wheels: Sequence[Wheel],
    debian: Sequence[DebianPackage],
    platforms: Iterable[Platform] = (AMD64, ARM64),
) -> dict[str, bytes]:
    """The files of a lock with the same packages on each platform."""
    files: dict[str, bytes] = {}
    locks = {}
    needed = {name for package in debian for name in package.dependencies}
    roots = tuple(sorted(package.name for package in debian if package.name not in needed))
    for platform in platforms:
        name = pylock_name(platform)
        files[name] = write_pylock(wheels, INTERPRETER.version, "x86_64")
        locks[platform] = PlatformLock(
            "bookworm", INTERPRETER, tuple(sorted(debian)), name, Digest.of(files[name]), roots
        )
    document = LockDocument(as_document(environment), {}, 1, "1980-01-02T00:00:00Z", locks)
    return {LOCK_FILE: document.to_bytes(), **files}


def made_lock(
    environment: Environment,
    wheels: Sequence[Wheel],
    debian: Sequence[DebianPackage],
    platforms: Iterable[Platform] = (AMD64, ARM64),
) -> Lock:
    """The lock, read."""
    return parse_lock(made_lock_files(environment, wheels, debian, platforms), "a test")


def write_made_environment(
    folder: Path, requirements: Sequence[str], wheels: Sequence[Wheel], debian: Sequence[DebianPackage]
) -> None:
    """An environment on disk whose lock is current."""
    from builder.spec import PyPI

    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"    - {text}\n" for text in requirements)
    (folder / "environment.yaml").write_text(f'python: "3.11"\npypi:\n  requirements:\n{lines}', "utf-8")
    environment = Environment("3.11", pypi=PyPI(tuple(requirements)))
    write_lock(folder / "lock", made_lock_files(environment, wheels, debian))
