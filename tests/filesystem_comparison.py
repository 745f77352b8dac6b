"""Comparing file systems path by path: type, mode, owner, link target, content, and which names are one file.

What is compared comes from a folder, a tar (`docker export`), the layers of an image, or a `docker save`. A page of the
documentation says what may differ, in blocks of patterns (`*` does not cross folders, `**` does):

    ```missing            only the first one has it
    ```added              only the second one has it
    ```changed            both have it, and anything about it may differ
    ```changed content    both have it, and only this may differ: any of type, mode, owner, target, content, names
"""

from __future__ import annotations

import fnmatch
import hashlib
import io
import json
import os
import posixpath
import re
import stat
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from builder.oci.compression import decompressed
from builder.oci.documents import Manifest
from builder.oci.layout import Layout

ASPECTS = ("type", "mode", "owner", "target", "content", "names")
"""What is compared, in the order in which a difference is told."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is at one path."""

    type: str
    """`file`, `directory`, `link`, `fifo` or `device`."""
    mode: int
    """The permission bits."""
    owner: tuple[int, int]
    """User and group."""
    target: str = ""
    """Of a symbolic link; of a device its numbers."""
    content: tuple[int, str] | None = None
    """Size in bytes and SHA-256 of a file."""
    names: tuple[str, ...] = ()
    """All paths of a file that has several, sorted."""


