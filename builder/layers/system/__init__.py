"""What maintainer scripts would have made, made by hand.

Once the facts of all packages of an image are there (`builder.layers.deb.open_deb`, or a cache of `DebFacts`):

    entries = system_files(facts, "amd64")              # a FileTree of them is the system segment
    directories = system_directories(facts, "amd64")    # with their final modes and owners

Both are pure: they depend on the facts and the architecture alone, not on their order, and refuse packages whose
scripts are not known. Where a directory is declared by a package too, the one from here is meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from builder.layers.files import FileEntry, Kind
from builder.layers.interface import Directory
from builder.layers.system.accounts import HOME, NONROOT, account_files
from builder.layers.system.alternatives import alternative_files
from builder.layers.system.base import base_files
from builder.layers.system.certificates import certificate_files
from builder.layers.system.dpkg_status import status_files
from builder.layers.system.facts import FACTS_FORMAT, DebFacts
from builder.layers.system.image import Image
from builder.layers.system.ld_so_cache import make_cache
from builder.layers.system.pam import pam_files
from builder.layers.system.scripts import check_scripts
from builder.layers.system.shells import shell_files
from builder.layers.system.tree import Tree

__all__ = ["FACTS_FORMAT", "HOME", "NONROOT", "DebFacts", "system_directories", "system_files"]


def system_files(facts: Sequence[DebFacts], architecture: str) -> tuple[FileEntry, ...]:
    """The files and links that the scripts of all packages would have made, sorted by path.

    Raises: EnvbuildError, if a package needs a script that is not known, or is there twice.
    """
    image = Image(facts, architecture)
    check_scripts(image)
    entries = [entry for entry in _made(image) if entry.kind is not Kind.DIRECTORY]
    entries += _library_cache(image, entries)
    return tuple(sorted(entries, key=lambda entry: entry.path))


def system_directories(facts: Sequence[DebFacts], architecture: str) -> tuple[Directory, ...]:
    """The directories that the scripts would have made or changed, with their final modes and owners, sorted."""
    found: dict[str, Directory] = {}
    for entry in _made(Image(facts, architecture)):
        if entry.kind is Kind.DIRECTORY:
            found.setdefault(entry.path, Directory(entry.path, entry.mode, entry.uid, entry.gid))
    return tuple(sorted(found.values()))


def _made(image: Image) -> Iterable[FileEntry]:
    for make in (base_files, account_files, certificate_files, shell_files, pam_files, alternative_files, status_files):
        yield from make(image)


def _library_cache(image: Image, entries: Iterable[FileEntry]) -> Iterable[FileEntry]:
    """What ldconfig leaves behind, where the package of ldconfig is there; the loader needs no cache without it."""
    if "libc-bin" not in image.packages:
        return
    libraries = {library.path: library.object for facts in image.packages.values() for library in facts.libraries}
    links = image.links | {entry.path: entry.target for entry in entries if entry.kind is Kind.SYMLINK}
    version = image.packages["libc-bin"].version
    cache = make_cache(Tree(libraries, links), libraries, image.files, image.architecture, version)
    for path, target in cache.links:
        yield FileEntry.link(path, target)
    yield FileEntry("etc/ld.so.cache", cache.data)
