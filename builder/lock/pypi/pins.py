"""Hashed requirements that are taken as they are: one file a pin and target, found through the index by its hash."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from builder.errors import EnvbuildError
from builder.lock.interface import Pin, Request, Target
from builder.lock.pypi.choose import choose
from builder.lock.pypi.direct import file_at
from builder.lock.pypi.found import Found
from builder.lock.pypi.index import SimpleIndexes
from builder.lock.pypi.tags import marker_environment

_MOST_NAMED = 6
"""Versions that a message lists."""


def choose_pins(pins: Sequence[Pin], request: Request, target: Target, indexes: SimpleIndexes) -> tuple[Found, ...]:
    """The file of each pin that applies on a target, sorted; nothing is resolved, and times of upload do not matter.

    Raises: EnvbuildError, with file and line of every pin that cannot be met.
    """
    active = active_pins(pins, target)
    indexes.read_ahead(pin.name for pin in active if pin.url is None)
    found: list[Found] = []
    failures: list[EnvbuildError] = []
    for pin in active:
        try:
            found.append(_choose(pin, request, target, indexes))
        except EnvbuildError as error:
            failures.append(error)
    if len(failures) > 1:
        lines = [text for error in failures for text in (error.what, *error.why)]
        hints = dict.fromkeys(error.hint for error in failures if error.hint)
        raise EnvbuildError(f"the pins cannot be taken for {target.platform}", lines, "; ".join(hints) or None)
    if failures:
        raise failures[0]
    return tuple(sorted(found))


def active_pins(pins: Iterable[Pin], target: Target) -> tuple[Pin, ...]:
    """The pins whose markers hold on a target, by name.

    Raises: EnvbuildError, if two of them are of one package, or a marker cannot be read.
    """
    environment = marker_environment(target.python, target.machine)
    active: dict[str, Pin] = {}
    for pin in pins:
        if pin.marker is not None and not _holds(pin, pin.marker, environment):
            continue
        other = active.get(pin.name)
        if other is not None:
            raise EnvbuildError(
                f"{pin.place}: `{pin.name}` is pinned twice for {target.platform}",
                f"`{_text(other)}` at {other.place}, and `{_text(pin)}` at {pin.place}",
                "Leave out one of them, or give each a marker",
            )
        active[pin.name] = pin
    return tuple(active[name] for name in sorted(active))


def _holds(pin: Pin, marker: str, environment: dict[str, str]) -> bool:
    from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName

    try:
        return Marker(marker).evaluate({**environment, "extra": ""})
    except (ValueError, RecursionError, UndefinedComparison, UndefinedEnvironmentName) as error:
        raise EnvbuildError(
            f"{pin.place}: the marker of `{pin.name}` cannot be read", str(error).splitlines()[0]
        ) from error


def _choose(pin: Pin, request: Request, target: Target, indexes: SimpleIndexes) -> Found:
    if pin.url is not None:
        found = file_at(pin.name, pin.url, pin.place, pin.hashes)
        found = replace(found, version=pin.version or found.version)
        return choose([found], target, sdists=request.sdists, place=pin.place)
    listed = indexes.listed(pin.name)
    if listed is None:
        raise EnvbuildError(
            f"{pin.place}: `{pin.name}` is on no index", f"{', '.join(indexes.asked(pin.name))} was asked"
        )
    files = [one.found for one in listed if _same_version(one.found.version, pin.version)]
    if not files:
        raise _no_version(pin, [one.found.version for one in listed], indexes)
    hashed = [file for file in files if file.digest.hex in pin.hashes]
    if not hashed:
        raise EnvbuildError(
            f"{pin.place}: no file of `{pin.name}` {pin.version} on the index has one of its hashes",
            f"{' and '.join(indexes.asked(pin.name))} was asked: {len(files)} of its files are of this version",
            "The files were replaced, the hashes were edited, or they are of another index; lock again",
        )
    return choose(hashed, target, sdists=request.sdists, place=pin.place)


def _no_version(pin: Pin, versions: Iterable[str], indexes: SimpleIndexes) -> EnvbuildError:
    from packaging.version import Version

    known = sorted({*versions}, key=Version, reverse=True)
    named = f"there are {', '.join(known[:_MOST_NAMED])}{' and older ones' if len(known) > _MOST_NAMED else ''}"
    return EnvbuildError(
        f"{pin.place}: `{pin.name}` {pin.version} is not on the index",
        f"{' and '.join(indexes.asked(pin.name))} was asked: {named if known else 'there is no file of it'}",
        "Pin a version that is there, or name the index that has it in `indexes`",
    )


def _same_version(one: str, other: str) -> bool:
    from packaging.version import Version

    try:
        return Version(one) == Version(other)
    except ValueError:
        return one == other


def _text(pin: Pin) -> str:
    return f"{pin.name} @ {pin.url}" if pin.url else f"{pin.name}=={pin.version}"
