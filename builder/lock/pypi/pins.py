"""Hashed requirements that are taken as they are: one file a pin and target, found through the index by its hash."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import unquote, urlsplit

from builder.errors import EnvbuildError
from builder.fetch.project_name import normalised
from builder.lock.interface import Pin, Request, Target
from builder.lock.pypi.choose import choose
from builder.lock.pypi.found import Found
from builder.lock.pypi.index import SimpleIndexes, version_of
from builder.lock.pypi.tags import marker_environment
from builder.oci.digest import Digest

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
    from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName

    try:
        return Marker(marker).evaluate({**environment, "extra": ""})
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName) as error:
        raise EnvbuildError(
            f"{pin.place}: the marker of `{pin.name}` cannot be read", str(error).splitlines()[0]
        ) from error


def _choose(pin: Pin, request: Request, target: Target, indexes: SimpleIndexes) -> Found:
    if pin.url is not None:
        return choose([_direct(pin, pin.url)], target, sdists=request.sdists, place=pin.place)
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


def _direct(pin: Pin, url: str) -> Found:
    """The file of a direct reference, of which the index knows nothing."""
    plain, _, fragment = url.partition("#")
    parts = dict(part.partition("=")[::2] for part in fragment.split("&"))
    digests = {parts["sha256"]} if "sha256" in parts else set(pin.hashes)
    if len(digests) != 1:
        raise EnvbuildError(
            f"{pin.place}: the URL of `{pin.name}` needs one sha256", hint="Write `--hash=sha256:…` of just this file"
        )
    file_name = unquote(urlsplit(plain).path.rpartition("/")[2])
    version = pin.version or version_of(file_name, normalised(pin.name)) or ""
    digest = Digest(digests.pop())
    return Found(pin.name, version, file_name, digest, None, plain, parts.get("subdirectory", ""), direct=True)


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
    from packaging.version import InvalidVersion, Version

    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def _text(pin: Pin) -> str:
    return f"{pin.name} @ {pin.url}" if pin.url else f"{pin.name}=={pin.version}"
