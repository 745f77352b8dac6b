"""The graph of what was made of what: things by digest between what was done with them. Pure.

Two things with the same bytes are one, whatever they are called and in whatever project; a file is also found where
the folder that it is in was read or written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from builder.lineage.things import EMPTY, Activity, Part

RUN = "run:"
"""What the ids of runs begin with; what else tells of work, such as a lock, tells of it at second hand."""
THING = "sha256:"
"""What the ids of things begin with; behind it is the hexadecimal digest."""


@dataclass(frozen=True, slots=True)
class Link:
    """A way from a thing to what used it, or from what was done to what it made."""

    start: str
    end: str
    part: Part
    """What was used or made: the thing itself, or the folder that it is a file of."""

    @property
    def whole(self) -> bool:
        """Whether it is the thing itself."""
        return f"{THING}{self.part.sha256}" in (self.start, self.end)


_Follow = Callable[[str], Iterator[tuple[str, Link]]]


@dataclass(frozen=True, slots=True)
class Walk:
    """What was come by."""

    nodes: frozenset[str]
    links: tuple[Link, ...]

    def images(self, lineage: Lineage) -> list[str]:
        """The images and bundles among the nodes."""
        found = (lineage.activities.get(node) for node in self.nodes)
        return sorted(one.id for one in found if one is not None and one.kind in ("image", "bundle"))


@dataclass(frozen=True, slots=True)
class Lineage:
    """All that is known; made by `Lineage.of`."""

    activities: Mapping[str, Activity]
    users: Mapping[str, list[tuple[str, Part]]] = field(repr=False)
    """By hexadecimal digest: who used it, and as part of what."""
    makers: Mapping[str, list[tuple[str, Part]]] = field(repr=False)

    @classmethod
    def of(cls, activities: Iterable[Activity]) -> Lineage:
        """From what was done; of two tellings of the same, the first one counts."""
        known: dict[str, Activity] = {}
        seen: set[object] = set()
        for activity in activities:
            if activity.id.startswith(RUN):
                known.setdefault(activity.id, activity)
                continue
            seen = seen or {one.signature for one in known.values()}
            if f"{RUN}{activity.run}" not in known and activity.signature not in seen:
                known.setdefault(activity.id, activity)
                seen.add(activity.signature)
        users: dict[str, list[tuple[str, Part]]] = defaultdict(list)
        makers: dict[str, list[tuple[str, Part]]] = defaultdict(list)
        for activity in known.values():
            for table, parts in ((users, activity.used), (makers, activity.made)):
                for part in parts:
                    for sha256 in part.digests():
                        table[sha256].append((activity.id, part))
            for path, sha256 in activity.beside.items():
                if sha256 != EMPTY:
                    users[sha256].append((activity.id, Part(path, sha256, "beside")))
        return cls(known, users, makers)

    def digests(self) -> Collection[str]:
        """All hexadecimal digests that are known."""
        return self.users.keys() | self.makers.keys()

    def parts(self, sha256: str) -> Iterator[Part]:
        """What is known under a digest: each time that it was used or made as a whole, those that were made first."""
        for table in (self.makers, self.users):
            yield from (part for _, part in table.get(sha256, ()) if part.sha256 == sha256)

    def names(self, sha256: str) -> list[str]:
        """What it was called, also as a file inside of a folder."""
        found = [part.name for part in self.parts(sha256)]
        for table in (self.makers, self.users):
            for _, part in table.get(sha256, ()):
                found += [f"{part.name}/{row[0]}" for row in part.files if row[1] == sha256]
        return list(dict.fromkeys(found))

    def backward(self, starts: Iterable[str], depth: int | None = None) -> Walk:
        """What things and activities came from, at most `depth` activities back."""
        return self._walk(starts, depth, self._before)

    def forward(self, starts: Iterable[str], depth: int | None = None) -> Walk:
        """What came of things and activities, at most `depth` activities on."""
        return self._walk(starts, depth, self._after)

    def _walk(self, starts: Iterable[str], depth: int | None, follow: _Follow) -> Walk:
        level = list(dict.fromkeys(starts))
        seen, links = set(level), []
        steps = 0
        while level and (depth is None or steps < 2 * depth):
            found: list[str] = []
            for node in level:
                for other, link in follow(node):
                    links.append(link)
                    if other not in seen:
                        seen.add(other)
                        found.append(other)
            level = found
            steps += 1
        return Walk(frozenset(seen), tuple(links))

    def _before(self, node: str) -> Iterator[tuple[str, Link]]:
        if node.startswith(THING):
            for maker, part in self.makers.get(node.removeprefix(THING), ()):
                yield maker, Link(maker, node, part)
            return
        activity = self.activities.get(node)
        if activity is None:
            return
        beside = (Part(path, sha256, "beside") for path, sha256 in activity.beside.items() if sha256 != EMPTY)
        for part in (*activity.used, *beside):
            for sha256 in part.digests():
                thing = f"{THING}{sha256}"
                yield thing, Link(thing, node, part)

    def _after(self, node: str) -> Iterator[tuple[str, Link]]:
        if node.startswith(THING):
            for user, part in self.users.get(node.removeprefix(THING), ()):
                yield user, Link(node, user, part)
            return
        activity = self.activities.get(node)
        for part in activity.made if activity else ():
            for sha256 in part.digests():
                thing = f"{THING}{sha256}"
                yield thing, Link(node, thing, part)
