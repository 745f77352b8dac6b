"""Bytecode beside its sources: which files of a package have some, where it goes, and the form of its file. Pure.

The files are unchecked and hash-based (PEP 552): the interpreter takes them without a look at the source, whose time
in an image says nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from builder.errors import EnvbuildError
from builder.layers.code_objects import OLDEST, canonical_code

LARGEST_SOURCE = 16 << 20
"""Bytes of a source; what is larger is data rather than a program, and is not compiled."""

_UNCHECKED = struct.pack("<I", 0b01)
_HASH_SIZE = 8
_SUFFIX = ".py"


@dataclass(frozen=True, slots=True)
class BytecodeTarget:
    """The interpreter that bytecode is for."""

    minor: str
    """As in 3.11."""
    folders: tuple[str, ...]
    """Where its modules are, relative to the image's root: its standard library and the environment's."""

    def __post_init__(self) -> None:
        if tuple(map(int, self.minor.split("."))) < OLDEST:
            raise EnvbuildError(
                f"no bytecode can be made for Python {self.minor}",
                f"its form is known from Python {'.'.join(map(str, OLDEST))} on",
                "Set `compile: false`, or take a newer Python",
            )

    def sources(self, paths: Iterable[str], left_out: Collection[str] = ()) -> tuple[str, ...]:
        """Those of `paths` that are modules of this interpreter, without what is `left_out`."""
        below = tuple(f"{folder}/" for folder in self.folders)
        return tuple(
            path for path in paths if path.endswith(_SUFFIX) and path.startswith(below) and path not in left_out
        )

    def place(self, source: str) -> str:
        """Where the interpreter looks for the bytecode of `source` (PEP 3147)."""
        folder, _, name = source.rpartition("/")
        return f"{folder}/__pycache__/{name.removesuffix(_SUFFIX)}.cpython-{self.minor.replace('.', '')}.pyc"

    def check_magic(self, magic: bytes) -> None:
        """Make sure that a magic number is one of this Python: from 2900 + 50 times the minor version on.

        Raises: EnvbuildError.
        """
        number, end = int.from_bytes(magic[:2], "little"), magic[2:]
        first = 2900 + 50 * int(self.minor.split(".")[1])
        if end != b"\r\n" or not first <= number < first + 50:
            raise EnvbuildError(f"the bytecode is not that of Python {self.minor}", f"its magic number is {number}")


def bytecode_file(magic: bytes, source_hash: bytes, code: bytes, source: str) -> bytes:
    """The file for a marshalled code object, made canonical; `source` is the path that it must name.

    Raises: EnvbuildError, if it is no code object of this source.
    """
    if len(source_hash) != _HASH_SIZE:
        raise EnvbuildError(f"the bytecode of `{source}` is not understood", "the hash of its source is missing")
    return magic + _UNCHECKED + source_hash + canonical_code(code, f"/{source}")
