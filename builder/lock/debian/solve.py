"""The closure that `apt-get install --no-install-recommends` installs on an empty system. Pure.

Follows `pkgDepCache::MarkInstall` of apt 2.6 (apt-pkg/depcache.cc): depth first, in the order of the fields; a group
of alternatives that is satisfied by now is left alone, else the first alternative that can be installed is; a
package that conflicts with one that is being installed or was asked for is not taken. What apt goes on to try when
this leaves a package broken (`pkgProblemResolver`, which weighs packages against each other and may drop what
was asked for) is not done: that is an error here, which names the packages.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

from builder.errors import EnvbuildError
from builder.lock.debian import explain
from builder.lock.debian.packages import BinaryPackage
from builder.lock.debian.relations import Group, Relation
from builder.lock.debian.universe import Universe

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*")

_Steps = Generator[tuple[str, bool], bool, bool]
"""Work on one package: yields others to install (and whether with what they need), receives whether that went well.

Chains of dependencies are longer than Python's stack is deep.
"""


def solve(universe: Universe, names: Sequence[str]) -> tuple[BinaryPackage, ...]:
    """All packages that `names` need, and themselves, sorted by name. Essential packages come only where needed.

    As with apt, the order of `names` can decide between alternatives.

    Raises: EnvbuildError, which tells every name that is unknown, or every chain of needs that cannot be met and
    every conflict.
    """
    requested = [package.name for package in requested_packages(universe, names)]
    excluded: dict[str, explain.Failure] = {}
    while True:
        marking = _Marking(universe, requested, excluded)
        marking.run()
        problems = explain.problems(marking)
        if not problems:
            return tuple(sorted(marking.kept(), key=lambda package: package.name))
        if marking.shut_out <= excluded.keys():
            raise EnvbuildError(
                "The Debian packages cannot be installed together" if len(requested) > 1
                else f"The Debian package `{requested[0]}` cannot be installed",
                problems,
                "Name an alternative that can be installed, or leave one of them out",
            )  # fmt: skip
        excluded |= {name: marking.failures[name] for name in sorted(marking.shut_out)}


def requested_packages(universe: Universe, names: Iterable[str]) -> list[BinaryPackage]:
    """The packages of these names, or the only ones that provide them.

    Raises: EnvbuildError, which tells every name that is unknown, or that several provide.
    """
    packages, problems = [], []
    for name in dict.fromkeys(names):
        if not _NAME.fullmatch(name):
            problems.append(f"`{name[:80]}` is not the name of a Debian package")
            continue
        package = universe.candidate(name)
        providers = universe.solutions(Relation(name)) if package is None else [package]
        if len(providers) == 1:
            packages.append(providers[0])
        elif providers:
            problems.append(f"`{name}` is provided by several packages: {explain.listing(providers)}")
        else:
            problems.append(explain.unknown(universe, name))
    if problems:
        raise EnvbuildError(
            f"{explain.count(len(problems), 'Debian package')} cannot be found", problems, "Correct the names"
        )
    return packages


class _Marking:
    """What is marked for installation so far. A mark is set before the package's needs are met, as apt does."""

    def __init__(self, universe: Universe, requested: Sequence[str], excluded: Mapping[str, explain.Failure]) -> None:
        self.universe = universe
        self.requested = tuple(requested)
        self.installed: dict[str, BinaryPackage] = {}
        self.failures = dict(excluded)
        self.parents: dict[str, str] = {}
        """Of each package, the one for which it was marked."""
        self._providing: dict[str, list[BinaryPackage]] = {}
        self._protected = set(requested)
        """May not be unmarked any more (asked for, or the only way to meet a need of such)."""
        self._in_progress: set[str] = set()
        self._discarded = set(excluded)
        """Have turned out not to be installable."""
        self.shut_out: set[str] = set()
        """Conflict with what was asked for, or must be there for it; so no closure has them."""

    def run(self) -> None:
        """Mark the closure, as far as it can be had."""
        for name in self.requested:
            self._add(name)
        for name in self.requested:
            self._drive(name)

    def kept(self) -> Iterator[BinaryPackage]:
        """What is marked and somebody still needs: an attempt that failed leaves marks of what it needed."""
        reached: set[str] = set()
        waiting = [name for name, package in self.installed.items() if name in self._protected or package.is_essential]
        while waiting:
            name = waiting.pop()
            if name in reached:
                continue
            reached.add(name)
            package = self.installed[name]
            yield package
            for group in (*package.requirements, *package.suggestions):
                waiting += [other.name for relation in group for other in self.matches(relation)]

    def matches(self, relation: Relation) -> list[BinaryPackage]:
        """The marked packages that satisfy `relation`."""
        named = self.installed.get(relation.name)
        others = self._providing.get(relation.name, ())
        return [
            package
            for package in (*((named,) if named else ()), *(other for other in others if other is not named))
            if package.answers(relation, self.universe.architecture)
        ]

    def is_met(self, group: Group) -> bool:
        """Whether some alternative is marked."""
        return any(self.matches(relation) for relation in group)

    def _can_be_met(self, group: Group) -> bool:
        """Whether some alternative is marked, or could be on its own."""
        return self.is_met(group) or any(
            self._candidate(package.name) for relation in group for package in self.universe.solutions(relation)
        )

    def _drive(self, name: str) -> None:
        """Run the steps of `name`, and of all that they ask for, without recursion."""
        stack = [self._steps(name, by_user=True)]
        answer: bool | None = None
        while stack:
            try:
                wanted, with_needs = stack[-1].send(answer) if answer is not None else next(stack[-1])
            except StopIteration as stop:
                stack.pop()
                answer = bool(stop.value)
                continue
            if with_needs:
                stack.append(self._steps(wanted, by_user=False))
                answer = None
            else:
                answer = self._mark_alone(wanted)

    def _mark_alone(self, name: str) -> bool:
        if name in self.installed:
            return True
        if self._is_protected(name) or self._candidate(name) is None:
            return False
        self._add(name)
        return True

    def _steps(self, name: str, *, by_user: bool) -> _Steps:
        """Mark `name` and what it needs; the result is whether that went well."""
        propagates = name in self._protected
        package = self._candidate(name)
        if package is None or (name not in self.installed and self._is_protected(name)):
            return False
        if name in self.installed and not self._is_protected(name):
            return True
        lacking = next((group for group in package.requirements if not self._can_be_met(group)), None)
        if lacking is not None:
            return self._fail(name, lacking)
        needs = [group for group in package.requirements if propagates or not self.is_met(group)]
        if not self._make_room(package, propagates) and not propagates:
            return False
        self._add(name)
        self._in_progress.add(name)
        unmet: Group | None = None
        for group in needs:
            met = yield from self._meet(name, group, propagates)
            if not met:
                unmet = unmet or group
                if not propagates and not by_user:
                    break
        self._in_progress.discard(name)
        return True if unmet is None else self._fail(name, unmet)

    def _fail(self, name: str, group: Group) -> bool:
        """Note that a need of `name` cannot be met. What was not asked for is given up for good."""
        self.failures[name] = explain.Failure(group=group)
        if name not in self._protected:
            self._remove(name)
            self._discarded.add(name)
        return False

    def _meet(self, parent: str, group: Group, propagates: bool) -> _Steps:
        """Install something that satisfies `group`, for `parent`."""
        if self.is_met(group):
            if propagates:
                return (yield from self._protect_only_solution(group))
            return True
        solutions = self._solutions(group)
        for solution in solutions:
            name = solution.name
            if self._candidate(name) is not solution:
                continue
            self.parents[name] = parent
            if propagates and len(solutions) == 1:
                if not (yield name, False):
                    continue
                self._protected.add(name)
            if (yield name, True):
                return True
        return False

    def _protect_only_solution(self, group: Group) -> _Steps:
        """What was asked for, or must be there for it, also keeps what is its only way to meet a need."""
        names = {solution.name for solution in self._solutions(group)}
        if len(names) != 1:
            return True
        (name,) = names
        if self._is_protected(name):
            return True
        self._protected.add(name)
        return (yield name, True)

    def _make_room(self, package: BinaryPackage, propagates: bool) -> bool:
        """Unmark what `package` conflicts with, and for what was asked for, see that it never comes."""
        cleared = True
        for relation in package.conflicts:
            if not propagates and not self.conflicting(package, relation):
                continue
            for other in self._rivals(package, relation):
                if other.name in self.installed:
                    if self._is_protected(other.name):
                        self.failures[package.name] = explain.Failure(conflict=relation, rival=other.name)
                        cleared = False
                        if not propagates:
                            return False
                        continue
                    self._remove(other.name)
                    self.failures[other.name] = explain.Failure(conflict=relation, rival=package.name)
                if propagates:
                    self.failures.setdefault(other.name, explain.Failure(conflict=relation, rival=package.name))
                    self._discarded.add(other.name)
                    self._protected.add(other.name)
                    self.shut_out.add(other.name)
        return cleared

    def conflicting(self, package: BinaryPackage, relation: Relation) -> list[BinaryPackage]:
        """The marked packages with which a relation of `package` forbids it to be; never itself."""
        return [other for other in self.matches(relation) if other.name != package.name]

    def _rivals(self, package: BinaryPackage, relation: Relation) -> list[BinaryPackage]:
        return [
            other
            for other in self.universe.solutions(relation)
            if other.name != package.name and other.name not in self._discarded
        ]

    def _solutions(self, group: Group) -> list[BinaryPackage]:
        """What could satisfy `group`: neither found to be impossible, nor shut out by what was asked for."""
        found: list[BinaryPackage] = []
        for relation in group:
            for package in self.universe.solutions(relation):
                shut_out = self._is_protected(package.name) and package.name not in self.installed
                if self._candidate(package.name) and not shut_out and package not in found[-1:]:
                    found.append(package)
        return found

    def _candidate(self, name: str) -> BinaryPackage | None:
        return None if name in self._discarded else self.universe.candidate(name)

    def _is_protected(self, name: str) -> bool:
        return name in self._protected or name in self._in_progress

    def _add(self, name: str) -> None:
        package = self.universe.candidate(name)
        if package is None or name in self.installed:
            return
        self.installed[name] = package
        for provided in package.provides:
            self._providing.setdefault(provided.name, []).append(package)

    def _remove(self, name: str) -> None:
        package = self.installed.pop(name, None)
        for provided in package.provides if package else ():
            self._providing[provided.name].remove(package)  # type: ignore[arg-type]
