"""The header of a safetensors file (huggingface/safetensors, README, "Format"): JSON behind its length."""

from __future__ import annotations

import math
import struct
from collections import Counter
from itertools import pairwise
from typing import Any

from builder.errors import EnvbuildError
from builder.oci.canonical import parse_json
from builder.records.model_formats.interface import LARGEST_COUNT, MalformedError, Reading, Told, by_frequency

LARGEST_HEADER = 8 << 20
"""Bytes of a header at most. The format allows 100 MB; those of the largest models have less than one."""
_MOST_DIMENSIONS = 64
_MOST_ENTRIES = 32
"""Of a file's own metadata, those that are told."""
_LENGTH = struct.Struct("<Q")
_TYPES = {
    "BOOL": ("bool", 8), "U8": ("uint8", 8), "I8": ("int8", 8), "U16": ("uint16", 16), "I16": ("int16", 16),
    "U32": ("uint32", 32), "I32": ("int32", 32), "U64": ("uint64", 64), "I64": ("int64", 64),
    "F16": ("float16", 16), "BF16": ("bfloat16", 16), "F32": ("float32", 32), "F64": ("float64", 64),
    "F8_E4M3": ("float8_e4m3", 8), "F8_E5M2": ("float8_e5m2", 8), "F8_E8M0": ("float8_e8m0", 8),
    "F6_E2M3": ("float6_e2m3", 6), "F6_E3M2": ("float6_e3m2", 6), "F4": ("float4", 4), "C64": ("complex64", 64),
}  # fmt: skip
"""ModelPack's name of each type, and its bits."""


def looks_like(start: bytes, size: int) -> bool:
    """Whether a file that begins with `start` has a header's length and then its first brace."""
    return len(start) > _LENGTH.size and start[8:9] == b"{" and 2 <= _LENGTH.unpack(start[:8])[0] <= size - 8


def read(reading: Reading) -> Told:
    """What the header tells. Raises: MalformedError."""
    (length,) = reading.unpack(_LENGTH)
    if not 2 <= length <= min(LARGEST_HEADER, reading.left):
        raise MalformedError(f"its header would have {length} bytes")
    try:
        header = parse_json(reading.take(length), "its header")
    except EnvbuildError as error:
        raise MalformedError(error.what) from error
    if not isinstance(header, dict):
        raise MalformedError("its header is no JSON object")
    metadata = header.pop("__metadata__", {})
    counts: Counter[str] = Counter()
    places = []
    for name, tensor in header.items():
        kind, count, place = _tensor(name, tensor)
        counts[kind] += count
        places.append(place)
    _check_places(places, reading.left)
    parameters = sum(counts.values())
    return Told(parameters, by_frequency(counts), {"tensors": len(places), **_metadata(metadata)})


def _tensor(name: str, tensor: Any) -> tuple[str, int, tuple[int, int]]:
    """The type of a tensor, how many numbers it holds, and where these begin and end."""
    tensor = tensor if isinstance(tensor, dict) else {}
    shape, offsets = tensor.get("shape"), tensor.get("data_offsets")
    if not (_are_counts(shape) and _are_counts(offsets) and len(offsets) == 2 and len(shape) <= _MOST_DIMENSIONS):
        raise MalformedError(f"its tensor {name[:100]!r} has no shape and place")
    kind, bits = _TYPES.get(str(tensor.get("dtype")), ("", 0))
    count = math.prod(shape)
    if count > LARGEST_COUNT or (bits and count * bits != 8 * (offsets[1] - offsets[0])):
        raise MalformedError(f"its tensor {name[:100]!r} has another size than its shape says")
    return kind, count, (offsets[0], offsets[1])


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int and 0 <= item <= LARGEST_COUNT for item in value)


def _check_places(places: list[tuple[int, int]], size: int) -> None:
    """The tensors fill the file, one behind the other."""
    ordered = [(0, 0), *sorted(places), (size, size)]
    if any(before[1] != after[0] or after[1] < after[0] for before, after in pairwise(ordered)):
        raise MalformedError("its tensors do not fill it, one behind the other")


def _metadata(metadata: Any) -> dict[str, Any]:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise MalformedError("its metadata are not strings")
    short = {key: value for key, value in metadata.items() if len(key) <= 100 and len(value) <= 200}
    told = dict(sorted(short.items())[:_MOST_ENTRIES])
    return {"metadata": told} if told else {}
