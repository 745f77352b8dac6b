"""Layers put on top of each other: the tree of files that an image has in the end, and what layers do to lower ones.

Pure. Follows image-spec, layer.md ("Applying Changesets"). Every path knows the layer that it is from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from builder.oci.layer_rules import DIRECTORY, SYMBOLIC_LINK, Finding, Node, described, shown
from builder.oci.layer_scan import LayerScan

_IMPLIED = Node(DIRECTORY, 0o755, 0, b"")
_MOST_LINKS = 40
"""Links that are followed for one path, as the kernel has it."""
_MOST_PARTS = 4096


@dataclass(slots=True)
class Placed:
    """What is at a path in the end; a directory has `entries`."""

    node: Node
    layer: int
    """The number of the layer that it is from, from 0."""
    entries: dict[bytes, Placed] | None = None


@dataclass(slots=True)
class LayerStack:
    """The files of an image. Layers are added from the lowest."""

    root: Placed = field(default_factory=lambda: Placed(_IMPLIED, 0, {}))
    captured: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    """The content of captured files, with the number of its layer."""
    layers: int = 0
    entries: int = 0
    """How many entries all layers have, directories that nobody declares among them."""
    captured_size: int = 0
    """Bytes of all captured files."""

    def add(self, scan: LayerScan, *, own: bool = False) -> Iterator[Finding]:
        """Apply a layer, which is judged as one of envbuild where it is its `own`; what is wrong with it."""
        number = self.layers
        yield from self._hide(scan)
        for path, target in scan.outside_links.items():
            where = "only a lower layer holds" if self.find(target, follow=False) else "nothing before it is"
            yield Finding(path, f"is a hard link to `{shown(target)}`, which {where}")
        blamed: set[bytes] = set()
        for path, node in scan.nodes.items():
            yield from self._place(path, node, number, own, blamed)
        for path, data in scan.captured.items():
            self.captured[path] = (number, data)
            self.captured_size += len(data)
        self.layers += 1
        self.entries += len(scan.nodes)

    def find(self, path: bytes, *, follow: bool = True) -> Placed | None:
        """What is at `path`, symbolic links followed; without `follow`, where every parent is a directory itself."""
        waiting = [part for part in reversed(path.split(b"/")) if part not in (b"", b".")]
        above = [self.root]
        links = 0
        while waiting:
            part, here = waiting.pop(), above[-1]
            if part == b"..":
                above = above[:-1] or [self.root]
                continue
            found = (here.entries or {}).get(part)
            if found is None:
                return None
            if found.node.kind == SYMBOLIC_LINK and (waiting or follow):
                links += 1
                if not follow or links > _MOST_LINKS or len(waiting) > _MOST_PARTS:
                    return None
                waiting += [part for part in reversed(found.node.link.split(b"/")) if part not in (b"", b".")]
                above = [self.root] if found.node.link.startswith(b"/") else above
                continue
            above.append(found)
        return above[-1]

    def content(self, path: bytes) -> bytes | None:
        """The captured content of the file that is at `path` in the end."""
        number, data = self.captured.get(path, (-1, None))
        found = self.find(path, follow=False)
        return data if found is not None and found.layer == number else None

    def below(self, path: bytes) -> Iterator[tuple[bytes, Placed]]:
        """Everything below a directory, without directories, each directory's in order."""
        top = self.find(path, follow=False)
        waiting = [(path, top)] if top is not None and top.entries is not None else []
        while waiting:
            place, directory = waiting.pop()
            for name, found in sorted((directory.entries or {}).items()):
                full = place + b"/" + name if place else name
                if found.entries is None:
                    yield full, found
                else:
                    waiting.append((full, found))

    def _hide(self, scan: LayerScan) -> Iterator[Finding]:
        for path in sorted(scan.opaque):
            found = self.find(path, follow=False)
            if found is not None and found.entries is not None:
                found.entries = {}
        for path in sorted(scan.whiteouts):
            parent, _, name = path.rpartition(b"/")
            directory = self.find(parent, follow=False)
            hidden = directory.entries.pop(name, None) if directory is not None and directory.entries else None
            if hidden is None and not _is_hidden(path, scan):
                yield Finding(path, "is hidden by a whiteout, and no lower layer has it", is_note=True)

    def _place(self, path: bytes, node: Node, number: int, own: bool, blamed: set[bytes]) -> Iterator[Finding]:
        here, place = self.root, b""
        parts = path.split(b"/")
        for part in parts[:-1]:
            place = place + b"/" + part if place else part
            entries = here.entries if here.entries is not None else {}
            found = entries.get(part)
            if found is None:
                found = entries[part] = Placed(_IMPLIED, number, {})
                self.entries += 1
            elif found.entries is None:
                if found.layer != number and place not in blamed:
                    blamed.add(place)
                    what = described(found.node.kind)
                    yield Finding(path, f"lies below `{shown(place)}`, which is {what} in a lower layer")
                return
            here = found
        entries = here.entries if here.entries is not None else {}
        before = entries.get(parts[-1])
        if before is not None and before.entries is not None and node.kind == DIRECTORY:
            before.node, before.layer = node, number
            return
        if own and before is not None and before.layer != number and _changes_kind(before, node):
            was, becomes = described(before.node.kind), described(node.kind)
            yield Finding(path, f"is {becomes}, and {was} in a lower layer")
        entries[parts[-1]] = Placed(node, number, {} if node.kind == DIRECTORY else None)


def _changes_kind(before: Placed, node: Node) -> bool:
    """Whether a directory takes the place of something else, or something else that of a directory."""
    return (before.entries is not None) != (node.kind == DIRECTORY)


def _is_hidden(path: bytes, scan: LayerScan) -> bool:
    """Whether the same layer hides one of the directories above `path` too."""
    while path:
        path = path.rpartition(b"/")[0]
        if path in scan.opaque or path in scan.whiteouts:
            return True
    return False
