"""The packages of several archives taken together: for each name the candidate, and who satisfies a relation."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from itertools import groupby

from builder.lock.debian.packages import BinaryPackage, PackagesIndex
from builder.lock.debian.relations import Relation
from builder.lock.debian.version import version_key


class Universe:
    """Indexes of one architecture, merged: of each name, the highest version is the candidate and others are not seen.

    Where two archives have the same version, the one that stands first in `indexes` counts.
    """

    def __init__(self, indexes: Sequence[PackagesIndex], architecture: str) -> None:
        self.architecture = architecture
        self._indexes = tuple(indexes)
        self._candidates: dict[str, tuple[BinaryPackage, int] | None] = {}
        self._mentions: dict[str, tuple[int, int, int, int]] = {}
        self._solutions: dict[Relation, tuple[BinaryPackage, ...]] = {}

    def candidate(self, name: str) -> BinaryPackage | None:
        """The version of `name` that would be installed."""
        found = self._find(name)
        return found[0] if found else None

    def position(self, package: BinaryPackage) -> int:
        """Which of the indexes the candidate is from."""
        found = self._find(package.name)
        if found is None:
            raise KeyError(package.name)
        return found[1]

    def solutions(self, relation: Relation) -> tuple[BinaryPackage, ...]:
        """The candidates that satisfy `relation`, in apt's order of preference.

        The package of that name comes first, then those that provide it: essential ones, protected ones, by
        priority, and at last those whose name stands later in the indexes (apt's `CompareProviders`).
        """
        if relation not in self._solutions:
            self._solutions[relation] = tuple(self._ordered(self._satisfying(relation), relation.name))
        return self._solutions[relation]

    def _satisfying(self, relation: Relation) -> list[BinaryPackage]:
        names = dict.fromkeys([relation.name])
        for index in self._indexes:
            names.update(dict.fromkeys(index.providers(relation.name)))
        candidates = (self.candidate(name) for name in names)
        return [package for package in candidates if package and package.answers(relation, self.architecture)]

    def _ordered(self, packages: list[BinaryPackage], name: str) -> list[BinaryPackage]:
        def preference(package: BinaryPackage) -> tuple[bool, tuple[bool, bool, int]]:
            return package.name != name, package.rank

        ordered: list[BinaryPackage] = []
        for _, tied in groupby(sorted(packages, key=preference), preference):
            equals = list(tied)
            ordered += sorted(equals, key=self._first_mention, reverse=True) if len(equals) > 1 else equals
        return ordered

    def similar(self, name: str) -> list[str]:
        """Up to three names of packages that look like `name`, the most similar first."""
        near = {
            other
            for index in self._indexes
            for other in index.names
            if abs(len(other) - len(name)) <= 4 and other[:1] == name[:1]
        }
        matches = difflib.get_close_matches(name, sorted(near), n=3, cutoff=0.7)
        prefixed = sorted((other for other in near if name in other or other in name), key=lambda o: (len(o), o))
        return list(dict.fromkeys([*matches, *prefixed]))[:3]

    def _find(self, name: str) -> tuple[BinaryPackage, int] | None:
        if name not in self._candidates:
            best: tuple[BinaryPackage, int] | None = None
            for position, index in enumerate(self._indexes):
                package = index.newest(name)
                if package and (best is None or version_key(package.version) > version_key(best[0].version)):
                    best = package, position
            self._candidates[name] = best
        return self._candidates[name]

    def _first_mention(self, package: BinaryPackage) -> tuple[int, int, int, int]:
        name = package.name
        if name not in self._mentions:
            mentions = ((position, index.first_mention(name)) for position, index in enumerate(self._indexes))
            self._mentions[name] = next((position, *mention) for position, mention in mentions if mention)
        return self._mentions[name]
