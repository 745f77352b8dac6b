"""The `lock` folder on disk: read whole and checked, written so that a crash leaves the old lock or the new one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError
from builder.lock.document import LOCK_FILE, Lock, LockDocument
from builder.lock.pypi.pylock import read_pylock
from builder.lock.staleness import changed_inputs, differences
from builder.oci.digest import Digest
from builder.oci.layout import write_atomically
from builder.spec import LoadedEnvironment
from builder.spec.fields import as_document


def read_lock(folder: Path) -> Lock:
    """The lock in a folder, with its siblings.

    Raises: EnvbuildError, if there is none, or a sibling is missing or not the one that was locked.
    """
    if not (folder / LOCK_FILE).is_file():
        raise EnvbuildError(f"there is no lock in `{folder}`", hint=f"Make one with `envbuild lock {folder.parent}`")
    data = (folder / LOCK_FILE).read_bytes()
    try:
        names = [lock.pylock for lock in LockDocument.from_bytes(data).platforms.values()]
    except EnvbuildError as error:
        raise EnvbuildError(
            f"the lock in `{folder}` cannot be used", (error.what, *error.why), error.hint or _AGAIN
        ) from error
    files = {LOCK_FILE: data}
    for name in names:
        if "/" in name or not (folder / name).is_file():
            raise EnvbuildError(f"the lock in `{folder}` is not complete", f"`{name[:100]}` is missing", _AGAIN)
        files[name] = (folder / name).read_bytes()
    return parse_lock(files, str(folder))


def parse_lock(files: Mapping[str, bytes], place: str) -> Lock:
    """The lock that consists of these files. Pure.

    Raises: EnvbuildError, as `read_lock`.
    """
    document = LockDocument.from_bytes(files[LOCK_FILE])
    changed = [
        f"`{lock.pylock}` was changed by hand"
        for lock in document.platforms.values()
        if lock.pylock not in files or Digest.of(files[lock.pylock]) != lock.pylock_digest
    ]
    if changed:
        raise EnvbuildError(f"the lock in `{place}` is not the one that was made", changed, _AGAIN)
    wheels = {
        platform: tuple(sorted(read_pylock(files[lock.pylock], lock.pylock)))
        for platform, lock in document.platforms.items()
    }
    return Lock(document, Digest.of(files[LOCK_FILE]), wheels, dict(files))


def read_current_lock(loaded: LoadedEnvironment, layer_format: int) -> Lock:
    """The lock of an environment, if it is made for just this spec, the files that it names, and these rules.

    Raises: EnvbuildError, with every reason why it is stale.
    """
    lock = read_lock(loaded.lock_folder)
    wanted = as_document(loaded.environment)
    reasons = [*differences(lock.document.spec, wanted), *changed_inputs(lock.document.inputs, _inputs(loaded))]
    if not reasons and lock.document.spec != wanted:
        reasons.append("the spec was changed")
    if lock.document.layer_format != layer_format:
        theirs = lock.document.layer_format
        reasons.append(f"it is for revision {theirs} of the layer format; this envbuild has {layer_format}")
    if reasons:
        raise EnvbuildError(
            f"the lock in `{loaded.lock_folder}` does not match `{loaded.file}`",
            reasons,
            f"To update it, run `envbuild lock {loaded.file.parent}`",
        )
    return lock


def _inputs(loaded: LoadedEnvironment) -> Mapping[str, Any]:
    """What the files say now that the environment names."""
    pypi = loaded.environment.pypi
    if pypi is None or not (pypi.file or pypi.lockfile):
        return {}
    from builder.lock.sources import read_inputs

    return read_inputs(pypi, loaded.file.parent, str(loaded.file))


def write_lock(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the lock's files; the index last, so that an interrupted write is noticed as a changed sibling.

    Siblings of platforms that are gone are deleted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(files, key=lambda name: name == LOCK_FILE):
        path = folder / name
        if not path.is_file() or path.read_bytes() != files[name]:
            write_atomically(path, files[name])
    for path in folder.glob("pylock.*.toml"):
        if path.name not in files:
            path.unlink()


_AGAIN = "Restore it from version control, or lock again with `envbuild lock --upgrade`"
