"""Where two images differ: the first differing layer, the file and the bytes in it; documents by JSON path.

Both are read as streams side by side; nothing of a layer is kept.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from typing import IO, Any, cast

from builder.errors import EnvbuildError
from builder.image.kept import Image
from builder.layers.join import Layer
from builder.oci.canonical import parse_json
from builder.oci.compression import damage_errors, decompressed
from builder.oci.layer_rules import described, shown
from builder.oci.layout import CHUNK, Layout
from builder.oci.problems import Problem, first
from builder.oci.tar_entries import BLOCK, Entry, TarReader

_FIELDS = {
    "kind": "kind",
    "mode": "mode",
    "uid": "owner",
    "gid": "group",
    "size": "size",
    "mtime": "time",
    "link": "target",
}
_TOLD_ELSEWHERE = ("$.layers[", "$.config.digest", "$.config.size", "$.rootfs.diff_ids[")
"""What of documents differs because something else does, which is told."""
_MOST_VALUES = 20
_LONGEST_VALUE = 100


@dataclass(frozen=True, slots=True)
class Side:
    """An image, where its blobs are, and what to call it."""

    name: str
    layout: Layout
    image: Image


def image_differences(one: Side, other: Side) -> Iterator[Problem]:
    """Where two images differ, if they do; of layers, only the first that does is looked into."""
    if one.image.descriptor.digest == other.image.descriptor.digest:
        return
    digests = f"{one.image.descriptor.digest} {one.name} and {other.image.descriptor.digest} {other.name}"
    yield Problem("rebuild", f"{one.image.config.platform}: {digests}")
    yield from _documents(one, other)
    yield from _layers(one, other)


def _documents(one: Side, other: Side) -> Iterator[Problem]:
    names = one.name, other.name
    for what, before, after in (
        ("manifest", one.image.descriptor, other.image.descriptor),
        ("config", one.image.manifest.config, other.image.manifest.config),
    ):
        values = [parse_json(side.layout.read(blob), what) for side, blob in ((one, before), (other, after))]
        told = [
            Problem("rebuild", f"{what}: {_both(f'`{path}` is', _text(old), _text(new), names)}", path=path)
            for path, old, new in json_differences(*values)
            if not path.startswith(_TOLD_ELSEWHERE)
        ]
        yield from first(told, _MOST_VALUES)


def json_differences(one: Any, other: Any, path: str = "$") -> Iterator[tuple[str, Any, Any]]:
    """The paths at which two JSON values differ, with what is there; None for what is not there."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from json_differences(one.get(key), other.get(key), f"{path}.{key}")
    elif isinstance(one, list) and isinstance(other, list):
        for number, (before, after) in enumerate(zip_longest(one, other)):
            yield from json_differences(before, after, f"{path}[{number}]")
    elif one != other or type(one) is not type(other):
        yield path, one, other


def _text(value: Any) -> str:
    text = "nothing" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`"
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}...`"


def _layers(one: Side, other: Side) -> Iterator[Problem]:
    names = one.image.config.history
    for number, (before, after) in enumerate(zip_longest(one.image.layers, other.image.layers)):
        if before == after:
            continue
        called = f"layer {number + 1}" + (f" (`{names[number][:100]}`)" if number < len(names) else "")
        if before is None or after is None:
            there, lacking = (one, other) if after is None else (other, one)
            yield Problem("rebuild", f"{called} is there {there.name}, and not {lacking.name}")
            return
        digest = str(before.descriptor.digest)
        try:
            place, path = _layer_difference(one, before, other, after)
        except EnvbuildError as error:
            place, path = f"it cannot be read: {error}", ""
        except damage_errors() as error:
            place, path = f"it is damaged: {error}", ""
        yield Problem("rebuild", f"{called} differs {one.name} and {other.name}: {place}", digest, path)
        return


def _layer_difference(one: Side, before: Layer, other: Side, after: Layer) -> tuple[str, str]:
    """What differs first, and the path that it is about."""
    if before.diff_id == after.diff_id:
        with _opened(one, before) as a, _opened(other, after) as b:
            where = _differing_bytes(a, b)
        return f"the content is the same and compressed in another way, {where} of the compressed layer", ""
    with _opened(one, before) as a, _opened(other, after) as b:
        found = _tar_difference(_Tar(decompressed(a)), _Tar(decompressed(b)), (one.name, other.name))
    if found is not None:
        return found
    with _opened(one, before) as a, _opened(other, after) as b:
        where = _differing_bytes(_Tar(decompressed(a)), _Tar(decompressed(b)))
    return f"the same entries are written in another way, {where} of the tar", ""


