"""The files that a stage runs: those that its globs match, or those that its command names and they import.

What was found in a file is remembered in the store as long as the file is the same. Files that other stages write, or
that the stage reads as inputs, are no code.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import os
import posixpath
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError
from builder.lock.data.hashing import AT_REST, Hasher
from builder.oci.sourced import identity_of
from builder.pipeline.command import Mention, mentions
from builder.pipeline.imports import Modules, imported_names

_RECORDS = "imported-names"
_SOURCE = "src"
"""The folder that Python looks into first, where there is one; as in bundles."""

_WILD = frozenset("*?[\\!")
_Entry = tuple[str, tuple[str, ...]]
"""A file, and the folders where Python looks for what it imports."""


@dataclass(frozen=True, slots=True)
class FoundCode:
    """What was found for a command."""

    files: tuple[str, ...]
    """What it runs: scripts and modules that it names, and what they import. Sorted."""
    mentioned: frozenset[str]
    """Other files that its arguments name."""
    programs: frozenset[str]
    """Of `files` those that it names itself."""
    missing: str | None = None
    """The script that it is to run, where it is not there."""


class CodeFinder:
    """Finds code below one folder."""

    def __init__(self, root: Path, hasher: Hasher) -> None:
        self._root = os.fspath(root)
        self._hasher = hasher
        self._key = hashlib.sha256(os.fsencode(os.path.abspath(root))).hexdigest()
        record = hasher.store.record(_RECORDS, self._key)
        self._before: dict[str, Any] = record if isinstance(record, dict) else {}
        self._seen: dict[str, list[Any]] = {}
        self._files: dict[str, bool] = {}
        self._below = functools.cache(self._files_below)
        self._modules = Modules(self._is_file, functools.cache(self._is_folder))

    def declared(self, globs: Sequence[str]) -> tuple[str, ...]:
        """The files that globs match and no ignore file excludes, sorted.

        Raises: EnvbuildError, if a glob matches nothing, or a link to a folder.
        """
        found = {glob: self._matched(glob) for glob in globs}
        unused = [f"`{glob}`" for glob in globs if not found[glob]]
        if unused:
            hint = "Mind that files in `.gitignore` and `.envbuildignore` are left out"
            raise EnvbuildError(f"no file matches {', '.join(unused)}", hint=hint)
        files = sorted({path for paths in found.values() for path in paths})
        for path in files:
            if not self._is_file(path):
                raise EnvbuildError(f"`{path}` is no file, or a link to a folder", hint="Ignore it, or copy it")
        return tuple(files)

    def of_command(self, arguments: Sequence[str]) -> FoundCode:
        """The files that a command names, and those that they import."""
        run: list[_Entry] = []
        mentioned: list[_Entry] = []
        missing = None
        for mention in mentions(arguments):
            found = list(self._mentioned(mention))
            (run if mention.kind != "file" or mention.is_program else mentioned).extend(found)
            if mention.is_program and not found:
                missing = missing or mention.text
        programs, others = ({file for file, _ in entries} for entries in (run, mentioned))
        files = (self._closure([*run, *mentioned]) - others) | programs
        return FoundCode(tuple(sorted(files)), frozenset(others - programs), frozenset(programs), missing)

    def beside(self, path: str) -> list[str]:
        """The files beside one that is not there."""
        folder = os.path.join(self._root, os.path.dirname(path))
        names = os.listdir(folder) if os.path.isdir(folder) else []
        return [posixpath.join(posixpath.dirname(path), name) for name in sorted(names)]

    def _files_below(self, start: str) -> tuple[str, ...]:
        from builder.bundle.parts.code import files_below

        return tuple(files_below(Path(self._root), start))

    def _matched(self, glob: str) -> list[str]:
        """The files that a glob matches; only what is below its fixed part is looked at."""
        glob = glob.removeprefix("./")
        parts = glob.rstrip("/").split("/")
        fixed = list(itertools.takewhile(lambda part: not _WILD.intersection(part), parts))
        below = self._below("/".join(fixed))
        if len(fixed) == len(parts):
            return list(below)
        from builder.bundle.parts.code import glob_filter

        matches = glob_filter(glob)
        return [path for path in below if matches(path)]

    def remember(self) -> None:
        """Keep what was found of files, if anything of it is new."""
        if any(self._before.get(path) != entry for path, entry in self._seen.items()):
            settled = self._hasher.now() - AT_REST
            rows = {path: entry for path, entry in self._seen.items() if max(entry[3:5]) < settled}
            others = {path: entry for path, entry in self._before.items() if self._is_file(path)}
            self._hasher.store.keep_record(_RECORDS, self._key, {**others, **rows})

    def _mentioned(self, mention: Mention) -> Iterator[_Entry]:
        if mention.kind == "file" and self._is_file(mention.text):
            yield mention.text, (posixpath.dirname(mention.text), *self._roots)
        elif mention.kind == "module":
            yield from ((file, self._roots) for file in self._modules.main(mention.text, self._roots))
        elif mention.kind == "source":
            for name in imported_names(mention.text):
                yield from ((file, self._roots) for file in self._modules.files(name, "", self._roots))

    def _closure(self, first: Collection[_Entry]) -> set[str]:
        left, found = list(first), set(first)
        while left:
            file, roots = left.pop()
            for name in self._imports(file):
                reached = {(other, roots) for other in self._modules.files(name, file, roots)} - found
                found |= reached
                left += reached
        return {file for file, _ in found}

    def _imports(self, file: str) -> Sequence[str]:
        if not file.endswith(".py"):
            return ()
        if file not in self._seen:
            path = os.path.join(self._root, file)
            try:
                identity = list(identity_of(os.stat(path)))
                before = self._before.get(file)
                if isinstance(before, list) and before[:-1] == identity:
                    self._seen[file] = before
                else:
                    self._seen[file] = [*identity, list(imported_names(Path(path).read_bytes()))]
            except OSError:  # whoever hashes it tells
                return ()
        names: Sequence[str] = self._seen[file][-1]
        return names

    @functools.cached_property
    def _roots(self) -> tuple[str, ...]:
        return (_SOURCE, "") if self._is_folder(_SOURCE) else ("",)

    def _is_file(self, path: str) -> bool:
        if path not in self._files:
            self._files[path] = os.path.isfile(os.path.join(self._root, path))
        return self._files[path]

    def _is_folder(self, path: str) -> bool:
        return os.path.isdir(os.path.join(self._root, path))
