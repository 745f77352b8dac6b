"""Which locked package asks for which other on a target, with its markers and the extras that were asked for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from builder.fetch.project_name import normalised
from builder.lock.pypi.metadata import Metadata

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_NO_NUMBER = re.compile(r"[0-9]{1000}")
"""What stands in no version; Python refuses to read a number of several thousand digits."""

Extras = Mapping[str, frozenset[str]]
"""Normalised extras by the normalised name of their package."""


def edges(
    packages: Mapping[str, Metadata], asked: Extras, environment: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """The locked packages that each locked package asks for, by name and sorted.

    `asked` are the extras that were asked for from outside; those that packages ask of each other are found.
    """
    active: dict[str, set[str]] = {name: set(asked.get(name, ())) for name in packages}
    found: dict[str, set[str]] = {name: set() for name in packages}
    waiting = list(packages)
    while waiting:
        name = waiting.pop()
        for requirement in _asked_for(packages[name], active[name], environment):
            other = normalised(requirement.name)
            if other not in packages:
                continue
            if other != name:
                found[name].add(other)
            extras = {normalised(extra) for extra in requirement.extras}
            if not extras <= active[other]:
                active[other] |= extras
                waiting.append(other)
    return {name: tuple(sorted(others)) for name, others in found.items()}


def reachable(
    packages: Mapping[str, Metadata], requirements: Iterable[str], environment: Mapping[str, str]
) -> frozenset[str]:
    """The normalised names of all that requirements lead to, also of what is not among the packages."""
    extras: dict[str, set[str]] = {}
    waiting = [
        requirement
        for text in requirements
        if (requirement := parsed(text)) and (requirement.marker is None or _applies(requirement, environment, ""))
    ]
    while waiting:
        requirement = waiting.pop()
        name = normalised(requirement.name)
        asked = {normalised(extra) for extra in requirement.extras}
        if name in extras and asked <= extras[name]:
            continue
        extras[name] = extras.get(name, set()) | asked
        if name in packages:
            waiting += _asked_for(packages[name], extras[name], environment)
    return frozenset(extras)


def asked_extras(requirements: Iterable[str], environment: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """The extras in requirements that apply in an environment. Those that cannot be read are left out."""
    found: dict[str, frozenset[str]] = {}
    for text in requirements:
        requirement = parsed(text)
        if requirement is not None and (requirement.marker is None or _applies(requirement, environment, "")):
            name = normalised(requirement.name)
            found[name] = found.get(name, frozenset()) | {normalised(extra) for extra in requirement.extras}
    return found


@lru_cache(maxsize=1 << 14)
def parsed(text: str) -> Requirement | None:
    """A requirement (PEP 508), or None if it is none: what was uploaded years ago may be of any form."""
    from packaging.requirements import InvalidRequirement, Requirement

    if _NO_NUMBER.search(text):
        return None
    try:
        return Requirement(text)
    except (InvalidRequirement, RecursionError):
        return None


def _asked_for(metadata: Metadata, extras: set[str], environment: Mapping[str, str]) -> Iterator[Requirement]:
    for text in metadata.requires:
        requirement = parsed(text)
        if requirement is not None and (
            requirement.marker is None or any(_applies(requirement, environment, extra) for extra in ("", *extras))
        ):
            yield requirement


def _applies(requirement: Requirement, environment: Mapping[str, str], extra: str) -> bool:
    from packaging.markers import UndefinedComparison, UndefinedEnvironmentName

    try:
        return requirement.marker is None or requirement.marker.evaluate({**environment, "extra": extra})
    except (UndefinedComparison, UndefinedEnvironmentName):
        return False
