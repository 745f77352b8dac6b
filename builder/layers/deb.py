"""A Debian package as a segment of a layer, and the facts that the system files are made from.

Owns what of a `.deb` lands in an image and where: paths are relative with `/usr` merged, times are constant, modes and
numeric owners are the package's. Runs nothing. How it is used:

    with open_deb(path) as package:          # decompressed once, into an unlinked temporary file; threads are fine
        package.contents()                   # what it holds
        package.write(sink)                  # the segment
        document = package.facts.to_dict()   # to be kept beside the segment

Once the facts of all packages of an image are there, `builder.layers.system` makes what their scripts would have made.
"""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Iterable
from pathlib import Path

from builder.errors import EnvbuildError
from builder.layers.deb_archive import DebArchive, naming
from builder.layers.system.elf import read_shared_object
from builder.layers.system.facts import DebFacts, Library, is_captured, is_kept_link, is_library_name, is_listed
from builder.layers.system.paths import MERGED, MOVED, merged_path
from builder.layers.tar_reader import TarEntry
from builder.layers.unpacked import Item, Placed, Spool, UnpackedPackage

__all__ = ["DebFacts", "DebPackage", "merged_path", "open_deb"]


class DebPackage(UnpackedPackage):
    """An opened deb: a Package, and its facts. Close it, or use it in a `with` statement, to free its disk space."""

    def __init__(self, spool: Spool, facts: DebFacts) -> None:
        placed = {
            path: Placed.of(spool, item, item.entry.mode, item.entry.uid, item.entry.gid)
            for path, item in spool.items.items()
        }
        super().__init__(spool, placed, spool.directories)
        self.facts = facts
        """What the system files are made from."""


def open_deb(path: Path, scratch: Path | None = None) -> DebPackage:
    """Decompress the deb at `path` once and check it; its content waits in an unlinked file in the folder `scratch`.

    Raises: EnvbuildError, naming the file, if it is damaged, too large, or holds paths or kinds that are refused.
    """
    try:
        with naming(path.name), path.open("rb") as file:
            archive = DebArchive(file, path.stat().st_size)
            control = archive.control()
            spool = Spool(scratch)
            try:
                spool.unpack(archive.data(), _place)
                for place, item in spool.items.items():
                    _check_moved_link(item.entry, place, item.is_link)
                return DebPackage(spool, _facts(spool, control))
            except BaseException:
                spool.close()
                raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):  # the scratch folder's fault, not the package's
            raise
        raise EnvbuildError(f"The package `{path.name}` cannot be read", str(error)) from error


def _place(path: str, is_link: bool) -> str:
    return path if is_link and path in (*MERGED, *MOVED) else merged_path(path)


def _facts(spool: Spool, control: dict[str, bytes]) -> DebFacts:
    def text(name: str) -> str:
        return control.get(name, b"").decode("utf-8", "replace")

    scripts = tuple((name, text(name)) for name in ("preinst", "postinst") if name in control)
    all_scripts = "\n".join(script for _, script in scripts)
    ordered = sorted(spool.items.items())
    facts = DebFacts(
        paragraph=text("control").strip() + "\n",
        md5sums=text("md5sums"),
        conffiles=text("conffiles"),
        scripts=scripts,
        libraries=tuple(_libraries(spool, ordered)),
        links=tuple((path, item.entry.target) for path, item in ordered if item.is_link and is_kept_link(path)),
        listed=tuple(path for path, _ in ordered if is_listed(path, all_scripts)),
        files=tuple(
            (path, spool.read(item, 0, item.size))
            for path, item in ordered
            if not item.is_link and is_captured(path, item.size)
        ),
    )
    if not all((facts.name, facts.version, facts.architecture)):
        raise EnvbuildError("Its control file lacks a name, a version or an architecture")
    return facts


def _libraries(spool: Spool, ordered: Iterable[tuple[str, Item]]) -> Iterable[Library]:
    for path, item in ordered:
        if is_library_name(path) and not item.is_link:
            found = read_shared_object(lambda offset, size, item=item: spool.read(item, offset, size))  # type: ignore[misc]
            if found is not None:
                yield Library(path, found)


def _check_moved_link(entry: TarEntry, place: str, is_link: bool) -> None:
    """A relative link that merging has moved one folder down must still lead to the same place."""
    if not is_link or place == entry.path or entry.target.startswith("/"):
        return
    before = posixpath.normpath("/" + posixpath.join(posixpath.dirname(entry.path), entry.target)).lstrip("/")
    after = posixpath.normpath("/" + posixpath.join(posixpath.dirname(place), entry.target)).lstrip("/")
    if merged_path(before) != after:
        raise EnvbuildError(
            f"The link `{entry.path}` does not work where `/usr` is merged", f"its target is `{entry.target}`"
        )
