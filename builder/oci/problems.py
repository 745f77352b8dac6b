"""What is wrong with an image, one sentence a problem, with the layer and the path that it is about. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from builder.errors import CheckFailedError, DigestMismatchError, EnvbuildError, shortened

Kind = Literal["digest", "document", "layer", "contents", "rebuild"]
"""`digest`: bytes are missing, or not what a digest, a size or a diff_id promises; `document`: an index, manifest or
config is not what the specification asks for; `layer`: a tar is not; `contents`: files are not what the lock says;
`rebuild`: building again gives something else."""

MOST = 100
"""Problems of one layer, or of one comparison, that are told one by one."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One promise or rule that does not hold."""

    kind: Kind
    message: str
    """A whole sentence, with layer and path in it."""
    layer: str = ""
    """The digest of the layer's blob, where one is at fault."""
    path: str = ""
    """In the image, or in a document (`$.config.Env`)."""

    @property
    def is_digest(self) -> bool:
        """Whether bytes are not those that were promised."""
        return self.kind in ("digest", "rebuild")

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def refusal(name: str, problems: Sequence[Problem]) -> EnvbuildError:
    """The error that an image has these problems."""
    kind = DigestMismatchError if any(problem.is_digest for problem in problems) else CheckFailedError
    return kind(f"`{name}` is not what it promises to be", told(problems))


def told(problems: Iterable[Problem]) -> list[str]:
    """What is told of them on a terminal."""
    return shortened([problem.message for problem in problems], "; `--json` shows all")


def first(problems: Iterable[Problem], most: int = MOST) -> tuple[Problem, ...]:
    """The first `most` of them, and one that says how many more there are."""
    kept: list[Problem] = []
    more = 0
    for problem in problems:
        if len(kept) < most:
            kept.append(problem)
        else:
            more += 1
    if more:
        last = kept[-1]
        about = f"layer {last.layer}: " if last.layer else ""
        kept.append(Problem(last.kind, f"{about}{more} more problems of this kind are not listed", last.layer))
    return tuple(kept)
