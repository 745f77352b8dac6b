"""The header of a GGUF file (ggml, docs/gguf.md): metadata and the list of tensors; little-endian, versions 2 and 3."""

from __future__ import annotations

import math
import struct
from collections import Counter
from typing import Any

from builder.records.model_formats.interface import LARGEST_COUNT, MalformedError, Reading, Told, by_frequency

MAGIC = b"GGUF"
LARGEST_HEADER = 64 << 20
"""Bytes of metadata and list of tensors at most that are read; arrays of numbers are skipped."""
_MOST_ENTRIES, _MOST_TENSORS, _MOST_STRINGS = 10_000, 200_000, 2_000_000
_MOST_DIMENSIONS = 8
_LARGEST_STRING = 1 << 20
_KEPT_STRING = 200
_HEAD = struct.Struct("<4sIQQ")
_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")
_SCALARS = {number: struct.Struct(f"<{code}") for number, code in enumerate("BbHhIif?")} | {
    10: _U64, 11: struct.Struct("<q"), 12: struct.Struct("<d"),
}  # fmt: skip
_STRING, _ARRAY = 8, 9
_TOLD = {
    "general.architecture": "architecture", "general.name": "name", "general.license": "license",
    "general.version": "version", "general.size_label": "size label", "general.file_type": "file type",
}  # fmt: skip
_TYPES = {
    0: "float32", 1: "float16", 2: "q4_0", 3: "q4_1", 6: "q5_0", 7: "q5_1", 8: "q8_0", 9: "q8_1", 10: "q2_k",
    11: "q3_k", 12: "q4_k", 13: "q5_k", 14: "q6_k", 15: "q8_k", 16: "iq2_xxs", 17: "iq2_xs", 18: "iq3_xxs",
    19: "iq1_s", 20: "iq4_nl", 21: "iq3_s", 22: "iq2_s", 23: "iq4_xs", 24: "int8", 25: "int16", 26: "int32",
    27: "int64", 28: "float64", 29: "iq1_m", 30: "bfloat16", 34: "tq1_0", 35: "tq2_0", 39: "mxfp4",
}  # fmt: skip


def read(reading: Reading) -> Told:
    """What the header tells. Raises: MalformedError."""
    magic, version, tensors, entries = reading.unpack(_HEAD)
    if magic != MAGIC or version not in (2, 3):
        raise MalformedError(f"it is of GGUF's version {version}, which is not read")
    if entries > _MOST_ENTRIES or tensors > _MOST_TENSORS:
        raise MalformedError(f"it would have {tensors} tensors and {entries} entries")
    values = _Values(reading)
    metadata = dict(values.entry() for _ in range(entries))
    counts: Counter[str] = Counter()
    for _ in range(tensors):
        kind, count = values.tensor()
        counts[kind] += count
    parameters = sum(counts.values())
    if parameters > 8 * reading.size:
        raise MalformedError(f"it would hold {parameters} numbers in {reading.size} bytes")
    told = {name: metadata[key] for key, name in _TOLD.items() if metadata.get(key) is not None}
    return Told(parameters, by_frequency(counts), {"version of the format": version, "tensors": tensors, **told})


class _Values:
    """The values of a header, one after the other."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._strings = _MOST_STRINGS

    def entry(self) -> tuple[str, Any]:
        """A key and its value, None of what is long or a list."""
        key = self._string()
        return key or "", self._value(self._number(_U32))

    def tensor(self) -> tuple[str, int]:
        """The type of a tensor, and how many numbers it holds."""
        self._string()
        dimensions = self._number(_U32)
        if dimensions > _MOST_DIMENSIONS:
            raise MalformedError(f"it has a tensor of {dimensions} dimensions")
        count = math.prod(self._number(_U64) for _ in range(dimensions))
        if count > LARGEST_COUNT:
            raise MalformedError(f"it has a tensor of {count} numbers")
        kind = self._number(_U32)
        self._number(_U64)
        return _TYPES.get(kind, f"ggml type {kind}"), count

    def _number(self, form: struct.Struct) -> Any:
        return self._reading.unpack(form)[0]

    def _value(self, kind: int) -> Any:
        if kind in _SCALARS:
            value = self._number(_SCALARS[kind])
            return None if isinstance(value, float) and not math.isfinite(value) else value
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            self._skip_array()
            return None
        raise MalformedError(f"it has a value of the unknown type {kind}")

    def _skip_array(self) -> None:
        kind, count = self._number(_U32), self._number(_U64)
        if kind in _SCALARS:
            self._reading.skip(count * _SCALARS[kind].size)
            return
        if kind != _STRING:  # a list of lists: no known file has one
            raise MalformedError(f"it has a list of the unknown type {kind}")
        self._strings -= count
        if self._strings < 0:
            raise MalformedError("its lists hold more strings than are read")
        for _ in range(count):
            self._reading.skip(self._number(_U64))

    def _string(self) -> str | None:
        size = self._number(_U64)
        if size > _LARGEST_STRING:
            raise MalformedError(f"it has a string of {size} bytes")
        if size > _KEPT_STRING:
            self._reading.skip(size)
            return None
        return self._reading.take(size).decode(errors="replace")
