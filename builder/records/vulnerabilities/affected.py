"""Whether a version is affected, by an OSV record's versions and ranges (osv-schema, "Evaluation"). Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from builder.errors import EnvbuildError
from builder.fetch.project_name import normalised

PYPI, DEBIAN = "PyPI", "Debian"


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One that is in an image, as databases know it."""

    ecosystem: str
    """`PyPI`, or `Debian:12` for a release of Debian."""
    name: str
    """Normalised; of Debian, the source package's."""
    version: str
    """Of Debian, the source package's."""

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.ecosystem})"


def same_package(package: Package, ecosystem: str, name: str) -> bool:
    """Whether a record's ecosystem and name mean a package: `Debian` without a release means all of them."""
    if package.ecosystem == PYPI:
        return ecosystem == PYPI and normalised(name) == package.name
    return ecosystem in (package.ecosystem, DEBIAN) and name == package.name


def is_affected(package: Package, affected: Mapping[str, Any]) -> bool:
    """Whether an `affected` of a record, which is of this package, means its version.

    Raises: EnvbuildError, if a version cannot be compared.
    """
    key = _key(package.ecosystem)
    version = key(package.version)
    if package.version in _list(affected, "versions"):
        return True
    if package.ecosystem == PYPI and any(_equal(key, text, version) for text in _list(affected, "versions")):
        return True
    return any(_in_range(key, version, each) for each in _list(affected, "ranges") if isinstance(each, dict))


def _in_range(key: Callable[[str], Any], version: Any, given: Mapping[str, Any]) -> bool:
    if given.get("type") == "GIT":
        return False
    events = [
        (kind, str(text))
        for event in _list(given, "events")
        if isinstance(event, dict)
        for kind, text in event.items()
        if kind in ("introduced", "fixed", "last_affected", "limit")
    ]
    limits = [text for kind, text in events if kind == "limit" and text != "*"]
    if limits and not any(version < key(text) for text in limits):
        return False
    starts = [(True, text) for kind, text in events if kind == "introduced" and _starts(key, text, version)]
    ends = [(False, text) for kind, text in events if kind == "fixed" and version >= key(text)]
    ends += [(False, text) for kind, text in events if kind == "last_affected" and version > key(text)]
    return _last(key, [*starts, *ends])


def _starts(key: Callable[[str], Any], text: str, version: Any) -> bool:
    return text == "0" or version >= key(text)


def _last(key: Callable[[str], Any], events: Sequence[tuple[bool, str]]) -> bool:
    """Whether the last event at or before the version makes it affected; at one version, being fixed counts."""
    rest = sorted((key(text), not is_start) for is_start, text in events if not (is_start and text == "0"))
    return not rest[-1][1] if rest else any(events)


def _key(ecosystem: str) -> Callable[[str], Any]:
    return _pypi_key if ecosystem == PYPI else _debian_key


def _pypi_key(text: str) -> Any:
    """PEP 440's order; `+cpu` and the like are builds of the same version."""
    from packaging.version import InvalidVersion, Version

    try:
        return Version(Version(text).public)
    except InvalidVersion as error:
        raise EnvbuildError(f"`{text[:80]}` is not a version of Python's packages") from error


def _debian_key(text: str) -> Any:
    from builder.lock.debian.version import version_key

    return version_key(text)


def _equal(key: Callable[[str], Any], text: Any, version: Any) -> bool:
    try:
        return bool(key(str(text)) == version)
    except EnvbuildError:
        return False  # a version from before PEP 440, which is not this one


def _list(document: Mapping[str, Any], name: str) -> list[Any]:
    value = document.get(name)
    return value if isinstance(value, list) else []
