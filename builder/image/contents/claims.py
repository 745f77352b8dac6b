"""What packages say of their files, compared with the files. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from builder.oci.layer_rules import DIRECTORY, FILE, SYMBOLIC_LINK, described, shown
from builder.oci.layer_stack import LayerStack, Placed
from builder.oci.problems import Problem


class Claim(NamedTuple):
    """What one package says of one of its paths."""

    package: str
    """For messages: `numpy 2.4.6`."""
    checksum: bytes = b""
    """Of a file's content; empty where it is not told, or cannot be compared."""
    size: int | None = None
    """In bytes."""
    kind: bytes = FILE


@dataclass(slots=True)
class Claims:
    """The claims of all packages, by path. Of several packages with one path, one has to be right."""

    by_path: dict[bytes, list[Claim]] = field(default_factory=dict)

    def add(self, path: bytes, claim: Claim) -> None:
        """Note what a package says of `path`."""
        self.by_path.setdefault(path, []).append(claim)

    def differences(self, files: LayerStack, skipped: frozenset[int] = frozenset()) -> Iterator[Problem]:
        """The claims that do not hold. What is there of a layer in `skipped` is not compared."""
        for path, claims in self.by_path.items():
            placed = files.find(path, follow=False)
            if placed is None:
                yield _problem(path, claims[0], "is not there")
            elif placed.layer not in skipped:
                wrong = [why for claim in claims if (why := _wrong(placed, claim))]
                if len(wrong) == len(claims):
                    yield _problem(path, claims[0], wrong[0])


def _wrong(placed: Placed, claim: Claim) -> str:
    node = placed.node
    if node.kind != claim.kind:
        return f"is {described(node.kind)} and should be {described(claim.kind)}"
    if claim.kind in (DIRECTORY, SYMBOLIC_LINK):
        return ""
    if claim.size is not None and node.size != claim.size:
        return f"has {node.size} bytes and should have {claim.size}"
    return "has another content than it should have" if claim.checksum and node.checksum != claim.checksum else ""


def _problem(path: bytes, claim: Claim, why: str) -> Problem:
    return Problem("contents", f"`{shown(path)}` of {claim.package} {why}", path=shown(path, 4096))
