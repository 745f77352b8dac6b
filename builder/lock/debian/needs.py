"""Which package of a closure is there for which other: the edges that a lock keeps. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from builder.lock.debian.packages import BinaryPackage
from builder.lock.debian.relations import Group, Relation
from builder.lock.graph import reach


@dataclass(frozen=True, slots=True)
class Needs:
    """Why each package of a closure is in it: every one is reached from the roots over the dependencies."""

    roots: tuple[str, ...]
    """What was asked for, and what stays although nothing needs it (essential packages); sorted."""
    dependencies: Mapping[str, tuple[str, ...]]
    """Of each package the packages that meet its needs: one a need, the first alternative that is there; sorted."""


def needs_within(packages: Sequence[BinaryPackage], requested: Iterable[str], architecture: str) -> Needs:
    """The edges between the packages of a closure, of which `requested` were asked for by name."""
    closure = _Closure(packages, architecture)
    edges = {package.name: set(closure.needed(package)) for package in packages}
    roots = set(requested)
    reached = reach(roots, edges)
    while missing := sorted(edges.keys() - reached):
        # Kept for another reason than a need that only it meets: a second alternative, a Recommends or Suggests.
        loose = next(
            ((name, other) for name in sorted(reached) for other in sorted(closure.liked(name) - reached)), None
        )
        if loose:
            edges[loose[0]].add(loose[1])
        else:
            roots.add(next((name for name in missing if closure.packages[name].is_essential), missing[0]))
        reached = reach(roots, edges)
    return Needs(tuple(sorted(roots)), {name: tuple(sorted(found)) for name, found in edges.items()})


class _Closure:
    """Packages by what they are and provide."""

    def __init__(self, packages: Sequence[BinaryPackage], architecture: str) -> None:
        self.packages = {package.name: package for package in packages}
        self._architecture = architecture
        self._providers: dict[str, list[BinaryPackage]] = {}
        for package in sorted(packages, key=lambda package: package.name):
            for provided in package.provides:
                self._providers.setdefault(provided.name, []).append(package)

    def needed(self, package: BinaryPackage) -> Iterator[str]:
        for group in package.requirements:
            first = next((other.name for other in self._matches(group)), None)
            if first not in (None, package.name):
                yield str(first)

    def liked(self, name: str) -> set[str]:
        """All that meets a need of a package, or is recommended or suggested by it."""
        package = self.packages[name]
        groups = (*package.requirements, *package.suggestions)
        return {other.name for group in groups for other in self._matches(group)} - {name}

    def _matches(self, group: Group) -> Iterator[BinaryPackage]:
        for relation in group:
            yield from self._satisfying(relation)

    def _satisfying(self, relation: Relation) -> Iterator[BinaryPackage]:
        named = self.packages.get(relation.name)
        for package in (*((named,) if named else ()), *self._providers.get(relation.name, ())):
            if package.answers(relation, self._architecture):
                yield package
