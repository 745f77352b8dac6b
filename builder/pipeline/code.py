"""The files that a stage runs: those that its globs match, or those that its command names and they import.

What was found in a file is remembered in the store as long as the file is the same. Files that other stages write, or
that the stage reads as inputs, are no code.
"""

from __future__ import annotations

import functools
import hashlib
import os
import posixpath
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.lock.data.hashing import AT_REST, Hasher
from builder.oci.sourced import identity_of
from builder.pipeline.command import Mention, mentions
from builder.pipeline.imports import Modules, imported_names

_RECORDS = "imported-names"
_SOURCE = "src"
"""The folder that Python looks into first, where there is one; as in bundles."""

Excluded = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class FoundCode:
    """What was found for a command."""

    files: tuple[str, ...]
    """Sorted."""
    named: frozenset[str]
    """Those that the command itself names."""
    missing: str | None = None
    """The script that it runs, where it is not there."""


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
        self._modules = Modules(self._is_file, functools.cache(self._is_folder))

    def declared(self, globs: Sequence[str]) -> tuple[str, ...]:
        """The files that globs match and no ignore file excludes, sorted.

        Raises: EnvbuildError, if a glob matches nothing, or a link leads out of the folder.
        """
        from builder.bundle.parts.code import code_files

        return tuple(entry.path for entry in code_files(Path(self._root), globs))

    def of_command(self, arguments: Sequence[str], is_excluded: Excluded) -> FoundCode:
        """The files that a command names, and those that they import. What is excluded is followed, not taken."""
        first: list[tuple[str, tuple[str, ...]]] = []
        missing = None
        for mention in mentions(arguments):
            found = tuple(self._mentioned(mention))
            first += found
            if mention.is_program and not found and not is_excluded(mention.text):
                missing = missing or mention.text
        taken = {file for file in self._closure(first) if not is_excluded(file)}
        return FoundCode(tuple(sorted(taken)), frozenset(file for file, _ in first) & taken, missing)

    def remember(self) -> None:
        """Keep what was found of files, if anything of it is new."""
        if any(self._before.get(path) != entry for path, entry in self._seen.items()):
            settled = self._hasher.now() - AT_REST
            rows = {path: entry for path, entry in self._seen.items() if max(entry[3:5]) < settled}
            others = {path: entry for path, entry in self._before.items() if self._is_file(path)}
            self._hasher.store.keep_record(_RECORDS, self._key, {**others, **rows})

    def _mentioned(self, mention: Mention) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Files, each with the folders where Python looks for what it imports."""
        if mention.kind == "file" and self._is_file(mention.text):
            yield mention.text, (posixpath.dirname(mention.text), *self._roots)
        elif mention.kind == "module":
            yield from ((file, self._roots) for file in self._modules.main(mention.text, self._roots))
        elif mention.kind == "source":
            for name in imported_names(mention.text):
                yield from ((file, self._roots) for file in self._modules.files(name, "", self._roots))

    def _closure(self, first: Collection[tuple[str, tuple[str, ...]]]) -> set[str]:
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
