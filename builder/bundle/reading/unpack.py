"""Writing what is in a bundle into a new folder, of which nothing is there before all of it was checked.

Owns what may be written: nothing outside the folder, no devices, nothing that runs as its owner. The folder belongs to
the caller, and so does everything in it.
"""

from __future__ import annotations

import os
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from builder.bundle.attached.attach import attached
from builder.bundle.reading.contents import Files, Placed
from builder.bundle.reading.reader import Bundle
from builder.errors import EnvbuildError
from builder.image.skeleton import BUNDLE, CODE, DATA, MODEL
from builder.oci.layer_index import DEVICES, in_order
from builder.oci.layer_rules import DIRECTORY, FILE, SYMBOLIC_LINK, shown
from builder.oci.store import remove_tree

Part = Literal["model", "code", "data", "records", "environment", "root"]
USUAL: tuple[Part, ...] = ("model", "code", "data", "records")
"""Those that are written where none is named."""

_FOLDERS = {"model": MODEL, "code": CODE, "data": DATA, "records": BUNDLE}
_CONTROLS = frozenset({"Cc", "Cf", "Zl", "Zp"})
"""Categories of characters that could be commands to a terminal, or turn the direction of text."""
_MOST_COLLISIONS = 1000
_MODES = 0o755
"""Of the bits of a mode, those that are kept."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What was written."""

    files: int
    size: int
    """Bytes of all files."""
    left_out: tuple[str, ...]
    """Devices and pipes, by path."""
    collisions: tuple[tuple[str, str], ...]
    """Paths that are one where capitals or the composition of letters do not count."""
    absent: int
    """Layers of the image that are not there, as in a thin bundle."""


def unpack(bundle: Bundle, files: Files, parts: Sequence[Part], target: Path) -> Unpacked:
    """Write `parts` of an image below `target`, each into a folder of its name; records with those attached.

    Every layer that is read is checked against its digests before `target` appears.

    Raises: EnvbuildError, if `target` is there and not empty, or something may not be written; DigestMismatchError.
    """
    with _appearing(target) as draft:
        writer = _Writer(files)
        for part in dict.fromkeys(parts):
            root = os.fsencode(draft / part)
            os.mkdir(root)
            for placed, path in _of_part(files, part):
                writer.note(root, placed, path, inside=part in _FOLDERS)
            if files.absent and part not in _FOLDERS:
                what = f"{len(files.absent)} layers of the image are not inside"
                raise EnvbuildError(f"there is no whole {part} in the bundle", what, "`envbuild run` fetches them")
        writer.write()
        if "records" in parts:
            _write_attached(bundle, draft / "records" / "attached")
    return writer.result()


def check_target(target: Path) -> None:
    """Refuse a folder that is there and not empty. Raises: EnvbuildError."""
    if target.is_symlink() or (target.exists() and not (target.is_dir() and not any(target.iterdir()))):
        raise EnvbuildError(f"`{target}` is there", hint="Name a folder that is not there yet, or is empty")
    if not target.absolute().parent.is_dir():
        raise EnvbuildError(f"`{target.absolute().parent}` is not a folder", hint="Make it, or name another with `-o`")


@contextmanager
def _appearing(target: Path) -> Iterator[Path]:
    """A new folder beside `target` that takes its place at the end; it is removed where something fails."""
    check_target(target)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.absolute().parent))
    try:
        yield draft
        draft.chmod(0o755)
        draft.rename(target)
    except BaseException:
        remove_tree(draft)
        raise


def _of_part(files: Files, part: Part) -> Iterator[tuple[Placed, bytes]]:
    """What is in a part of an image, each with its path in the part's folder."""
    if part in _FOLDERS:
        folder = _FOLDERS[part].encode()
        top = files.present(folder)
        if top is not None and top.item.kind == DIRECTORY:
            yield from ((placed, placed.path[len(folder) + 1 :]) for placed in files.below(folder))
        return
    others = {folder.encode() for folder in _FOLDERS.values()} if part == "environment" else set()
    for placed in files.below(b""):
        if placed.path.partition(b"/")[0] not in others:
            yield placed, placed.path


@dataclass(slots=True)
class _Wanted:
    """A file to write, and the paths of it that are to be one file."""

    placed: Placed
    paths: list[bytes]


