"""The bytecode of packages: made by the image's own interpreter in batches, proven by a second run, kept for each.

What a batch holds decides no byte, since each code object is put into its canonical form; the second run, in the
other order and with other hashes, is the proof. The answers are not trusted: they are bounded, and only what was
asked for is taken, at the place where it belongs.
"""

from __future__ import annotations

import hashlib
import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from builder.errors import DigestMismatchError, EnvbuildError
from builder.image.kept import Image, contents_from_value, contents_to_value, keep_value, known_value
from builder.image.workshop import Workshop
from builder.layers import tar_headers
from builder.layers.bytecode import LARGEST_SOURCE, BytecodeTarget, bytecode_file
from builder.layers.files import FileEntry, FileTree
from builder.layers.interface import Contents
from builder.layers.join import Segment, write_segment
from builder.layers.tar_reader import Stream, TarReader
from builder.oci.digest import Digest
from builder.oci.store import Store
from builder.plan import BYTECODE_FORMAT

_LENGTHS, _HEAD = struct.Struct("<II"), struct.Struct("<Ii8s")
"""As `templates/compile_bytecode.py` has them."""
_MAGIC_SIZE = 4
_NOT_COMPILED = -1
_LARGEST_CODE = 8 * LARGEST_SOURCE
_BATCH = 400
"""Sources that are compiled in one run at least, where there are so many."""
_OFF = "Set `compile: false`"


@dataclass(frozen=True, slots=True)
class Sources:
    """What of one package is compiled."""

    name: str
    """For messages."""
    key: Mapping[str, Any]
    """Names the package by everything that its files depend on."""
    paths: tuple[str, ...]
    """Of the sources, relative to the image's root."""
    tar: Callable[[], Iterable[bytes]]
    """Gives a tar stream, without its end, that holds them; it may hold others."""
    size: int = 0
    """Of the package, in bytes, as far as it is known."""


@dataclass(frozen=True, slots=True)
class Bytecode:
    """What came of one package."""

    contents: Contents
    segment: Segment


@dataclass(frozen=True, slots=True)
class BytecodeMaker:
    """Makes the bytecode of packages for one interpreter."""

    workshop: Workshop
    target: BytecodeTarget
    interpreter: Sequence[str]
    """Names the interpreter by everything that its bytecode may depend on."""
    root: Callable[[], Image]
    """Gives the image in the store whose `/opt/env/bin/python` it is; called if there is something to make."""

    def make(self, packages: Sequence[Sources], label: str) -> list[Bytecode]:
        """The bytecode of each package; only what the store lacks is made. `label` is shown meanwhile.

        Raises: EnvbuildError, if it cannot be made here; DigestMismatchError, if two runs give different bytes.
        """
        found = [self._known(package) for package in packages]
        missing = [package for package, one in zip(packages, found, strict=True) if one is None and package.paths]
        made: dict[str, Bytecode] = {}
        if missing:
            root = self.root()

            def compiled(batch: Sequence[Sources]) -> list[Any]:
                return self._compiled(batch, root)

            batches = _batches(missing)
            for batch, values in zip(batches, self._split(compiled, batches, label), strict=True):
                made |= {package.name: _from_value(value) for package, value in zip(batch, values, strict=True)}
        return [one or made.get(package.name, _NOTHING) for package, one in zip(packages, found, strict=True)]

    def _split(
        self, compiled: Callable[[Sequence[Sources]], list[Any]], batches: Sequence[Sequence[Sources]], label: str
    ) -> list[list[Any]]:
        return self.workshop.split(compiled, batches, lambda batch: sum(package.size for package in batch), label)

    def _key(self, package: Sources) -> dict[str, Any]:
        return {
            "bytecode": BYTECODE_FORMAT,
            "interpreter": [self.target.minor, *self.interpreter],
            "package": package.key,
            "paths": hashlib.sha256("\0".join(package.paths).encode()).hexdigest(),
        }

    def _known(self, package: Sources) -> Bytecode | None:
        value = known_value(self.workshop.store, "bytecode", self._key(package))
        if value is None:
            return None
        known = _from_value(value)
        return known if self.workshop.store.has(known.segment.digest, known.segment.size) else None

    def _compiled(self, batch: Sequence[Sources], root: Image) -> list[Any]:
        """What came of each package of a batch, as JSON data, which is kept."""
        store = self.workshop.store
        with store.scratch() as folder:
            sources = folder / "sources"
            asked = _write_sources(batch, sources)
            files = self._twice(sources, asked, folder, root)
            values = []
            for package in batch:
                entries = [
                    FileEntry.on_disk(self.target.place(path), files[number])
                    for number, (owner, path) in enumerate(asked)
                    if owner == package.name and number in files
                ]
                values.append(_to_value(store, FileTree(entries)))
                keep_value(store, "bytecode", self._key(package), values[-1])
        return values

    def _twice(self, sources: Path, asked: Sequence[tuple[str, str]], folder: Path, root: Image) -> dict[int, Path]:
        """The files of bytecode by the number of their source, after both runs have given the same."""
        files = {number: folder / str(number) for number in range(len(asked))}
        first = self._run("forwards", sources, asked, root, lambda number, data: files[number].write_bytes(data))
        second = self._run("backwards", sources, asked, root, lambda *_: None)
        for number, (name, path) in enumerate(asked):
            if first.get(number) != second.get(number):
                raise DigestMismatchError(
                    f"the bytecode of {name} cannot be repeated", f"that of `/{path}` differs between two runs", _OFF
                )
        return {number: files[number] for number in first}

    def _run(
        self,
        order: str,
        sources: Path,
        asked: Sequence[tuple[str, str]],
        root: Image,
        take: Callable[[int, bytes], Any],
    ) -> dict[int, bytes]:
        """The digests of what one run gives, by the number of the source; `take` is handed each file."""
        compiler = self.workshop.compiler
        if compiler is None:
            raise EnvbuildError("bytecode cannot be made here", "nothing can run the image's interpreter", _OFF)
        digests: dict[int, bytes] = {}
        with compiler(self.workshop.store, root, sources, order) as answer:
            for number, data in _answers(answer, self.target, [path for _, path in asked]):
                digests[number] = hashlib.sha256(data).digest()
                take(number, data)
        return digests


