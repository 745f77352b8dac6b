"""The `lock` folder on disk: read whole and checked, written so that a crash leaves the old lock or the new one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError, command_text
from builder.lock.artifact import CondaPackage
from builder.lock.document import CONDA_LOCK_FILE, LOCK_FILE, Lock, LockDocument, PlatformLock
from builder.lock.integrity import AGAIN, StaleLockError, TamperedLockError, check_merged
from builder.lock.pypi.pylock import read_pylock
from builder.lock.staleness import changed_inputs, differences
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.oci.layout import replacing
from builder.spec import LoadedEnvironment


def read_lock(folder: Path, *, verify: bool = True) -> Lock:
    """The lock in a folder, with its siblings.

    Without `verify` an older one can be read, or one that was changed since it was made.

    Raises: EnvbuildError, if there is none, or a sibling is missing; TamperedLockError, if it is not as it was made;
    ConflictedLockError.
    """
    if not (folder / LOCK_FILE).is_file():
        raise EnvbuildError(
            f"there is no lock in `{folder}`", hint=f"Make one with {command_text('lock', folder.parent)}"
        )
    files = {LOCK_FILE: (folder / LOCK_FILE).read_bytes()}
    document = LockDocument.from_bytes(files[LOCK_FILE], f"the lock in `{folder}`", verify=verify)
    for name in siblings(document):
        if "/" in name or not (folder / name).is_file():
            raise EnvbuildError(f"the lock in `{folder}` is not complete", f"`{name[:100]}` is missing", AGAIN)
        files[name] = (folder / name).read_bytes()
    return _whole(document, files, f"the lock in `{folder}`", verify)


def parse_lock(files: Mapping[str, bytes], place: str, *, verify: bool = True) -> Lock:
    """The lock that consists of these files. Pure.

    Without `verify` an older one can be read, or one that was changed since it was made.

    Raises: EnvbuildError, as `read_lock`.
    """
    what = f"the lock in `{place}`"
    return _whole(LockDocument.from_bytes(files[LOCK_FILE], what, verify=verify), files, what, verify)


def siblings(document: LockDocument) -> tuple[str, ...]:
    """The names of the other files of a lock."""
    names = [name for name, _ in _expected(document)]
    return tuple(dict.fromkeys(names))


def _expected(document: LockDocument) -> Iterator[tuple[str, Digest]]:
    """Each sibling that a platform names, with its digest."""
    for lock in document.platforms.values():
        yield lock.pylock, lock.pylock_digest
        if lock.conda:
            yield lock.conda.file, lock.conda.digest


def _whole(document: LockDocument, files: Mapping[str, bytes], what: str, verify: bool = True) -> Lock:
    for name in siblings(document):
        if name not in files:
            raise EnvbuildError(f"{what} is not complete", f"`{name[:100]}` is missing", AGAIN)
        check_merged(files[name], name, what)
    changed = dict.fromkeys(name for name, digest in _expected(document) if Digest.of(files[name]) != digest)
    if changed and verify:
        raise TamperedLockError(
            f"{what} was changed by hand", [f"`{name}` is not as it was locked" for name in changed], AGAIN
        )
    wheels = {
        platform: tuple(sorted(read_pylock(files[lock.pylock], lock.pylock)))
        for platform, lock in document.platforms.items()
    }
    conda = {platform: _conda(platform, lock, files) for platform, lock in document.platforms.items()}
    return Lock(document, Digest.of(files[LOCK_FILE]), wheels, conda, dict(files))


def _conda(platform: Platform, lock: PlatformLock, files: Mapping[str, bytes]) -> tuple[CondaPackage, ...]:
    """The conda packages of a platform, with what the index keeps of them."""
    if lock.conda is None:
        return ()
    from builder.lock.conda.lock_file import read_conda_lock

    found = read_conda_lock(files[lock.conda.file], lock.conda.file).get(platform, ())
    details = lock.conda.details
    missing = {package.name for package in found} ^ details.keys()
    if missing:
        raise TamperedLockError(
            f"`{lock.conda.file}` does not belong to `{LOCK_FILE}`", f"`{min(missing)}` is in one of them alone", AGAIN
        )
    return tuple(
        replace(package, size=details[package.name].size, license=details[package.name].license)
        for package in sorted(found)
    )


def read_current_lock(loaded: LoadedEnvironment, layer_format: int) -> Lock:
    """The lock of an environment, if it is made for just this spec, the files that it names, and these rules.

    Raises: StaleLockError, with every reason; EnvbuildError, as `read_lock`.
    """
    lock = read_lock(loaded.lock_folder)
    wanted = loaded.environment.content
    reasons = [*differences(lock.document.spec, wanted), *changed_inputs(lock.document.inputs, read_inputs(loaded))]
    if not reasons and lock.document.spec != wanted:
        reasons.append("the spec was changed")
    if lock.document.layer_format != layer_format:
        theirs = lock.document.layer_format
        reasons.append(f"it is for revision {theirs} of the layer format; this envbuild has {layer_format}")
    if reasons:
        raise StaleLockError(
            f"the lock in `{loaded.lock_folder}` does not match `{loaded.file}`",
            reasons,
            f"To update it, run {command_text('lock', loaded.file.parent)}",
        )
    return lock


def read_inputs(loaded: LoadedEnvironment) -> dict[str, Any]:
    """What the files say now that the environment names (see `Sources.inputs`).

    Raises: EnvbuildError, if one cannot be read.
    """
    environment, folder, inputs = loaded.environment, loaded.file.parent, dict[str, Any]()
    if environment.pypi and (environment.pypi.file or environment.pypi.lockfile):
        from builder.lock.sources import read_inputs as read_python_inputs

        inputs |= read_python_inputs(environment.pypi, folder, str(loaded.file))
    if environment.conda and (environment.conda.file or environment.conda.lockfile):
        from builder.lock.conda.sources import read_conda_inputs

        inputs |= read_conda_inputs(environment.conda, folder, str(loaded.file))
    return inputs


def write_lock(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the lock's files. All are on disk before the first takes its place: one without room changes nothing.

    The index takes its place last, so that an interruption is noticed as a changed sibling. Siblings of platforms
    that are gone are deleted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as drafts:  # which ends with what was entered first
        for name in sorted(files, key=lambda name: name != LOCK_FILE):
            path = folder / name
            if not path.is_file() or path.read_bytes() != files[name]:
                draft = drafts.enter_context(replacing(path))
                draft.write(files[name])
                draft.flush()
                os.fsync(draft.fileno())
    for path in (*folder.glob("pylock.*.toml"), folder / CONDA_LOCK_FILE):
        if path.name not in files and path.is_file():
            path.unlink()
