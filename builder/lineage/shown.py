"""A lineage as people see it: what stands between two activities, without the files that only repeat a folder. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from builder.lineage.graph import THING, Lineage, Link
from builder.lineage.things import Activity, Part
from builder.records.graph import Edge, Graph, Kind, Node

_DIGITS = 12
"""Of a digest that are shown."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way between two nodes; made of links, which may be of files."""

    start: str
    end: str
    name: str
    """What the thing was called there."""


def ways(links: Iterable[Link], starts: Mapping[str, str]) -> list[Way]:
    """The links that are shown, sorted.

    `starts` has the nodes that were asked for, and the files in them, with the node that each is shown as. A file of a
    folder is shown if it leads from one activity to another, and nothing else that is shown does; a folder that nothing
    made is not shown where its files are.
    """
    into, out = _sides(links)
    built = {made: maker for made, sides in into.items() for maker, part in sides if part.kind == "image"}
    starts = {**built, **starts}  # an image and what built it are one
    kept: dict[tuple[str, str], Way] = {}
    carried: set[tuple[str, str]] = set()

    def keep(thing: str, makers: Iterable[tuple[str, Part]], users: Iterable[tuple[str, Part]]) -> None:
        shown = starts.get(thing, thing)
        for maker, part in makers:
            if maker != shown:
                kept.setdefault((maker, shown), Way(maker, shown, part.name))
        for user, part in users:
            if user != shown:
                kept.setdefault((shown, user), Way(shown, user, part.name))

    things = dict.fromkeys([*into, *out])
    for thing in things:
        makers, users = ([one for one in side[thing] if _is_whole(thing, one[1])] for side in (into, out))
        if (makers or users) and not _is_repeated(thing, into, out, starts):
            keep(thing, makers, users)
            carried |= {(maker, user) for maker, _ in makers for user, _ in users}
    for thing in things:
        if thing in starts:
            keep(thing, into[thing], out[thing])
            continue
        new = {(maker, user) for maker, _ in into[thing] for user, _ in out[thing]} - carried
        left, right = {maker for maker, _ in new}, {user for _, user in new}
        keep(thing, (one for one in into[thing] if one[0] in left), (one for one in out[thing] if one[0] in right))
        carried |= new
    return sorted(kept.values(), key=lambda way: (way.start, way.end))


_Sides = dict[str, list[tuple[str, Part]]]


def _sides(links: Iterable[Link]) -> tuple[_Sides, _Sides]:
    """Who made and who used each thing."""
    into: _Sides = defaultdict(list)
    out: _Sides = defaultdict(list)
    for link in dict.fromkeys(links):
        if link.end.startswith(THING):
            into[link.end].append((link.start, link.part))
        else:
            out[link.start].append((link.end, link.part))
    return into, out


def _is_whole(thing: str, part: Part) -> bool:
    return part.kind != "beside" and f"{THING}{part.sha256}" == thing


def _is_repeated(thing: str, into: _Sides, out: _Sides, starts: Mapping[str, str]) -> bool:
    """Whether it is a folder that nothing made, and all of its users have files of it that something did."""
    if into[thing] or thing in starts:
        return False
    parts = [part for _, part in out[thing] if f"{THING}{part.sha256}" == thing]
    return bool(parts) and all(any(into.get(f"{THING}{one}") for one in part.members()) for part in parts)


def graph_of(lineage: Lineage, found: Sequence[Way], roots: Sequence[str], title: str) -> Graph:
    """The picture's nodes and edges."""
    ids = list(dict.fromkeys([*roots, *(node for way in found for node in (way.start, way.end))]))
    edges = tuple(Edge(way.start, way.end) for way in found)
    return Graph(title, tuple(node_of(lineage, one) for one in ids), edges)


def node_of(lineage: Lineage, node: str) -> Node:
    """A thing or an activity as it is drawn."""
    activity = lineage.activities.get(node)
    if activity is not None:
        return _activity_node(activity)
    sha256 = node.removeprefix(THING)
    parts = list(lineage.parts(sha256))
    names = lineage.names(sha256) or [sha256[:_DIGITS]]
    kind: Kind = "result" if lineage.makers.get(sha256) else "data"
    if parts and parts[0].kind in ("code", "image"):
        kind = "other" if parts[0].kind == "code" else "image"
    size = next((size_of(part.size) for part in parts if part.size is not None), "")
    note = ", ".join(filter(None, (f"sha256:{sha256[:_DIGITS]}", size)))
    more = f" (+{len(names) - 1} names)" if len(names) > 1 and kind != "other" else ""
    return Node(node, kind, f"{names[0]}{more}", note)


def _activity_node(activity: Activity) -> Node:
    if activity.kind in ("image", "bundle"):
        sha256 = activity.made[0].sha256
        return Node(activity.id, "image", activity.name, f"{activity.kind} sha256:{sha256[:_DIGITS]}")
    outcome = activity.outcome if activity.outcome not in ("ok", "") else ""
    changed = "changed by hand" if activity.doubt else ""
    told = [activity.run or activity.kind, outcome, changed]
    return Node(
        activity.id, "command", activity.name, ", ".join(filter(None, told)), activity.owner, bool(activity.doubt)
    )


def size_of(size: int | None) -> str:
    """Bytes for people."""
    if size is None:
        return ""
    amount, units = float(size), ["bytes", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{amount:.0f} {units[0]}" if units[0] == "bytes" else f"{amount:.1f} {units[0]}"


def as_json(lineage: Lineage, found: Sequence[Way], roots: Sequence[str]) -> dict[str, Any]:
    """Nodes and edges with all that is told of them."""
    ids = list(dict.fromkeys([*roots, *(node for way in found for node in (way.start, way.end))]))
    return {
        "nodes": [_node_json(lineage, one) for one in sorted(ids)],
        "edges": [{"from": way.start, "to": way.end, "name": way.name} for way in found],
    }


def _node_json(lineage: Lineage, node: str) -> dict[str, Any]:
    activity = lineage.activities.get(node)
    if activity is None:
        sha256 = node.removeprefix(THING)
        part = next(lineage.parts(sha256), None)
        kind, size = (part.kind if part.kind != "beside" else "file", part.size) if part else ("file", None)
        return {"id": node, "kind": kind, "names": lineage.names(sha256), "digest": f"sha256:{sha256}", "size": size}
    return {
        "id": node,
        "kind": activity.kind,
        "names": [activity.name],
        "digest": f"sha256:{activity.made[0].sha256}" if activity.kind in ("image", "bundle") else None,
        "project": activity.project,
        "run": activity.run,
        "image": activity.image,
        "start": activity.start or None,
        "outcome": activity.outcome or None,
        "who": activity.who or None,
        "doubt": activity.doubt,
        "details": dict(activity.details),
    }
