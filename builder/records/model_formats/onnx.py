"""An ONNX model (onnx/onnx.proto), walked by hand: no library, no recursion, tensors skipped.

Protocol Buffers' wire format: a varint of field number and wire type, then a varint, 4 or 8 bytes, or a length and
that many bytes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from builder.records.model_formats.interface import LARGEST_COUNT, MalformedError, Reading, Told, by_frequency

LARGEST_HEADER = 64 << 20
"""Bytes that are read at most, besides those that are skipped."""
_MOST_FIELDS = 300_000
"""Fields that are looked at: some of each tensor, one of each node."""
_LONGEST_TEXT = 200
_LARGEST_SHAPE = 1 << 12
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_IR_VERSION, _PRODUCER, _PRODUCER_VERSION, _GRAPH, _OPSET = 1, 2, 3, 7, 8
_NODE, _INITIALIZER, _SPARSE = 1, 5, 15
_TYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16",
    17: "float8_e4m3", 18: "float8_e4m3", 19: "float8_e5m2", 20: "float8_e5m2", 21: "uint4", 22: "int4", 23: "float4",
}  # fmt: skip


def read(reading: Reading) -> Told:
    """What the model tells. Raises: MalformedError."""
    walk = _Walk(reading)
    texts: dict[int, str] = {}
    opsets: dict[str, int] = {}
    version, graphs = 0, 0
    for field, wire, number in walk.fields(reading.size):
        if (field, wire) == (_IR_VERSION, _VARINT):
            version = number
        elif (field, wire) in ((_PRODUCER, _BYTES), (_PRODUCER_VERSION, _BYTES)):
            texts[field] = walk.text(number)
        elif (field, wire) == (_OPSET, _BYTES):
            domain, opset = walk.opset(number)
            opsets[domain or "ai.onnx"] = opset
        elif (field, wire) == (_GRAPH, _BYTES):
            graphs += 1
            walk.graph(number)
        else:
            walk.leave(wire, number)
    if not version or graphs != 1 or not opsets:
        raise MalformedError("it has no version, graph and operators")
    details = {"ir version": version, "opsets": dict(sorted(opsets.items())), "nodes": walk.nodes,
               "tensors": walk.tensors, "producer": " ".join(filter(None, map(texts.get, (2, 3)))) or None}  # fmt: skip
    counts = {name: count for name, count in walk.counts.items() if name != "string"}
    told = {key: value for key, value in details.items() if value is not None}
    return Told(sum(counts.values()), by_frequency(counts), told)


class _Walk:
    """One way through a message."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._fields = _MOST_FIELDS
        self.nodes = 0
        self.tensors = 0
        self.counts: Counter[str] = Counter()

    def fields(self, size: int) -> Iterator[tuple[int, int, int]]:
        """The fields of a message of `size` bytes: number, wire type, and the value or the length of what follows.

        What follows is to be read or left out before the next one is asked for.
        """
        end = self._reading.position + size
        if end > self._reading.size:
            raise MalformedError("it ends before what it promises")
        while self._reading.position < end:
            self._fields -= 1
            if self._fields < 0:
                raise MalformedError(f"it has more than {_MOST_FIELDS} fields")
            key = self._varint()
            field, wire = key >> 3, key & 7
            if not field or wire not in (_VARINT, _FIXED_64, _BYTES, _FIXED_32):
                raise MalformedError("it is no message of Protocol Buffers")
            number = {_FIXED_64: 8, _FIXED_32: 4}.get(wire) or self._varint()
            if wire != _VARINT and self._reading.position + number > end:
                raise MalformedError("a part of it is longer than the whole")
            yield field, wire, number
        if self._reading.position != end:
            raise MalformedError("a part of it is longer than the whole")

    def leave(self, wire: int, number: int) -> None:
        """Leave out the content of a field."""
        if wire != _VARINT:
            self._reading.skip(number)

    def text(self, size: int) -> str:
        """The content of a field of text, cut where it is long."""
        text = self._reading.take(min(size, _LONGEST_TEXT)).decode(errors="replace")
        self._reading.skip(max(0, size - _LONGEST_TEXT))
        return text

    def opset(self, size: int) -> tuple[str, int]:
        """Domain and version of an OperatorSetIdProto."""
        domain, version = "", 0
        for field, wire, number in self.fields(size):
            if (field, wire) == (1, _BYTES):
                domain = self.text(number)
            elif (field, wire) == (2, _VARINT):
                version = number
            else:
                self.leave(wire, number)
        return domain, version

    def graph(self, size: int) -> None:
        """Count what a GraphProto holds; graphs inside of its nodes are left out."""
        for field, wire, number in self.fields(size):
            if (field, wire) == (_INITIALIZER, _BYTES):
                self.tensors += 1
                self._tensor(number)
            else:
                self.nodes += field == _NODE
                self.leave(wire, number)

    def _tensor(self, size: int) -> None:
        shape: list[int] = []
        kind = 0
        for field, wire, number in self.fields(size):
            if (field, wire) == (1, _VARINT):
                shape.append(number)
            elif (field, wire) == (1, _BYTES):
                shape += self._packed(number)
            elif (field, wire) == (2, _VARINT):
                kind = number
            else:
                self.leave(wire, number)
        count = math.prod(shape) if len(shape) <= _LARGEST_SHAPE // 8 else LARGEST_COUNT + 1
        if count > LARGEST_COUNT:
            raise MalformedError("it has a tensor that is larger than any")
        self.counts[_TYPES.get(kind, f"onnx type {kind}")] += count

    def _packed(self, size: int) -> list[int]:
        if size > _LARGEST_SHAPE:
            raise MalformedError("it has a tensor of too many dimensions")
        end = self._reading.position + size
        found = []
        while self._reading.position < end:
            found.append(self._varint())
        return found

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._reading.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFFFFFFFFFFFFFF
        raise MalformedError("it has a number that does not end")
