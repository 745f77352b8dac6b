"""What a target can take of an index: one file of each version, and its requirements as they read there. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from builder.errors import EnvbuildError
from builder.fetch.project_name import normalised
from builder.lock.interface import Target
from builder.lock.pypi.choose import choose
from builder.lock.pypi.edges import parsed
from builder.lock.pypi.found import Found
from builder.lock.pypi.index import Listed
from builder.lock.pypi.metadata import Metadata
from builder.lock.pypi.tags import marker_environment

_EXTRA = re.compile(r"""\bextra\s*==\s*["']([A-Za-z0-9][\w.-]*)["']""")
"""In a marker; the field that lists extras is missing in some metadata."""


@dataclass(frozen=True, slots=True)
class Offer:
    """The file of one version that would be locked."""

    found: Found
    yanked: bool = False


def offers(listed: Iterable[Listed], target: Target, *, sdists: bool) -> tuple[dict[str, Offer], dict[str, str]]:
    """The offer of each version, and why there is none of others; by version, as they are listed."""
    versions: dict[str, list[Listed]] = {}
    for one in listed:
        versions.setdefault(one.found.version, []).append(one)
    found: dict[str, Offer] = {}
    hidden: dict[str, str] = {}
    for version, files in versions.items():
        suited = [one for one in files if meets(one.requires_python, target.python)]
        if not suited:
            needs = files[0].requires_python
            hidden[version] = f"`{files[0].found.name}` {version} needs Python {needs}, where {target.python} is there"
            continue
        kept = [one for one in suited if not one.yanked]
        try:
            found[version] = Offer(choose((one.found for one in kept or suited), target, sdists=sdists), not kept)
        except EnvbuildError as error:
            hidden[version] = error.what
    return found, hidden


def metadata_for(metadata: Metadata, target: Target, host: Mapping[str, str] | None = None) -> bytes:
    """The core metadata with each marker decided for a target, so that it reads the same on every machine.

    As it is where it reads alike on the host, given by the values of markers there: what is installed to build with
    is compared with what its wheel has inside.
    """
    environment = marker_environment(target.python, target.machine)
    extras = {normalised(extra) for text in metadata.requires for extra in _EXTRA.findall(text)}
    told = {normalised(extra) for extra in metadata.extras}
    if host and extras <= told and _reads_alike(metadata, environment, host):
        return _document(metadata, metadata.requires_python, metadata.extras, metadata.requires)
    every = sorted(extras | told)
    python = "" if meets(metadata.requires_python, target.python) else f"{metadata.requires_python}, <{target.python}"
    decided = (one for text in metadata.requires for one in _decided(text, every, environment))
    return _document(metadata, python, every, decided)


def _document(metadata: Metadata, python: str, extras: Iterable[str], requires: Iterable[str]) -> bytes:
    headers = ["Metadata-Version: 2.1", f"Name: {metadata.name}", f"Version: {metadata.version}"]
    headers += [f"Requires-Python: {python}"] if python else []
    headers += [f"Provides-Extra: {extra}" for extra in extras]
    headers += [f"Requires-Dist: {text}" for text in requires]
    return ("\n".join(headers) + "\n\n").encode()


def _reads_alike(metadata: Metadata, environment: dict[str, str], host: Mapping[str, str]) -> bool:
    """Whether each requirement applies in the same cases in both environments."""
    there = dict(host)
    pythons = {meets(metadata.requires_python, one["python_full_version"]) for one in (environment, there)}
    return len(pythons) == 1 and all(
        parsed(text) is not None
        and [*_decided(text, metadata.extras, environment)] == [*_decided(text, metadata.extras, there)]
        for text in metadata.requires
    )


def decided_requirement(text: str, target: Target) -> str | None:
    """A requirement without its marker; None if it does not apply on a target."""
    return next(_decided(text, (), marker_environment(target.python, target.machine)), None)


@lru_cache(maxsize=1 << 12)
def meets(specifier: str, version: str) -> bool:
    """Whether a version is among those that are specified; of what cannot be read nothing is held against it."""
    from packaging.specifiers import SpecifierSet

    try:
        return SpecifierSet(specifier).contains(version, prereleases=True)
    except ValueError:
        return True


def _decided(text: str, extras: Iterable[str], environment: dict[str, str]) -> Iterator[str]:
    """A requirement for each way in which it applies: always, or with single extras."""
    from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName

    requirement = parsed(text)
    if requirement is None:
        return
    marker = requirement.marker
    if marker is None:
        yield text
        return

    def holds(extra: str) -> bool:
        try:
            return marker.evaluate({**environment, "extra": extra})
        except (UndefinedComparison, UndefinedEnvironmentName):
            return False

    from packaging.requirements import Requirement

    plain = Requirement(text)
    plain.marker = None
    if holds(""):
        yield str(plain)
        return
    for extra in extras:
        if holds(extra):
            plain.marker = Marker(f'extra == "{extra}"')
            yield str(plain)
