"""A build context on disk: written whole beside its place, then put there. Never over what others made."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError
from builder.image.dockerfile.context import Context
from builder.image.dockerfile.render import FETCH_SCRIPT, MARKER
from builder.layers.files import FileEntry, Kind
from builder.layers.interface import PACKAGE_MTIME
from builder.oci.canonical import parse_json
from builder.oci.digest import Digest

_FORCE = "Name another folder, or add `--force` to write over it"


def write_context(folder: Path, context: Context, paths: Mapping[Digest, Path], *, force: bool = False) -> None:
    """Make `folder` hold the context: its texts, the locked files at `paths`, and the project's own files.

    Locked files that are not among `paths` are left out. Where the disk allows, they are hard links, which are not to
    be written to. With `force`, a folder is replaced though it was edited or is of somebody else.

    Raises: EnvbuildError, if the folder is not to be written over, or a file changed meanwhile or cannot be read.
    """
    if not force:
        check_replaceable(folder)
    target = folder.absolute()
    draft = target.parent / f".{target.name}-{secrets.token_hex(4)}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.mkdir(mode=0o755)
        _fill(draft, context, paths)
        _swap(draft, target)
    except OSError as error:
        raise EnvbuildError(f"`{folder}` cannot be written", error.strerror or str(error)) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def check_replaceable(folder: Path) -> None:
    """Make sure that nothing but a rendered context, as it was rendered, is there.

    Raises: EnvbuildError, naming the texts that were edited.
    """
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if not os.path.lexists(folder):
        return
    written = _written(folder)
    if written is None:
        raise EnvbuildError(f"`{folder}` is there already, and was not rendered", hint=_FORCE)
    edited = [path for path, digest in written.items() if _digest(folder / path) not in (digest, None)]
    if edited:
        raise EnvbuildError(
            f"`{folder}` was edited since it was rendered", [f"`{path}` is another" for path in edited], _FORCE
        )


def differences(folder: Path, context: Context) -> list[str]:
    """How the texts in a folder differ from the context's, a sentence each; none where they are current."""
    wanted = {**context.texts, **{entry.path: entry.data for entry in context.files if entry.source is None}}
    found = {path: _digest(folder / path) for path in wanted}
    sentences = [
        f"`{path}` is missing" if found[path] is None else f"`{path}` is another"
        for path, data in sorted(wanted.items())
        if found[path] != hashlib.sha256(data).hexdigest()
    ]
    return sentences + [f"`{path}` is not of this lock" for path in sorted((_written(folder) or {}).keys() - wanted)]


def _fill(draft: Path, context: Context, paths: Mapping[Digest, Path]) -> None:
    for path, data in context.texts.items():
        _write(_place(draft, path), data, 0o755 if path == FETCH_SCRIPT else 0o644)
    for vendored in context.vendored:
        if vendored.source.digest in paths:
            _link(paths[vendored.source.digest], _place(draft, vendored.path))
    for entry in context.files:
        _copy(entry, _place(draft, entry.path))


def _place(draft: Path, path: str) -> Path:
    place = draft / path
    for parent in reversed([parent for parent in place.parents if parent.is_relative_to(draft)]):
        if not parent.is_dir():
            parent.mkdir(mode=0o755)
            parent.chmod(0o755)
    return place


def _write(place: Path, data: bytes, mode: int) -> None:
    place.write_bytes(data)
    place.chmod(mode)
    os.utime(place, (PACKAGE_MTIME, PACKAGE_MTIME))


def _link(source: Path, place: Path) -> None:
    try:
        os.link(source, place)
    except OSError:
        shutil.copyfile(source, place)
        place.chmod(0o644)


def _copy(entry: FileEntry, place: Path) -> None:
    """A copy even where a link could be made: the project's files are edited in place."""
    if entry.kind is Kind.DIRECTORY:
        place.mkdir(entry.mode)
        return
    if entry.source is None:
        _write(place, entry.data, entry.mode)
        return
    shutil.copyfile(entry.source, place)
    place.chmod(entry.mode)
    os.utime(place, (PACKAGE_MTIME, PACKAGE_MTIME))
    if place.stat().st_size != entry.size:
        raise EnvbuildError(f"`{entry.source}` changed while it was copied", hint="Run the command again")


def _swap(draft: Path, target: Path) -> None:
    """Put the draft in its place; what was there goes when the new is there."""
    if not os.path.lexists(target):
        draft.rename(target)
        return
    old = draft.with_name(f"{draft.name}-old")
    target.rename(old)
    try:
        draft.rename(target)
    except OSError:
        old.rename(target)
        raise
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old)
    else:
        old.unlink()


def _written(folder: Path) -> dict[str, str] | None:
    """The texts that were rendered into a folder, with their digests; None if none were."""
    try:
        document: Any = parse_json((folder / MARKER).read_bytes(), MARKER)
    except (OSError, EnvbuildError):
        return None
    texts = document.get("texts") if isinstance(document, dict) else None
    if not isinstance(texts, dict):
        return None
    return {path: str(digest) for path, digest in _inside(texts)}


def _inside(texts: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((path, digest) for path, digest in texts.items() if ".." not in path.split("/") and path[:1] != "/")


def _digest(path: Path) -> str | None:
    """The sha256 of a text; None where there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None
