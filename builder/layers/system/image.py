"""All the facts of one image, to look things up in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from builder.errors import EnvbuildError
from builder.layers.files import FileEntry
from builder.layers.system.facts import DebFacts
from builder.layers.system.paths import merged_path


class Image:
    """The packages of an image by name, and what is known of their files. Pure, and in no order of the caller's.

    Raises: EnvbuildError, if a package is there twice.
    """

    def __init__(self, facts: Sequence[DebFacts], architecture: str) -> None:
        self.architecture = architecture
        self.packages: dict[str, DebFacts] = {}
        for package in sorted(facts, key=lambda one: one.name):
            if package.name in self.packages:
                raise EnvbuildError(f"The package `{package.name}` is there twice", "an image has each package once")
            self.packages[package.name] = package
        self.files = {path: data for package in self.packages.values() for path, data in package.files}
        """The content of the captured files."""
        self.links = {path: target for package in self.packages.values() for path, target in package.links}
        """The captured links."""
        self.listed = {path for package in self.packages.values() for path in package.listed}
        """The paths that are known to exist, programs above all."""

    def script(self, package: str, name: str = "postinst") -> str:
        """The text of a maintainer script; empty if there is none."""
        facts = self.packages.get(package)
        return dict(facts.scripts).get(name, "") if facts is not None else ""

    def matching(self, pattern: str) -> Iterator[DebFacts]:
        """The packages whose whole name matches, by name."""
        for name, facts in self.packages.items():
            if re.fullmatch(pattern, name):
                yield facts

    def exists(self, path: str) -> bool:
        """Whether a path, absolute or relative, is known to exist."""
        place = merged_path(path.lstrip("/"))
        return place in self.listed or place in self.links or place in self.files

    def copy(self, source: str, path: str, mode: int = 0o644) -> Iterable[FileEntry]:
        """A copy of the captured file `source` at `path`, if there is one."""
        data = self.files.get(source)
        return () if data is None else (FileEntry(path, data, mode=mode),)