def _write_sources(batch: Sequence[Sources], target: Path) -> list[tuple[str, str]]:
    """Write the request; the package and the path of each source in it, in order."""
    asked = []
    with target.open("wb") as file:
        for package in batch:
            for path, size, content in _found(package):
                name = f"/{path}".encode()
                file.write(_LENGTHS.pack(len(name), size) + name)
                file.writelines(content)
                asked.append((package.name, path))
    target.chmod(0o644)
    return asked


def _found(package: Sources) -> Iterator[tuple[str, int, Iterable[memoryview]]]:
    """Path, size and content of each source that is a file of a reasonable size. The content must be taken."""
    wanted = frozenset(package.paths)
    reader = TarReader(Stream(chain(package.tar(), (tar_headers.END_OF_ARCHIVE,))))
    for entry in reader.entries():
        if entry.kind != tar_headers.FILE:
            continue
        if entry.path in wanted and entry.size <= LARGEST_SOURCE:
            yield entry.path, entry.size, reader.content(entry)
        else:
            deque(reader.content(entry), maxlen=0)


def _answers(answer: BinaryIO, target: BytecodeTarget, paths: Sequence[str]) -> Iterator[tuple[int, bytes]]:
    """The number of each source that compiles, and its file of bytecode.

    Raises: EnvbuildError, if it is not the answer to what was asked.
    """
    magic = _exactly(answer, _MAGIC_SIZE)
    target.check_magic(magic)
    left = set(range(len(paths)))
    while left:
        number, size, source_hash = _HEAD.unpack(_exactly(answer, _HEAD.size))
        if number not in left or not _NOT_COMPILED <= size <= _LARGEST_CODE:
            raise _misunderstood()
        left.discard(number)
        if size != _NOT_COMPILED:
            yield number, bytecode_file(magic, source_hash, _exactly(answer, size), paths[number])
    if answer.read(1):
        raise _misunderstood()


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise _misunderstood()
    return data


def _misunderstood() -> EnvbuildError:
    return EnvbuildError("bytecode cannot be made", "the interpreter's answer is not understood", _OFF)


def _batches(packages: Sequence[Sources]) -> list[list[Sources]]:
    """Packages together until there are enough sources for a run."""
    batches: list[list[Sources]] = [[]]
    count = 0
    for package in packages:
        if count >= _BATCH:
            batches.append([])
            count = 0
        batches[-1].append(package)
        count += len(package.paths)
    return batches


_NOTHING = Bytecode(Contents((), ()), Segment(Digest.of(b""), 0))


def _to_value(store: Store, tree: FileTree) -> Any:
    segment = write_segment(store, tree)
    return {"contents": contents_to_value(tree.contents()), "segment": [str(segment.digest), segment.size]}


def _from_value(value: Any) -> Bytecode:
    digest, size = value["segment"]
    return Bytecode(contents_from_value(value["contents"]), Segment(Digest.parse(digest), size))