@contextmanager
def _opened(side: Side, layer: Layer) -> Iterator[io.BufferedReader[Any]]:
    """A layer's blob, which gives as many bytes as are asked for."""
    with side.layout.open(layer.descriptor.digest) as file:
        yield io.BufferedReader(cast("Any", file), CHUNK)


class _Tar:
    """A tar stream that knows its position."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = io.BufferedReader(cast("Any", stream), CHUNK)
        self.position = 0
        self.reader = TarReader(self)

    def read(self, size: int) -> bytes:
        """The next `size` bytes."""
        data = self._stream.read(size)
        self.position += len(data)
        return data


def _tar_difference(one: _Tar, other: _Tar, names: tuple[str, str]) -> tuple[str, str] | None:
    """The first entry that differs, in which way and where; None if entries and their content are the same."""
    start = 0
    for before, after in zip_longest(one.reader, other.reader):
        path = shown((before or after).path)
        if before is None or after is None:
            return f"`{path}` is there {names[after is not None]} alone, at byte {start} of the tar", path
        if before != after:
            return f"{_entry_difference(before, after, names)}, in the header at byte {start} of the tar", path
        offset = one.position
        where = _differing_bytes(_Content(one.reader), _Content(other.reader))
        if where:
            there = f"the content of `{path}` differs in {where} of the file"
            return f"{there}, which begins at byte {offset} of the tar", path
        start = one.position + -before.size % BLOCK
    return None


def _entry_difference(before: Entry, after: Entry, names: tuple[str, str]) -> str:
    if before.path != after.path:
        return _both("the next entry is", f"`{shown(before.path)}`", f"`{shown(after.path)}`", names)
    told = [
        _both(called, _field(name, getattr(before, name)), _field(name, getattr(after, name)), names)
        for name, called in _FIELDS.items()
        if getattr(before, name) != getattr(after, name)
    ]
    return f"`{shown(before.path)}` has " + ", ".join(told)


def _both(what: str, before: str, after: str, names: tuple[str, str]) -> str:
    return f"{what} {before} {names[0]} and {after} {names[1]}"


def _field(name: str, value: Any) -> str:
    if name == "mode":
        return f"{value:04o}"
    if name == "kind":
        return described(value)
    return shown(value) if isinstance(value, bytes) else str(value)


class _Content:
    """The content of the current entry, as a file."""

    def __init__(self, reader: TarReader) -> None:
        self._pieces = reader.content(CHUNK)

    def read(self, size: int) -> bytes:  # noqa: ARG002 - both sides give pieces of one size
        """The next piece."""
        return next(self._pieces, b"")


def _differing_bytes(one: Any, other: Any) -> str:
    """The range of bytes in which two streams differ, empty if they do not; reads both to their ends."""
    position, begin, end = 0, -1, -1
    sizes = [0, 0]
    while True:
        before, after = one.read(CHUNK), other.read(CHUNK)
        sizes = [sizes[0] + len(before), sizes[1] + len(after)]
        if not before and not after:
            break
        if before != after:
            differing = _range(before, after)
            begin = position + differing[0] if begin < 0 else begin
            end = position + differing[1]
        position += max(len(before), len(after))
    if begin < 0:
        return ""
    return f"bytes {begin} to {end}" + (f" ({sizes[0]} and {sizes[1]} bytes)" if sizes[0] != sizes[1] else "")


def _range(before: bytes, after: bytes) -> tuple[int, int]:
    """The first and the last position at which two pieces differ."""
    size = min(len(before), len(after))
    different = int.from_bytes(before[:size], "big") ^ int.from_bytes(after[:size], "big")
    begin = size - (different.bit_length() + 7) // 8
    if len(before) != len(after):
        return begin, max(len(before), len(after)) - 1
    trailing = ((different & -different).bit_length() - 1) // 8
    return begin, size - 1 - trailing