class _Writer:
    """Makes directories at once, files layer by layer in one reading of each, links at the end."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._wanted: dict[tuple[int, int], _Wanted] = {}
        self._links: list[tuple[bytes, Placed]] = []
        self._directories: list[tuple[bytes, Placed]] = []
        self._folded: dict[tuple[bytes, str], str] = {}
        self._left_out: list[str] = []
        self._collisions: list[tuple[str, str]] = []

    def note(self, root: bytes, placed: Placed, path: bytes, *, inside: bool) -> None:
        """Take in what is to be at `path` below `root`; with `inside`, links may lead nowhere else.

        Raises: EnvbuildError, if it may not be written.
        """
        _check_name(placed.path)
        self._note_collision(path, root)
        full = root + b"/" + path
        kind = placed.item.kind
        if kind == DIRECTORY:
            os.mkdir(full, 0o700)
            self._directories.append((full, placed))
        elif kind == FILE:
            self._wanted.setdefault((placed.layer, placed.item.offset), _Wanted(placed, [])).paths.append(full)
        elif kind == SYMBOLIC_LINK:
            if inside:
                _check_link(path, placed)
            self._links.append((full, placed))
        elif kind in DEVICES:
            self._left_out.append(shown(placed.path))

    def write(self) -> None:
        """Write everything. Raises: EnvbuildError, DigestMismatchError, if a layer is not what was promised."""
        by_layer: dict[int, list[Placed]] = {number: [] for number in self._files.unverified}
        for (number, _), wanted in self._wanted.items():
            by_layer.setdefault(number, []).append(wanted.placed)
        for number, files in sorted(by_layer.items()):
            self._write_layer(number, files)
        for full, placed in self._links:
            _made(os.symlink, placed.item.link, full)
        for full, placed in reversed(self._directories):
            os.chmod(full, placed.item.mode & _MODES | 0o700)

    def result(self) -> Unpacked:
        """What was written."""
        size = sum(wanted.placed.item.size for wanted in self._wanted.values())
        count = sum(len(wanted.paths) for wanted in self._wanted.values()) + len(self._links)
        collisions = tuple(self._collisions[:_MOST_COLLISIONS])
        return Unpacked(count, size, tuple(self._left_out), collisions, len(self._files.absent))

    def _write_layer(self, number: int, files: Iterable[Placed]) -> None:
        file, descriptor = None, -1
        wanted = in_order(placed.item for placed in files)
        try:
            for item in wanted:
                if not item.size:
                    os.close(self._opened(number, item.offset))
            for item, data in self._files.contents(number, [item for item in wanted if item.size]):
                if item is not file:
                    if descriptor >= 0:
                        os.close(descriptor)
                    file, descriptor = item, self._opened(number, item.offset)
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view) :]
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        for item in wanted:
            self._finish(self._wanted[number, item.offset])

    def _opened(self, number: int, offset: int) -> int:
        path = self._wanted[number, offset].paths[0]
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor: int = _made(os.open, path, flags, 0o600)
        return descriptor

    def _finish(self, wanted: _Wanted) -> None:
        first, item = wanted.paths[0], wanted.placed.item
        os.chmod(first, item.mode & _MODES | 0o400)
        os.utime(first, (item.mtime, item.mtime))
        for path in wanted.paths[1:]:
            _made(os.link, first, path)

    def _note_collision(self, path: bytes, root: bytes) -> None:
        parent, _, _ = path.rpartition(b"/")
        text = path.decode(errors="backslashreplace")
        folded = unicodedata.normalize("NFC", text).casefold()
        other = self._folded.setdefault((root + parent, folded), text)
        if other != text:
            self._collisions.append((other, text))


def _made(make: Callable[..., Any], *arguments: Any) -> Any:
    """What `make` gives. Raises: EnvbuildError, where the file system takes two names for one."""
    try:
        return make(*arguments)
    except FileExistsError as error:
        path = arguments[-1] if make is not os.open else arguments[0]
        raise EnvbuildError(
            f"`{shown(path)}` cannot be written", "the file system takes it for a name that is there", _CASE_HINT
        ) from error


_CASE_HINT = "Unpack it on a file system on which capitals count"


def _check_name(path: bytes) -> None:
    text = path.decode(errors="replace")
    if any(unicodedata.category(character) in _CONTROLS for character in text):
        raise EnvbuildError(
            f"`/{shown(path)}` is not written", "there are characters in its name that could be commands to a terminal"
        )


def _check_link(path: bytes, placed: Placed) -> None:
    """A link in a part leads to what is in the part."""
    depth = path.count(b"/")
    for name in placed.item.link.split(b"/"):
        depth += -1 if name == b".." else 0 if name in (b"", b".") else 1
        if depth < 0:
            break
    if depth < 0 or placed.item.link.startswith(b"/"):
        raise EnvbuildError(
            f"`/{shown(placed.path)}` is not written", f"it is a link that leads out, to `{shown(placed.item.link)}`",
            "`--only root` writes the whole file system, links as they are",
        )  # fmt: skip


def _write_attached(bundle: Bundle, folder: Path) -> None:
    """Each record by the digest of its manifest."""
    for subject in bundle.subjects:
        for descriptor, attachment in attached(bundle, subject.digest):
            folder.mkdir(exist_ok=True)
            suffix = ".json" if attachment.media_type.endswith("json") else ".bin"
            (folder / f"{descriptor.digest.hex}{suffix}").write_bytes(attachment.data)
