"""What differs between two locks: bases, interpreters and packages, told once where platforms agree. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from builder.errors import EnvbuildError
from builder.lock.contents import KINDS, Kind, LockedPackage, contents
from builder.lock.document import Lock, LockDocument, PlatformLock
from builder.lock.staleness import changed_inputs, differences
from builder.oci.documents import Platform

Status = Literal["added", "removed", "upgraded", "downgraded", "changed", "file"]
STATUSES: tuple[Status, ...] = ("added", "removed", "upgraded", "downgraded", "changed", "file")
"""`changed`: versions that have no order; `file`: another file of the same version."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a package, on platforms that agree about it."""

    kind: Kind
    name: str
    status: Status
    before: str | None
    """Its version; None where it was not there."""
    after: str | None
    licenses: tuple[str, str]
    """Before and after; empty where the lock does not tell, or the package was not there."""
    platforms: tuple[Platform, ...]
    """Sorted."""

    @property
    def relicensed(self) -> bool:
        """Whether the license is known before and after, and is another."""
        return all(self.licenses) and self.licenses[0] != self.licenses[1]


@dataclass(frozen=True, slots=True)
class Setting:
    """What became of something that a platform has one of: its base, its interpreter."""

    name: str
    before: str | None
    after: str | None
    platforms: tuple[Platform, ...]
    """Sorted."""


@dataclass(frozen=True, slots=True)
class LockDiff:
    """All that differs."""

    platforms: tuple[Platform, ...]
    """Those of both locks, sorted."""
    added: tuple[Platform, ...]
    removed: tuple[Platform, ...]
    spec: tuple[str, ...]
    """What changed in the spec and in the files that it names, a sentence each."""
    settings: tuple[Setting, ...]
    changes: tuple[Change, ...]
    """By kind in the order of `KINDS`, then by name. Of platforms that only one lock has, none."""
    sizes: Mapping[Platform, tuple[int, int]]
    """Bytes to download before and after, of every platform of either lock; 0 where it has none."""

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.spec or self.settings or self.changes)

    def count(self, *statuses: Status) -> int:
        """How many packages have become one of `statuses`, on any platform."""
        return len({(change.kind, change.name) for change in self.changes if change.status in statuses})


def diff_locks(before: Lock, after: Lock) -> LockDiff:
    """What differs from `before` to `after`."""
    old, new = set(before.platforms), set(after.platforms)
    both = tuple(sorted(old & new))
    packages = {
        lock_name: {platform: _by_key(lock, platform) for platform in lock.platforms}
        for lock_name, lock in (("before", before), ("after", after))
    }
    changes = [
        _change(*pair, platform)
        for platform in both
        for pair in _pairs(packages["before"][platform], packages["after"][platform])
    ]
    settings = [setting for platform in both for setting in _settings(before, after, platform)]
    return LockDiff(
        both,
        tuple(sorted(new - old)),
        tuple(sorted(old - new)),
        _spec(before.document, after.document),
        tuple(_grouped(settings)),
        tuple(sorted(_grouped(changes), key=_order)),
        {
            platform: (_size(packages["before"].get(platform)), _size(packages["after"].get(platform)))
            for platform in sorted(old | new)
        },
    )


_Key = tuple[Kind, str]
T = TypeVar("T", Change, Setting)


def _by_key(lock: Lock, platform: Platform) -> dict[_Key, LockedPackage]:
    return {
        (kind, name): package
        for kind, packages in contents(lock, platform).items()
        for name, package in packages.by_name.items()
    }


def _size(packages: Mapping[_Key, LockedPackage] | None) -> int:
    return sum(package.size for package in packages.values()) if packages else 0


def _pairs(
    before: Mapping[_Key, LockedPackage], after: Mapping[_Key, LockedPackage]
) -> Iterator[tuple[LockedPackage | None, LockedPackage | None]]:
    for key in {**before, **after}:
        one, other = before.get(key), after.get(key)
        if one is None or other is None or (one.version, one.digest) != (other.version, other.digest):
            yield one, other


def _change(before: LockedPackage | None, after: LockedPackage | None, platform: Platform) -> Change:
    package = after or before
    if package is None:
        raise AssertionError
    licenses = (before.license if before else "", after.license if after else "")
    old, new = before.version if before else None, after.version if after else None
    return Change(package.kind, package.name, _status(before, after), old, new, licenses, (platform,))


def _status(before: LockedPackage | None, after: LockedPackage | None) -> Status:
    if before is None:
        return "added"
    if after is None:
        return "removed"
    if before.version == after.version:
        return "file"
    try:
        old, new = _version_key(before), _version_key(after)
    except ValueError:
        return "changed"
    return "upgraded" if new > old else "downgraded" if new < old else "changed"


def _version_key(package: LockedPackage) -> Any:
    """Sorts as the versions of its kind do (deb-version(7), PEP 440, conda). Raises: ValueError."""
    if package.kind == "debian":
        from builder.lock.debian.version import version_key

        try:
            return version_key(package.version)
        except EnvbuildError as error:
            raise ValueError(error.what) from error
    from packaging.version import Version

    return Version(package.version)


def _spec(before: LockDocument, after: LockDocument) -> tuple[str, ...]:
    return (*differences(before.spec, after.spec), *changed_inputs(before.inputs, after.inputs))


def _settings(before: Lock, after: Lock, platform: Platform) -> Iterator[Setting]:
    old, new = before.document, after.document
    one, other = _shown(old.platforms[platform]), _shown(new.platforms[platform])
    one["layer format"], other["layer format"] = str(old.layer_format), str(new.layer_format)
    one["created"], other["created"] = old.created, new.created
    for name in one:
        if one[name] != other[name]:
            yield Setting(name, one[name], other[name], (platform,))


def _shown(lock: PlatformLock) -> dict[str, str | None]:
    interpreter = lock.interpreter
    return {
        "base": f"{lock.image.reference}@{lock.image.manifest.digest}" if lock.image else f"Debian {lock.suite}",
        "interpreter": f"Python {interpreter.version} ({interpreter.source}) at {interpreter.path}",
    }


def _grouped(found: Sequence[T]) -> Iterator[T]:
    """What several platforms have in common, once."""
    platforms: dict[T, list[Platform]] = {}
    for one in found:
        platforms.setdefault(replace(one, platforms=()), []).extend(one.platforms)
    return (replace(one, platforms=tuple(sorted(those))) for one, those in platforms.items())


def _order(change: Change) -> tuple[int, str, tuple[Platform, ...]]:
    return KINDS.index(change.kind), change.name, change.platforms
