"""Why packages cannot be installed: the chains of needs and the conflicts, in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from builder.lock.debian.packages import BinaryPackage
from builder.lock.debian.relations import Group, Relation
from builder.lock.debian.universe import Universe

_LONGEST_CHAIN = 30
_LONGEST_LISTING = 12


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one package could not be installed: a need that was not met, or a conflict."""

    group: Group = ()
    """The need."""
    conflict: Relation | None = None
    """The relation that forbids it to be there with `rival`."""
    rival: str = ""


class Attempt(Protocol):
    """What has been marked, and what has failed."""

    universe: Universe
    requested: tuple[str, ...]
    installed: dict[str, BinaryPackage]
    failures: dict[str, Failure]
    parents: dict[str, str]

    def is_met(self, group: Group) -> bool:
        """Whether some alternative is marked."""

    def conflicting(self, package: BinaryPackage, relation: Relation) -> list[BinaryPackage]:
        """The marked packages with which a relation of `package` forbids it to be."""


def problems(attempt: Attempt) -> list[str]:
    """One line for each need that is not met and each conflict among what is marked, in the order of marking."""
    lines: list[str] = []
    for package in attempt.installed.values():
        unmet = [group for group in package.requirements if not attempt.is_met(group)]
        unmet = [group for group in unmet if _is_hopeless(attempt, group)] or unmet
        lines += [
            ", ".join([*_way_to(attempt, package.name), *_chain(attempt, package.name, group)]) for group in unmet
        ]
        for relation in package.conflicts:
            rivals = attempt.conflicting(package, relation)
            lines += [_conflict(attempt, package.name, relation, rival.name) for rival in rivals]
    return list(dict.fromkeys(lines))


def unknown(universe: Universe, name: str) -> str:
    """That there is no package of this name, and which there are."""
    similar = universe.similar(name)
    if not similar:
        return f"there is no package `{name}`"
    return f"there is no package `{name}`; similar are {', '.join(f'`{other}`' for other in similar)}"


def listing(packages: Sequence[BinaryPackage]) -> str:
    """The names, sorted, and how many more there are."""
    names = sorted(f"`{package.name}`" for package in packages)
    more = len(names) - _LONGEST_LISTING
    return ", ".join(names[:_LONGEST_LISTING]) + (f" and {more} more" if more > 0 else "")


def count(number: int, noun: str) -> str:
    """`1 thing`, `2 things`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _way_to(attempt: Attempt, name: str) -> list[str]:
    """From a package that was asked for, by way of what needed what, to `name`."""
    way: list[str] = []
    while name not in attempt.requested and name in attempt.parents and len(way) < _LONGEST_CHAIN:
        parent = attempt.parents[name]
        way.append(f"`{parent}` needs `{name}`")
        name = parent
    return way[::-1]


def _chain(attempt: Attempt, name: str, group: Group) -> list[str]:
    """From an unmet need down to the reason that has no further one."""
    chain: list[str] = []
    seen: set[str] = set()
    while group and name not in seen and len(chain) < _LONGEST_CHAIN:
        seen.add(name)
        chain.append(f"`{name}` needs `{_text(group)}`")
        culprit = _culprit(attempt, group)
        if culprit is None:
            return [*chain, _lacking(attempt.universe, group)]
        failure = attempt.failures[culprit]
        if failure.conflict is not None:
            return [*chain, f"and `{culprit}` cannot be there with `{failure.rival}` (`{failure.conflict}`)"]
        name, group = culprit, failure.group
    return chain


def _is_hopeless(attempt: Attempt, group: Group) -> bool:
    """Whether this need is a reason to fail, and not only left unmet because of another one."""
    return _culprit(attempt, group) is not None or not any(attempt.universe.solutions(relation) for relation in group)


def _culprit(attempt: Attempt, group: Group) -> str | None:
    """The first package that would satisfy `group` and has failed."""
    for relation in group:
        for package in attempt.universe.solutions(relation):
            if package.name in attempt.failures:
                return package.name
    return None


def _lacking(universe: Universe, group: Group) -> str:
    """Why no package satisfies `group`, for its first alternative."""
    relation = group[0]
    package = universe.candidate(relation.name)
    if package is None:
        return "and no package is or provides that"
    if relation.qualifier not in (None, "native", universe.architecture) and package.multi_arch != "allowed":
        return f"and `{package.name}` is not there for that architecture"
    return f"but `{package.name}` has version {package.version}"


def _conflict(attempt: Attempt, name: str, relation: Relation, rival: str) -> str:
    ways = [f"{', '.join(way)}" for way in (_way_to(attempt, name), _way_to(attempt, rival)) if way]
    because = f" ({'; '.join(ways)})" if ways else ""
    return f"`{name}` conflicts with `{rival}` (`{relation}`){because}"


def _text(group: Group) -> str:
    return " | ".join(map(str, group))