Files = Mapping[str, Entry]
"""By path, relative to the root."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One path at which two file systems differ."""

    path: str
    kind: str
    """`missing`, `added` or `changed`, seen from the second one."""
    aspects: tuple[str, ...]
    """What has changed."""
    first: Entry | None
    second: Entry | None

    def __str__(self) -> str:
        lines = [f"{self.kind}: /{self.path}"]
        if self.first is None or self.second is None:
            return f"{lines[0]}  {self.first or self.second}"
        for aspect in self.aspects:
            before, after = (getattr(entry, aspect) for entry in (self.first, self.second))
            text = (f"{before:04o}", f"{after:04o}") if aspect == "mode" else (before, after)
            lines.append(f"    {aspect}: {text[0]} and {text[1]}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern of a page."""

    kind: str
    aspects: frozenset[str]
    text: str
    pattern: re.Pattern[str]

    def excuses(self, difference: Difference) -> bool:
        """Whether the page says that this may differ."""
        allowed = self.kind == difference.kind and self.aspects.issuperset(difference.aspects)
        return allowed and self.pattern.fullmatch(difference.path) is not None


def documented(*pages: Path) -> tuple[Rule, ...]:
    """The rules of pages, in order."""
    return tuple(rule for page in pages for rule in rules(page.read_text("utf-8")))


def rules(text: str) -> Iterator[Rule]:
    """The rules of a page's text."""
    for kind, words, lines in re.findall(r"^```(missing|added|changed)(.*)\n((?:.*\n)*?)```", text, re.MULTILINE):
        aspects = frozenset(words.split()) or frozenset(ASPECTS)
        assert aspects <= set(ASPECTS), f"{sorted(aspects - set(ASPECTS))} is nothing that is compared"
        for line in lines.split():
            yield Rule(kind, aspects if kind == "changed" else frozenset(), line, _pattern(line))


def _pattern(text: str) -> re.Pattern[str]:
    parts = (fnmatch.translate(part)[4:-3].replace(".*", "[^/]*") for part in text.split("**"))
    return re.compile(".*".join(parts).replace("(?s:", "(?:"))


def differences(first: Files, second: Files) -> list[Difference]:
    """Every path at which they differ, sorted."""
    found = []
    for path in sorted(first.keys() | second.keys()):
        one, other = first.get(path), second.get(path)
        if one is None or other is None:
            found.append(Difference(path, "added" if one is None else "missing", (), one, other))
        elif aspects := tuple(name for name in ASPECTS if getattr(one, name) != getattr(other, name)):
            found.append(Difference(path, "changed", aspects, one, other))
    return found


def unexplained(found: Iterable[Difference], allowed: Sequence[Rule]) -> list[Difference]:
    """The differences that no rule excuses."""
    return [difference for difference in found if not any(rule.excuses(difference) for rule in allowed)]


def assert_same(first: Files, second: Files, allowed: Sequence[Rule] = (), shown: int = 30) -> None:
    """Fail with the first differences that no rule excuses, both sides of each."""
    left = unexplained(differences(first, second), allowed)
    more = f"\nand {len(left) - shown} more" if len(left) > shown else ""
    assert not left, f"{len(left)} paths differ:\n" + "\n".join(map(str, left[:shown])) + more


def of_folder(root: Path) -> Files:
    """What is in a folder."""
    found: dict[str, Entry] = {}
    identities: dict[str, object] = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            relative = os.path.relpath(path, root)
            found[relative] = _from_status(path, status)
            if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
                identities[relative] = (status.st_dev, status.st_ino)
    return _named(found, identities)


def of_tar(stream: IO[bytes]) -> Files:
    """What a tar holds, as `docker export` writes it."""
    return of_layers([stream])


def of_layers(layers: Iterable[IO[bytes]]) -> Files:
    """What layers make together, lowest first, each a tar (image-spec, layer.md)."""
    found: dict[str, Entry] = {}
    identities: dict[str, object] = {}
    for number, layer in enumerate(layers):
        with tarfile.open(fileobj=layer, mode="r|") as archive:
            fresh: set[str] = set()
            for member in archive:
                _apply(archive, member, number, found, identities, fresh)
    return _named(found, identities)


def of_image(layout: Layout, manifest: Manifest) -> Files:
    """What the layers of an image make."""
    return of_layers(_opened(layout, manifest))


def of_docker_archive(path: Path) -> Files:
    """What the one image of a `docker save` holds."""
    with tarfile.open(path) as archive:
        (entry,) = json.load(_extracted(archive, "manifest.json"))
        return of_layers(decompressed(io.BufferedReader(_extracted(archive, name))) for name in entry["Layers"])


def _extracted(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    file = archive.extractfile(name)  # follows links between layers
    assert file is not None
    return file


def _opened(layout: Layout, manifest: Manifest) -> Iterator[IO[bytes]]:
    for layer in manifest.layers:
        with layout.open(layer.digest) as file:
            yield decompressed(io.BufferedReader(file, 1 << 20))


def _apply(
    archive: tarfile.TarFile,
    member: tarfile.TarInfo,
    layer: int,
    found: dict[str, Entry],
    identities: dict[str, object],
    fresh: set[str],
) -> None:
    """Take one entry of a layer into the whole. `fresh` are the paths that the layer has brought, which it keeps."""
    path = posixpath.normpath(member.name).lstrip("/")
    folder, name = posixpath.split(path)
    if path == ".":
        return
    if name == ".wh..wh..opq":
        _remove_below(folder, found, identities, fresh)
        return
    if name.startswith(".wh."):
        hidden = posixpath.join(folder, name.removeprefix(".wh."))
        _remove_below(hidden, found, identities, fresh)
        _forget(hidden, found, identities)
        return
    if path in found and found[path].type == "directory" and not member.isdir():
        _remove_below(path, found, identities, set())
    if member.islnk():
        target = posixpath.normpath(member.linkname).lstrip("/")
        identities[path] = identities.setdefault(target, (layer, target))
        found[path] = found[target]
    else:
        identities.pop(path, None)
        found[path] = _from_member(archive, member)
    fresh.add(path)
    for parent in _parents(path):
        entry = found.setdefault(parent, Entry("directory", 0o755, (0, 0)))
        assert entry.type == "directory", f"/{path} is below /{parent}, which is a {entry.type}"


def _parents(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path


def _remove_below(folder: str, found: dict[str, Entry], identities: dict[str, object], kept: set[str]) -> None:
    """Remove what is in a folder, unless the layer has brought it itself."""
    if folder and folder in found and found[folder].type != "directory":
        return
    prefix = f"{folder}/" if folder else ""
    for path in [path for path in found if path.startswith(prefix) and path not in kept]:
        _forget(path, found, identities)


def _forget(path: str, found: dict[str, Entry], identities: dict[str, object]) -> None:
    found.pop(path, None)
    identities.pop(path, None)


def _from_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    owner = (member.uid, member.gid)
    if member.isdir():
        return Entry("directory", member.mode & 0o7777, owner)
    if member.issym():
        return Entry("link", 0o777, owner, member.linkname)
    if member.isfifo():
        return Entry("fifo", member.mode & 0o7777, owner)
    if member.isdev():
        return Entry("device", member.mode & 0o7777, owner, f"{member.devmajor}:{member.devminor}")
    file = archive.extractfile(member)
    assert file is not None
    return Entry("file", member.mode & 0o7777, owner, content=_content(file))


def _from_status(path: str, status: os.stat_result) -> Entry:
    owner, mode = (status.st_uid, status.st_gid), stat.S_IMODE(status.st_mode)
    if stat.S_ISDIR(status.st_mode):
        return Entry("directory", mode, owner)
    if stat.S_ISLNK(status.st_mode):
        return Entry("link", 0o777, owner, os.readlink(path))
    if stat.S_ISREG(status.st_mode):
        with open(path, "rb") as file:
            return Entry("file", mode, owner, content=_content(file))
    if stat.S_ISFIFO(status.st_mode):
        return Entry("fifo", mode, owner)
    return Entry("device", mode, owner, f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}")


def _content(file: IO[bytes]) -> tuple[int, str]:
    checksum, size = hashlib.sha256(), 0
    while data := file.read(1 << 20):
        checksum.update(data)
        size += len(data)
    return size, checksum.hexdigest()


def _named(found: Mapping[str, Entry], identities: Mapping[str, object]) -> Files:
    """The entries, each file of several names with all of them."""
    groups: dict[object, list[str]] = {}
    for path, identity in identities.items():
        if path in found:
            groups.setdefault(identity, []).append(path)
    named = dict(found)
    for paths in groups.values():
        if len(paths) > 1:
            names = tuple(sorted(paths))
            named.update({path: replace(found[path], names=names) for path in paths})
    return named
