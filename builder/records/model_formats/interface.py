"""What is known of a file of a model, and the bounded reading that its format is told by."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any

UNKNOWN = "unknown"
"""The format of what is not recognised."""
LARGEST_COUNT = 1 << 62
"""Parameters of a model at most."""


class MalformedError(ValueError):
    """A file is not of the format that its name or its first bytes promise, or beyond what is read of one."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model, as far as it tells of itself without being loaded."""

    path: str
    """Below the model's folder."""
    format: str
    """`safetensors`, `gguf`, `onnx`, `pt`, `joblib`, `pickle`, or `unknown`."""
    size: int
    """In bytes."""
    parameters: int | None = None
    """How many numbers its tensors hold, where the format tells."""
    precision: str = ""
    """Types of these numbers in ModelPack's words, the most frequent first, joined by commas: `bfloat16,float32`."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What else the format tells, as JSON values: architecture, versions, how many tensors."""
    problem: str = ""
    """Why it is not of the format that it claims, and so of an unknown one."""

    @property
    def runs_code(self) -> bool:
        """Whether loading it may run code of its author: pickles do."""
        return self.format in {"pt", "joblib", "pickle"}

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; what is not known is left out."""
        known = {
            "parameters": self.parameters, "precision": self.precision or None,
            "details": dict(self.details) or None, "problem": self.problem or None,
        }  # fmt: skip
        told = {key: value for key, value in known.items() if value is not None}
        return {"path": self.path, "format": self.format, "size": self.size, **told}


@dataclass(frozen=True, slots=True)
class Told:
    """What a format's own reader found."""

    parameters: int | None = None
    precision: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


class Reading:
    """A file that is read from its start, of which at most `most` bytes are read and the rest is skipped."""

    def __init__(self, file: IO[bytes], size: int, most: int) -> None:
        self._file = file
        self.size = size
        self.position = 0
        self._room = most
        file.seek(0)

    def take(self, count: int) -> bytes:
        """The next `count` bytes. Raises: MalformedError, if they are not there or too many."""
        self._room -= count
        if self._room < 0:
            raise MalformedError("its header is larger than one that is read")
        data = self._file.read(count) if count <= self.left else b""
        if len(data) != count:
            raise MalformedError("it ends inside its header")
        self.position += count
        return data

    def skip(self, count: int) -> None:
        """Leave out the next `count` bytes. Raises: MalformedError, if they are not there."""
        if count > self.left:
            raise MalformedError("it ends before what its header promises")
        self.position += count
        self._file.seek(self.position)

    def unpack(self, form: struct.Struct) -> tuple[Any, ...]:
        """The next values of a fixed form."""
        return form.unpack(self.take(form.size))

    @property
    def left(self) -> int:
        """Bytes that follow."""
        return self.size - self.position


def by_frequency(counts: Mapping[str, int]) -> str:
    """The names of number types, that of most parameters first."""
    return ",".join(sorted((name for name in counts if name), key=lambda name: (-counts[name], name)))
