"""Headers that lie: refused quickly, with little memory, and never by another error."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
import zipfile
from typing import IO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.records.model_formats import recognise

NAMES = ("m.safetensors", "m.gguf", "m.onnx", "m.pt", "m.joblib", "m.pkl", "m")


class Huge(io.RawIOBase):
    """A file of `size` bytes that begins with `start`; the rest is zero bytes, or `rest` over and over."""

    def __init__(self, start: bytes, size: int, rest: bytes = b"\0") -> None:
        super().__init__()
        self._start, self._size, self._rest, self._position = start, size, rest, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = offset + (0, self._position, self._size)[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        count = max(0, min(len(buffer), self._size - self._position))
        behind = max(0, self._position - len(self._start))
        first = self._start[self._position : self._position + count]
        shift = behind % len(self._rest)
        rest = (self._rest * (count // len(self._rest) + 2))[shift : shift + count - len(first)]
        buffer[:count] = first + rest
        self._position += count
        return count


def _safetensors(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _gguf(tensors: int, entries: int, rest: bytes = b"") -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, entries) + rest


def _string(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _onnx_of(tensor: bytes) -> bytes:
    return b"\x08\x08" + _field(8, b"\x10\x11") + _field(7, _field(5, tensor))


def _nested(depth: int) -> bytes:
    body = b""
    for _ in range(depth):
        body = _field(7, body)  # the graph, in itself
    return body


def _zip(entries: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(entries):
            archive.writestr(f"m/{number:0200}", b"")
    return file.getvalue()


def _bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/data.pkl", b"\x80\x02}.")
        archive.writestr("m/data/0", bytes(50 << 20))
    return file.getvalue()


_F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
HOSTILE = {
    "a header of 2^60 bytes": ("m.safetensors", struct.pack("<Q", 1 << 60) + b"{}", 0),
    "a header of 4 GB that is there": ("m.safetensors", struct.pack("<Q", 4 << 30) + b"{", 5 << 30),
    "a header of brackets": ("m.safetensors", _safetensors(b'{"a":' + b"[" * 100_000), 0),
    "a header that is cut off": ("m.safetensors", struct.pack("<Q", 50) + b"{}", 0),
    "a header that is a list": ("m.safetensors", _safetensors(b"[]"), 0),
    "tensors that lie over each other": ("m.safetensors", _safetensors({"a": _F32, "b": _F32}, bytes(8)), 0),
    "a tensor beyond the end": ("m.safetensors", _safetensors({"a": _F32}, bytes(4)), 0),
    "bytes behind the tensors": ("m.safetensors", _safetensors({"a": _F32}, bytes(9)), 0),
    "a shape that does not fit": ("m.safetensors", _safetensors({"a": {**_F32, "shape": [3]}}, bytes(8)), 0),
    "a shape of enormous numbers": ("m.safetensors", _safetensors({"a": {**_F32, "shape": [2**61] * 60}}, bytes(8)), 0),
    "a negative shape": ("m.safetensors", _safetensors({"a": {**_F32, "shape": [-2]}}, bytes(8)), 0),
    "metadata of numbers": ("m.safetensors", _safetensors({"__metadata__": {"a": 1}}), 0),
    "2^40 entries": ("m.gguf", _gguf(0, 1 << 40), 1 << 34),
    "2^40 tensors": ("m.gguf", _gguf(1 << 40, 0), 1 << 34),
    "a string of 2^60 bytes": ("m.gguf", _gguf(0, 1, struct.pack("<Q", 1 << 60)), 1 << 34),
    "a list of 2^60 numbers": ("m.gguf", _gguf(0, 1, _string(b"k") + struct.pack("<IIQ", 9, 4, 1 << 60)), 1 << 34),
    "a list of 2^40 strings": ("m.gguf", _gguf(0, 1, _string(b"k") + struct.pack("<IIQ", 9, 8, 1 << 40)), 1 << 34),
    "a list of lists": ("m.gguf", _gguf(0, 1, _string(b"k") + struct.pack("<IIQ", 9, 9, 1)), 1 << 34),
    "a tensor larger than the file": (
        "m.gguf", _gguf(1, 0, _string(b"t") + struct.pack("<IQQIQ", 2, 1 << 30, 1 << 30, 0, 0)), 0,
    ),
    "a tensor of 2^32 dimensions": ("m.gguf", _gguf(1, 0, _string(b"t") + struct.pack("<I", 0xFFFFFFFF)), 1 << 36),
    "the other byte order": ("m.gguf", b"GGUF" + struct.pack(">IQQ", 3, 0, 0), 0),
    "graphs in graphs": ("m.onnx", _nested(3000), 0),
    "a part longer than the whole": ("m.onnx", b"\x3a" + _varint(1 << 60), 0),
    "a number without end": ("m.onnx", b"\x08" + b"\xff" * 40, 0),
    "nothing but fields": ("m.onnx", b"\x08\x01" * 600_000, 0),
    "a file of zero bytes": ("m.onnx", b"", 1 << 36),
    "a tensor of many dimensions": ("m.onnx", _onnx_of(_field(1, b"\x7f" * 8000)), 0),
    "an archive of many names": ("m.pt", _zip(20_000), 0),
    "an archive that inflates": ("m.pt", _bomb(), 0),
    "an archive without an end": ("m.pt", b"PK\x03\x04" + bytes(100), 0),
    "an archive whose list is 4 GB": (
        "m.pt", b"PK\x03\x04" + bytes(100) + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 9, 9, 0xFFFFFF00, 0, 0), 0,
    ),
    "torch by name alone": ("m.pt", b"hello", 0),
    "a pickle by name alone": ("m.pkl", b"\x00\x01", 0),
}  # fmt: skip


@pytest.mark.parametrize("what", list(HOSTILE))
def test_a_hostile_header_is_refused_with_bounded_memory(what: str) -> None:
    name, start, size = HOSTILE[what]
    size = max(size, len(start))
    tracemalloc.start()
    found = recognise(cast("IO[bytes]", Huge(start, size)), name, size)
    memory = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.format, found.parameters) == ("unknown", None)
    assert found.problem.startswith("it is no `")
    assert memory < 64 << 20


def test_a_stream_that_inflates_to_much_is_not_inflated() -> None:
    import zlib

    bomb = zlib.compress(b"\x80\x04" + bytes(100 << 20), 9)
    tracemalloc.start()
    assert recognise(io.BytesIO(bomb), "m.joblib", len(bomb)).format == "joblib"
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


_STARTS = st.sampled_from(
    [
        b"", b"GGUF\x03\0\0\0" + bytes(16), _gguf(1, 1), _safetensors({"a": _F32}, bytes(8)), _zip(2), _bomb()[:200],
        b"\x08\x08\x42\x02\x10\x11\x3a\x04\x2a\x02\x10\x01", b"\x80\x04\x95", b"\x78\x9c", b"\x1f\x8b\x08\0",
    ]
)  # fmt: skip


@given(_STARTS, st.binary(max_size=200), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4),
       st.sampled_from(NAMES))  # fmt: skip
def test_any_bytes_are_told_or_refused(start: bytes, rest: bytes, changes: list[tuple[int, int]], name: str) -> None:
    data = bytearray(start + rest)
    for place, value in changes:
        if place < len(data):
            data[place] = value
    found = recognise(io.BytesIO(bytes(data)), name, len(data))
    assert found.format != "unknown" or found.parameters is None
    json.dumps(found.to_dict(), allow_nan=False)
