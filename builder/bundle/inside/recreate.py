"""A bundle's project, laid out again from what is inside, so that building it must give the same image."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.bundle.inside.recipe import TOP, Recipe
from builder.bundle.reading.contents import Files
from builder.bundle.reading.reader import Bundle
from builder.bundle.reading.unpack import Part, unpack
from builder.errors import EnvbuildError
from builder.image.skeleton import BUNDLE, CODE, DATA, MODEL
from builder.lock.data.entry import DataEntry
from builder.lock.data.locking import entries
from builder.oci.digest import Digest
from builder.oci.layout import CHUNK
from builder.oci.store import Store
from builder.spec import LoadedProject
from builder.spec.load import load_project

_FOLDERS: Mapping[str, Part] = {CODE: "code", MODEL: "model", DATA: "data", BUNDLE: "records"}
"""What the folders of an image are called where it is unpacked."""


@dataclass(frozen=True, slots=True)
class Recreated:
    """A project that was in a bundle."""

    project: LoadedProject
    recipe: Recipe


def recreate(bundle: Bundle, files: Files, document: Mapping[str, Any], folder: Path, store: Store) -> Recreated:
    """Lay the project of a bundle out below `folder`, which is empty; `files` and `document` are of one image of it.

    What is packed and named by a URL in the spec is kept in `store`, so that building does not fetch it.

    Raises: EnvbuildError, if something is missing or leads elsewhere; DigestMismatchError.
    """
    recipe = Recipe.from_dict(document.get("recreate"))
    parts = folder / "parts"
    unpack(bundle, files, tuple(_FOLDERS.values()), parts)
    placed = [pair for source, place in recipe.copies for pair in _moved(parts, source, folder, place)]
    _check_links(folder / TOP)
    (folder / TOP / ".git").mkdir()  # no path of a spec, and no ignore file, counts above it
    code = {place for source, place in placed if source.startswith(f"{CODE}/")}
    others = sorted(place for _, place in placed if place not in code)
    (folder / TOP / ".gitignore").write_text("".join(f"{_pattern(path)}\n" for path in others))
    project = load_project(folder / recipe.project)
    locked = entries(project)
    for name, entry in locked.data.items():
        _keep(parts / "data" / name, entry, store)
    if locked.model is not None:
        _keep(parts / "model", locked.model, store)
    return Recreated(project, recipe)


def _moved(parts: Path, source: str, folder: Path, place: str) -> Iterator[tuple[str, str]]:
    """Move a file, or all files of a folder, to their place; of each, where it was in the image and where it is now."""
    top, _, rest = source.partition("/")
    root = parts / _FOLDERS[top] / rest
    if root.is_dir() and not root.is_symlink():
        paths = [os.path.relpath(os.path.join(where, name), root) for where, name in _walk(root)]
    elif os.path.lexists(root):
        paths = [""]
    else:
        raise EnvbuildError(f"the bundle has no `/{source}`", "which is needed to recreate it")
    for path in sorted(paths):
        target = folder / place / path if path else folder / place
        found = root / path if path else root
        _make_folder(target.parent, folder, place)
        if not os.path.lexists(target):
            os.rename(found, target)
        elif not _same_file(found, target):  # what is code and something else besides is there twice
            raise EnvbuildError("the bundle cannot be recreated", f"two things of it are to be `{place}`")
        yield f"{source}/{path}" if path else source, os.path.relpath(target, folder)


def _make_folder(path: Path, inside: Path, place: str) -> None:
    """Make a folder and those above it, none of them where a link leads out. Raises: EnvbuildError, if one would be."""
    try:
        if path.resolve().is_relative_to(inside.resolve()):
            path.mkdir(parents=True, exist_ok=True)
            return
        why = f"a link leads `{place}` out of it"
    except (OSError, RuntimeError) as error:  # something else stands there, or links lead in a circle
        why = f"there is no place for `{place}`: {error}"
    raise EnvbuildError("the bundle cannot be recreated", why)


def _check_links(top: Path) -> None:
    """Refuse a link that leads out of `top` from where it is now: building follows it. Raises: EnvbuildError."""
    inside = top.resolve()
    for where, name in _walk(top):
        link = Path(where, name)
        try:
            leads_out = link.is_symlink() and not link.resolve().is_relative_to(inside)
        except (OSError, RuntimeError):  # in a circle
            leads_out = True
        if leads_out:
            raise EnvbuildError("the bundle cannot be recreated", f"`{link.relative_to(top)}` is a link that leads out")


def _same_file(one: Path, other: Path) -> bool:
    """Whether two regular files have the same bytes."""
    plain = all(path.is_file() and not path.is_symlink() for path in (one, other))
    return plain and filecmp.cmp(one, other, shallow=False)


def _walk(root: Path) -> Iterator[tuple[str, str]]:
    """Everything below a folder that is no folder, with the folder that it is in."""
    for where, folders, names in os.walk(root):
        links = [name for name in folders if os.path.islink(os.path.join(where, name))]
        yield from ((where, name) for name in (*names, *links))


def _pattern(path: str) -> str:
    """The pattern of an ignore file, in the folder `recreated`, that matches this path alone."""
    inner = path.removeprefix(f"{TOP}/")
    return "/" + "".join(f"\\{character}" if character in "\\*?[]!# " else character for character in inner)


def _keep(path: Path, entry: DataEntry, store: Store) -> None:
    """Keep in the store what is there of an entry; where other bytes are, building tells."""
    if entry.kind == "file":
        files = [path] if path.is_file() else sorted(path.iterdir()) if path.is_dir() else []
        if len(files) == 1 and files[0].is_file() and not files[0].is_symlink():
            _keep_file(files[0], entry.digest, store)
        return
    for file in entry.files:
        found = path / file.path
        if found.is_file() and found.resolve().is_relative_to(path.resolve()):
            _keep_file(found, file.digest, store)


def _keep_file(path: Path, digest: Digest, store: Store) -> None:
    if store.has(digest, path.stat().st_size):
        return
    with open(path, "rb", buffering=0) as file, store.new_blob() as blob:
        while data := file.read(CHUNK):
            blob.write(data)
        blob.commit(digest)
