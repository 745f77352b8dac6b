"""Many projects and environments built in one go: what each came to, and what they share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from builder.bundle.build import Built
from builder.errors import EnvbuildError
from builder.image.workshop import Workshop
from builder.oci.digest import Digest
from builder.plan import Plan


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of a fleet, before it is built."""

    file: Path
    """Its spec."""
    plans: Sequence[Plan]
    """Of its environment."""
    build: Callable[[], Built]
    """Finishes its images, on environments that are in the store. Raises: EnvbuildError."""


@dataclass(frozen=True, slots=True)
class Member:
    """One of a fleet, and what came of it."""

    file: Path
    """Its spec."""
    built: Built | None = None
    error: EnvbuildError | None = None
    """Why it was not built."""

    @property
    def layers(self) -> Mapping[Digest, int]:
        """The distinct layers of its images, and their bytes."""
        images = self.built.images if self.built else ()
        return {layer.digest: layer.size for image in images for layer in image.manifest.layers}


@dataclass(frozen=True, slots=True)
class Row:
    """What there is to say of a member."""

    member: Member
    made: int
    """Layers that were not in the store before."""
    shared: int
    """Bytes of the layers that another member has too."""

    @property
    def result(self) -> str:
        """`built`, `cached` or `failed`."""
        if self.member.error:
            return "failed"
        return "built" if self.made else "cached"

    @property
    def size(self) -> int:
        """Bytes of its layers."""
        return sum(self.member.layers.values())


@dataclass(frozen=True, slots=True)
class Summary:
    """A fleet after it was built."""

    rows: tuple[Row, ...]
    """In the order of the specs."""

    @property
    def failed(self) -> tuple[Member, ...]:
        """Those that were not built."""
        return tuple(row.member for row in self.rows if row.member.error)

    @property
    def size(self) -> int:
        """Bytes of all images, each for itself."""
        return sum(row.size for row in self.rows)

    @property
    def distinct(self) -> int:
        """Bytes of all layers, each once."""
        layers = {digest: size for row in self.rows for digest, size in row.member.layers.items()}
        return sum(layers.values())


def build_fleet(candidates: Sequence[Candidate], workshop: Workshop) -> tuple[Member, ...]:
    """What came of each; one that fails does not stop the others. What they share is made once for all of them."""
    from builder.image.build import build_images

    environments = iter(build_images([plan for one in candidates for plan in one.plans], workshop))
    members = []
    for one in candidates:
        images = list(islice(environments, len(one.plans)))
        error = next((image for image in images if isinstance(image, EnvbuildError)), None)
        members.append(Member(one.file, error=error) if error else _member(one))
    return tuple(members)


def summarise(members: Sequence[Member], before: Collection[Digest]) -> Summary:
    """What the members came to, where `before` is what the store held before."""
    holders = Counter(digest for member in members for digest in member.layers)
    return Summary(
        tuple(
            Row(
                member,
                sum(1 for digest in member.layers if digest not in before),
                sum(size for digest, size in member.layers.items() if holders[digest] > 1),
            )
            for member in members
        )
    )


def _member(candidate: Candidate) -> Member:
    try:
        return Member(candidate.file, candidate.build())
    except EnvbuildError as error:
        return Member(candidate.file, error=error)
