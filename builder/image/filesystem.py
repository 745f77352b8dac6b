"""One view over all packages of an image: which package provides a path, and each directory's mode and owner. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from builder.errors import EnvbuildError
from builder.layers.files import parents
from builder.layers.interface import Contents, Directory


@dataclass(frozen=True, slots=True)
class Owner:
    """A package and what it holds."""

    name: str
    """Unique among the packages of an image."""
    contents: Contents
    replaces: frozenset[str] = frozenset()
    """Names of packages whose files it may take over (Debian policy, section 7.6)."""


@dataclass(frozen=True, slots=True)
class Filesystem:
    """What the packages of an image make together."""

    left_out: Mapping[str, frozenset[str]]
    """By package: its paths that another package provides instead."""
    directories: Mapping[str, Directory]
    """The final mode and owner of every directory that a package declares, by path."""

    def directories_for(self, paths: Iterable[str]) -> tuple[Directory, ...]:
        """Every directory above `paths`, and those among `paths`, sorted."""
        wanted = set()
        for path in paths:
            if path in self.directories:
                wanted.add(path)
            wanted.update(parents(path))
        return tuple(self.directories.get(path, Directory(path)) for path in sorted(wanted, key=str.encode))


def merge(debian: Sequence[Owner], later: Sequence[Owner], settled: Iterable[Directory] = ()) -> Filesystem:
    """The file system of these packages, in their order of unpacking.

    A directory has the mode of the first package that declares it, as dpkg has it, unless it is among `settled`. Of
    two Debian packages with one path, the one that declares `Replaces` provides it; what comes `later` (system files,
    wheels) replaces what was there, as if installed in that order.

    Raises: EnvbuildError, if two packages cannot be put together.
    """
    names_of_later = {owner.name for owner in later}
    provider: dict[str, Owner] = {}
    left_out: dict[str, set[str]] = {}
    for owner in (*debian, *later):
        for path in owner.contents.paths:
            other = provider.get(path)
            loser = _loser(path, other, owner, owner.name in names_of_later) if other is not None else None
            if loser is not None:
                left_out.setdefault(loser.name, set()).add(path)
            if loser is not owner:
                provider[path] = owner
    directories = {directory.path: directory for directory in settled}
    for owner in (*debian, *later):
        for directory in owner.contents.directories:
            directories.setdefault(directory.path, directory)
    _refuse_paths_through_files(provider, directories, (*debian, *later))
    return Filesystem({name: frozenset(paths) for name, paths in left_out.items()}, directories)


def _loser(path: str, earlier: Owner, later: Owner, last_wins: bool) -> Owner:
    if last_wins or earlier.name in later.replaces:
        return earlier
    if later.name in earlier.replaces:
        return later
    raise _clash(path, earlier, later, "and neither replaces the other")


def _refuse_paths_through_files(
    provider: Mapping[str, Owner], directories: Mapping[str, Directory], owners: Iterable[Owner]
) -> None:
    for path in sorted(provider.keys() & directories.keys()):
        raise _clash(path, provider[path], provider[path], "once as a file or link and once as a directory")
    for owner in owners:
        declared = (directory.path for directory in owner.contents.directories)
        above = {parent for path in (*owner.contents.paths, *declared) for parent in parents(path)}
        for path in sorted(above & provider.keys()):
            raise _clash(path, provider[path], owner, "once as a file or link and once as a directory")


def _clash(path: str, one: Owner, other: Owner, how: str) -> EnvbuildError:
    return EnvbuildError(f"`/{path}` is in both {one.name} and {other.name}, {how}", hint="Leave one of them out")
