"""The encoder of content that has to be compressed here."""

from __future__ import annotations

import gzip
import hashlib
import random
import zlib

import pytest

from builder.layers.encode import PIECE_SIZE, EncodedWriter, compressed_member, stored_member


class Collector:
    def __init__(self) -> None:
        self.gz, self.tar = bytearray(), bytearray()

    def compressed(self, data: bytes | memoryview) -> None:
        self.gz += data

    def uncompressed(self, data: bytes | memoryview) -> None:
        self.tar += data


def encode(chunks: list[bytes]) -> Collector:
    sink = Collector()
    writer = EncodedWriter(sink)
    for chunk in chunks:
        writer.write(chunk)
    writer.finish()
    return sink


def members(data: bytes) -> list[bytes]:
    found = []
    while data:
        inflater = zlib.decompressobj(31)
        found.append(inflater.decompress(data) + inflater.flush())
        data = inflater.unused_data
    return found


TEXT = b"".join(b"line %d of some text\n" % number for number in range(150_000))
NOISE = random.Random(7).randbytes(PIECE_SIZE + 70_000)


def test_members_inflate_to_the_tar_stream() -> None:
    sink = encode([TEXT, NOISE])
    assert bytes(sink.tar) == TEXT + NOISE == gzip.decompress(bytes(sink.gz))


def test_bytes_do_not_depend_on_how_the_stream_was_cut() -> None:
    data = TEXT + NOISE
    whole = encode([data]).gz
    assert encode([data[start : start + 9999] for start in range(0, len(data), 9999)]).gz == whole
    assert encode([data[:1], data[1:PIECE_SIZE], b"", data[PIECE_SIZE:]]).gz == whole


def test_members_are_fixed_pieces() -> None:
    sizes = [len(member) for member in members(bytes(encode([TEXT]).gz))]
    assert set(sizes[:-1]) == {PIECE_SIZE}
    assert sum(sizes) == len(TEXT)


def test_an_empty_stream_has_no_member() -> None:
    assert encode([]).gz == b""


@pytest.mark.parametrize("piece", [b"", b"a", TEXT[:100_000], NOISE[:65535], NOISE[:65536]])
def test_both_kinds_of_member_inflate(piece: bytes) -> None:
    assert gzip.decompress(compressed_member(piece)) == piece == gzip.decompress(stored_member(piece))


def test_noise_is_stored() -> None:
    assert compressed_member(NOISE) == stored_member(NOISE)


def test_the_header_says_nothing_of_the_machine() -> None:
    assert compressed_member(TEXT[:100]).startswith(bytes.fromhex("1f8b08000000000000ff"))


def test_bytes_are_those_of_layer_format_1() -> None:
    digest = hashlib.sha256(encode([TEXT]).gz).hexdigest()
    assert digest == "70dcf7f542603fb851048cc9730a371a9168e0a87135454e5b2cff6b3888f6d5"
