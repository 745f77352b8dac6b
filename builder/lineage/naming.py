"""What people call things: finding the nodes that a name, a digest or a part of one means. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from builder.errors import EnvbuildError
from builder.lineage.graph import THING, Lineage
from builder.lineage.things import EMPTY

_HEX = re.compile(r"(?:sha256:)?([0-9a-f]{6,64})")
_RUN = re.compile(r"[0-9]{8}T[0-9a-zA-Z._-]*|[0-9a-f]{6}")
_NAMED = 10
"""Of things that could be meant, as many are named."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for."""

    title: str
    roots: tuple[str, ...]
    """The nodes, the latest first."""
    starts: Mapping[str, str] = field(default_factory=dict)
    """Each node that a walk begins at, with the root that it is of: a folder's files are asked for with it."""
    note: str = ""
    """What else is to be told."""
    recorded: bool = False
    """Whether it was found by a path that records have, of whatever version."""


@dataclass(frozen=True, slots=True)
class Names:
    """What things are called apart from the graph."""

    data: Mapping[str, str] = field(default_factory=dict)
    """The hexadecimal digest of locked data, by name."""
    places: Mapping[str, str] = field(default_factory=dict)
    """The hexadecimal digest of what was pushed to a registry, by `HOST/NAME:TAG`."""


def find(text: str, lineage: Lineage, names: Names) -> Asked | None:
    """What a text means: an image, data, a stage or a command, a run, a digest, a recorded path; None if nothing.

    Raises: EnvbuildError, if it is the beginning of several digests or runs.
    """
    return (
        _image(text, lineage, names)
        or _data(text, lineage, names)
        or _stage(text, lineage)
        or _run(text, lineage)
        or _digest(text, lineage, names)
        or _path(text, lineage)
    )


def of_digests(
    title: str, digests: Iterable[str], lineage: Lineage, note: str = "", members: Iterable[str] = ()
) -> Asked:
    """Things by hexadecimal digests, each with the files that are known to be in it; `members` are of the first."""
    roots = [f"{THING}{sha256}" for sha256 in dict.fromkeys(digests)]
    starts = {root: root for root in roots}
    for root in roots:
        for part in lineage.parts(root.removeprefix(THING)):
            for member in part.members():
                starts.setdefault(f"{THING}{member}", root)
    for member in members:
        if member != EMPTY:
            starts.setdefault(f"{THING}{member}", roots[0])
    return Asked(title, tuple(roots), starts, note)


def nearest(text: str, lineage: Lineage, names: Names) -> list[str]:
    """Names that look like a text."""
    known = {*names.data, *names.places, *(one.name for one in lineage.activities.values())}
    known |= {part.name for one in lineage.activities.values() for part in (*one.used, *one.made)}
    known |= {path for one in lineage.activities.values() for path in one.beside}
    return difflib.get_close_matches(text, sorted(known), n=3, cutoff=0.6)


def _image(text: str, lineage: Lineage, names: Names) -> Asked | None:
    place = text.removeprefix("oci://")
    pushed = names.places.get(place)
    built = [one for one in lineage.activities.values() if one.kind in ("image", "bundle")]
    found = [one for one in built if one.name == text or one.made[0].sha256 == pushed]
    inside = {part.sha256 for one in found for part in one.used}
    found = [one for one in found if one.made[0].sha256 not in inside]  # an image of a bundle is shown behind it
    if not found:
        return None
    note = f"{len(found)} images are called `{text}`; all are shown" if len(found) > 1 else ""
    return _of_activities(text, [one.id for one in found], note)


def _data(text: str, lineage: Lineage, names: Names) -> Asked | None:
    if text not in names.data:
        return None
    others = {part.sha256 for one in lineage.activities.values() for part in one.used if part.name == text}
    more = len(others - {names.data[text]})
    note = f"of `{text}`, what is locked is shown; {more} other versions were read" if more else ""
    return of_digests(text, [names.data[text]], lineage, note)


def _stage(text: str, lineage: Lineage) -> Asked | None:
    found = [one for one in lineage.activities.values() if one.name == text and one.kind in ("stage", "command")]
    if not found:
        return None
    found.sort(key=lambda one: (not one.start, one.start), reverse=True)
    latest = next((one for one in found if one.outcome in ("ok", "")), found[0])
    more = f"the latest of {len(found)} runs of `{text}` is shown" if len(found) > 1 else ""
    return _of_activities(text, [latest.id], more)


def _run(text: str, lineage: Lineage) -> Asked | None:
    if not _RUN.fullmatch(text):
        return None
    found = [
        one
        for one in lineage.activities.values()
        if one.run and one.id.startswith("run:") and (one.run.startswith(text) or one.run.endswith(f"-{text}"))
    ]
    _check_one(text, [one.run or "" for one in found])
    return _of_activities(found[0].run or "", [found[0].id]) if found else None


def _digest(text: str, lineage: Lineage, names: Names) -> Asked | None:
    given = _HEX.fullmatch(text)
    if given is None:
        return None
    found = sorted(one for one in {*lineage.digests(), *names.data.values()} if one.startswith(given[1]))
    _check_one(text, [f"sha256:{one}" for one in found])
    if not found:
        return None
    packed = [one for one in (f"image:{found[0]}", f"bundle:{found[0]}") if one in lineage.activities]
    title = f"sha256:{found[0]}"
    return _of_activities(title, packed) if packed else of_digests(title, found, lineage)


def _path(text: str, lineage: Lineage) -> Asked | None:
    """A path that records have: all versions of it, the ones that were made last first."""
    path = text.removeprefix("./").rstrip("/")
    found = [
        (one.start, part.sha256)
        for one in lineage.activities.values()
        for part in (*one.made, *one.used)
        if part.name == path and part.kind in ("file", "folder")
    ]
    found += [(one.start, one.beside[path]) for one in lineage.activities.values() if path in one.beside]
    digests = list(dict.fromkeys(sha256 for _, sha256 in sorted(found, reverse=True)))
    note = f"{len(digests)} versions of `{path}` are known; all are shown" if len(digests) > 1 else ""
    return replace(of_digests(path, digests, lineage, note), recorded=True) if digests else None


def _of_activities(title: str, ids: Sequence[str], note: str = "") -> Asked:
    return Asked(title, tuple(ids), {one: one for one in ids}, note)


def _check_one(text: str, found: Sequence[str]) -> None:
    if len(found) > 1:
        more = [f"and {len(found) - _NAMED} more"] if len(found) > _NAMED else []
        raise EnvbuildError(
            f"`{text}` is the beginning of {len(found)}", [*found[:_NAMED], *more], "Give more of its digits"
        )
