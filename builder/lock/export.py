"""A lock in the forms of other tools: the Python or conda packages of one platform, each with its hash. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from builder.errors import EnvbuildError
from builder.fetch.mirrors import PYPI_FILES
from builder.lock.artifact import CondaPackage, Wheel
from builder.lock.document import CONDA_LOCK_FILE, Lock
from builder.oci.documents import Platform

_SUBDIRS = {"amd64": "linux-64", "arm64": "linux-aarch64"}


def export_lock(lock: Lock, platform: Platform, form: str) -> bytes:
    """The packages of a platform in one of `FORMS`.

    Raises: EnvbuildError, if the lock has no such platform, or nothing of this form.
    """
    if platform not in lock.document.platforms:
        listed = ", ".join(map(str, lock.platforms))
        raise EnvbuildError(f"the lock has no platform {platform}", f"it has {listed}")
    return _EXPORTERS[form](lock, platform)


def left_out(lock: Lock, platform: Platform, form: str) -> tuple[str, ...]:
    """The names of the packages of a platform, but for Debian's, that this form has no place for."""
    if form in ("requirements.txt", "pylock.toml"):
        return tuple(package.name for package in lock.conda.get(platform, ()))
    return tuple(wheel.name for wheel in lock.wheels[platform] if wheel.built or form == "explicit")


def _requirements(lock: Lock, platform: Platform) -> bytes:
    """A requirements file with hashes: one file a package, as pip installs it with `--require-hashes`."""
    locked = lock.document.platforms[platform]
    lines = [
        f"# Locked by envbuild for {platform} on {locked.base_name}, Python {locked.interpreter.version}.",
        "# pip install --no-deps --require-hashes -r THIS_FILE",
    ]
    for wheel in lock.wheels[platform]:
        lines += _requirement(wheel)
    return "".join(f"{line}\n" for line in lines).encode()


def _requirement(wheel: Wheel) -> list[str]:
    digest, url, subdirectory = wheel.digest, wheel.url, ""
    note = list[str]()
    if wheel.built:
        sdist = wheel.built.sdist
        digest, url, subdirectory = sdist.digest, sdist.url, sdist.subdirectory
        note = [f"# {wheel.name} has no wheel there; pip builds this source"]
    if url.startswith("git+"):
        raise EnvbuildError(
            f"`{wheel.name}` is built from a commit, which a requirements file has no hash for",
            f"it is `{url}`",
            "Export `pylock.toml`",
        )
    if url.startswith(PYPI_FILES) and not subdirectory:
        return [*note, f"{wheel.name}=={wheel.version} \\", f"    --hash=sha256:{digest.hex}"]
    where = f"#subdirectory={subdirectory}" if subdirectory else ""
    return [*note, f"{wheel.name} @ {url}{where} \\", f"    --hash=sha256:{digest.hex}"]


def _pylock(lock: Lock, platform: Platform) -> bytes:
    """The sibling of the lock, as it is."""
    return lock.files[lock.document.platforms[platform].pylock]


def _conda_lock(lock: Lock, platform: Platform) -> bytes:
    """The sibling of the lock, as it is; it is for all platforms."""
    _conda_packages(lock, platform)
    return lock.files[CONDA_LOCK_FILE]


def _explicit(lock: Lock, platform: Platform) -> bytes:
    """An explicit list (CEP 23), whose packages come after those that they need."""
    packages = _in_order(_conda_packages(lock, platform))
    lines = [
        f"# Locked by envbuild for {platform}.",
        "# conda create --name NAME --file THIS_FILE",
        f"# platform: {_SUBDIRS[platform.architecture]}",
        "@EXPLICIT",
        *(f"{package.url}#sha256:{package.digest.hex}" for package in packages),
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _conda_packages(lock: Lock, platform: Platform) -> tuple[CondaPackage, ...]:
    packages = lock.conda.get(platform, ())
    if not packages:
        raise EnvbuildError(
            "the lock has no conda packages",
            hint="Export `requirements.txt` or `pylock.toml`; `conda:` in the spec adds some",
        )
    return packages


def _in_order(packages: tuple[CondaPackage, ...]) -> list[CondaPackage]:
    """Each package after those that it needs, as far as they do not need each other; otherwise by name."""
    by_name = {package.name: package for package in packages}
    done: dict[str, CondaPackage] = {}
    seen: set[str] = set()
    for first in sorted(by_name):
        waiting = [(first, False)]
        while waiting:
            name, ready = waiting.pop()
            if ready:
                done[name] = by_name[name]
            elif name not in seen:
                seen.add(name)
                waiting.append((name, True))
                needed = {*by_name[name].dependencies} & by_name.keys() - seen
                waiting += [(other, False) for other in sorted(needed, reverse=True)]
    return list(done.values())


_EXPORTERS: Mapping[str, Callable[[Lock, Platform], bytes]] = {
    "requirements.txt": _requirements,
    "pylock.toml": _pylock,
    "conda-lock.yml": _conda_lock,
    "explicit": _explicit,
}
FORMS = tuple(_EXPORTERS)
"""What a lock can be exported as."""
