"""Members hold what was written, and their bytes do not depend on how callers cut it up."""

import gzip
import io
import random
import shutil
import subprocess
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.layers.deflate_streams import MalformedStreamError
from builder.layers.gzip_members import WHOLE_STREAM, MemberWriter
from builder.layers.interface import MEMBER_SIZE


class Collected:
    """A Sink that keeps everything."""

    def __init__(self) -> None:
        self.gzip = io.BytesIO()
        self.tar = io.BytesIO()

    def compressed(self, data: bytes | memoryview) -> None:
        self.gzip.write(data)

    def uncompressed(self, data: bytes | memoryview) -> None:
        self.tar.write(data)


def deflate(content: bytes, level: int = 6) -> bytes:
    encoder = zlib.compressobj(level, zlib.DEFLATED, -15)
    return encoder.compress(content) + encoder.flush()


def ignore(data: bytes | memoryview) -> None:
    """Observe nothing."""


def fixed_block(content: bytes, unused_bits: int = 0) -> tuple[bytes, int]:
    """One final block of fixed codes, its unused bits taken from `unused_bits`, and how many these are."""
    bits = [1, 1, 0]
    for byte in content:
        code, width = (0x30 + byte, 8) if byte < 144 else (0x190 + byte - 144, 9)
        bits += [code >> position & 1 for position in reversed(range(width))]
    bits += [0] * 7
    unused = -len(bits) % 8
    bits += [unused_bits >> position & 1 for position in range(unused)]
    return bytes(
        sum(bit << index for index, bit in enumerate(bits[start : start + 8])) for start in range(0, len(bits), 8)
    ), unused


def write(items: list[tuple[str, bytes, bytes]]) -> Collected:
    """Write (kind, stream, content) items."""
    sink = Collected()
    writer = MemberWriter(sink)
    for kind, stream, content in items:
        if kind == "text":
            writer.text(content)
        else:
            seen: list[bytes] = []
            writer.splice((stream,), len(stream), len(content), lambda data, seen=seen: seen.append(bytes(data)))
            assert b"".join(seen) == content
    writer.finish()
    return sink


def check(items: list[tuple[str, bytes, bytes]]) -> Collected:
    sink = write(items)
    expected = b"".join(content for _, _, content in items)
    assert sink.tar.getvalue() == expected
    assert gzip.decompress(sink.gzip.getvalue()) == expected
    return sink


def members(data: bytes) -> list[bytes]:
    """The content of each member, read by zlib."""
    found = []
    while data:
        inflater = zlib.decompressobj(31)
        found.append(inflater.decompress(data))
        assert inflater.eof
        data = inflater.unused_data
    return found


TEXT = st.binary(max_size=3000).map(lambda data: ("text", b"", data))
COMPRESSED = st.tuples(st.binary(max_size=3000), st.integers(0, 9), st.integers(1, 40)).map(
    lambda drawn: ("stream", deflate(drawn[0] * drawn[2], drawn[1]), drawn[0] * drawn[2])
)
FIXED = st.tuples(st.binary(max_size=40), st.one_of(st.just(0), st.integers(0, 127))).map(
    lambda drawn: ("stream", fixed_block(*drawn)[0], drawn[0])
)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.one_of(TEXT, COMPRESSED, FIXED), max_size=12))
def test_members_inflate_to_what_was_written_in_any_order(items: list[tuple[str, bytes, bytes]]) -> None:
    check(items)


@pytest.mark.parametrize("unused", range(8))
@pytest.mark.parametrize("behind", ["nothing", "text", "stream", "both"])
def test_every_number_of_unused_zero_bits_is_joined(unused: int, behind: str) -> None:
    content = next(data for count in range(8) if fixed_block(data := b"a" + b"\xff" * count)[1] == unused)
    items = [("text", b"", b"before"), ("stream", fixed_block(content)[0], content)]
    items += [("text", b"", b"behind")] if behind in ("text", "both") else []
    items += [("stream", deflate(b"next"), b"next")] if behind in ("stream", "both") else []
    assert len(members(check(items).gzip.getvalue())) == 1


@pytest.mark.parametrize("count", range(8))
def test_unused_bits_that_are_set_end_the_member_or_do_no_harm(count: int) -> None:
    content = b"a" + b"\xff" * count
    for bits in range(1, 128):
        stream, unused = fixed_block(content, bits)
        if bits >> unused:
            continue
        items = [("stream", stream, content), ("text", b"", b"behind"), ("stream", deflate(b"next"), b"next")]
        found = members(check(items).gzip.getvalue())
        if bits & 7:
            assert found == [content, b"behindnext"]


@pytest.mark.parametrize("stored_size", [0, 1, 65535])
def test_a_stored_block_as_stream_is_joined(stored_size: int) -> None:
    content = bytes(stored_size)
    stream = b"\1" + stored_size.to_bytes(2, "little") + (stored_size ^ 0xFFFF).to_bytes(2, "little") + content
    sink = check([("text", b"", b"a"), ("stream", stream, content), ("text", b"", b"b")])
    assert len(members(sink.gzip.getvalue())) == 1


def test_nothing_written_makes_no_member() -> None:
    assert check([]).gzip.getvalue() == b""
    assert check([("text", b"", b"")]).gzip.getvalue() == b""


def test_bytes_do_not_depend_on_how_text_is_cut() -> None:
    generator = random.Random(5)
    text = generator.randbytes(400_000)
    stream = deflate(b"some content")
    whole = check([("text", b"", text), ("stream", stream, b"some content"), ("text", b"", text)])
    pieces: list[tuple[str, bytes, bytes]] = []
    for last in (False, True):
        position = 0
        while position < len(text):
            size = generator.choice([1, 512, 65534, 65535, 65536, 131070])
            pieces.append(("text", b"", text[position : position + size]))
            position += size
        pieces += [] if last else [("stream", stream, b"some content")]
    assert check(pieces).gzip.getvalue() == whole.gzip.getvalue()


def test_members_close_once_they_are_full() -> None:
    content = random.Random(1).randbytes(1000) * 900
    one_block = [("text", b"", b"h" * 512), ("stream", fixed_block(b"joined")[0], b"joined")]
    items = [("text", b"", content)] * 20 + one_block * 3
    found = members(check(items).gzip.getvalue())
    assert len(found) == 3
    assert all(MEMBER_SIZE <= len(member) < MEMBER_SIZE + 65535 for member in found[:-1])


def test_joined_streams_close_a_full_member_too() -> None:
    content = bytes(WHOLE_STREAM)
    stream = deflate(content)
    assert stream[0] & 1
    found = members(check([("text", b"", b"h"), ("stream", stream, content)] * 9).gzip.getvalue())
    assert [len(member) for member in found] == [8 * (WHOLE_STREAM + 1), WHOLE_STREAM + 1]


@pytest.mark.parametrize("size", [WHOLE_STREAM - 1, WHOLE_STREAM, WHOLE_STREAM + 1])
@pytest.mark.parametrize("compressible", [True, False])
def test_streams_at_the_limit_of_joining_are_kept_whole(size: int, compressible: bool) -> None:
    content = bytes(size) if compressible else random.Random(2).randbytes(size)
    check([("text", b"", b"h" * 512), ("stream", deflate(content), content), ("text", b"", b"behind")])


def test_long_streams_are_observed_in_bounded_pieces() -> None:
    size = 40 << 20
    stream = deflate(bytes(size))
    sink, seen = Collected(), []
    writer = MemberWriter(sink)
    pieces = (stream[start : start + 999] for start in range(0, len(stream), 999))
    writer.splice(pieces, len(stream), size, lambda data: seen.append(len(data)))
    writer.finish()
    assert sum(seen) == size
    assert max(seen) <= 1 << 20
    assert gzip.decompress(sink.gzip.getvalue()) == bytes(size)


@pytest.mark.parametrize("size", [100, 2 * WHOLE_STREAM])
@pytest.mark.parametrize("change", [-1, 1])
def test_a_size_that_is_not_true_is_refused(size: int, change: int) -> None:
    writer = MemberWriter(Collected())
    stream = deflate(bytes(size))
    with pytest.raises(MalformedStreamError, match="inflates to"):
        writer.splice((stream,), len(stream), size + change, ignore)


@pytest.mark.parametrize("level", [0, 1, 9])
@pytest.mark.parametrize("size", [100, 300_000, 2 * WHOLE_STREAM])
def test_a_stream_that_is_cut_off_or_has_a_tail_is_refused(size: int, level: int) -> None:
    content = random.Random(3).randbytes(size // 2) * 2
    stream = deflate(content, level)
    for wrong in (stream[:-1], stream[: len(stream) // 2], stream + b"tail", stream + b"\xff" * 2000, b""):
        with pytest.raises(MalformedStreamError):
            MemberWriter(Collected()).splice((wrong,), len(wrong), size, ignore)


def test_a_bomb_is_stopped_at_its_declared_size() -> None:
    stream = deflate(bytes(200 << 20))
    seen: list[int] = []
    with pytest.raises(MalformedStreamError, match="more than the declared"):
        MemberWriter(Collected()).splice((stream,), len(stream), 3 << 20, lambda data: seen.append(len(data)))
    assert sum(seen) <= 3 << 20


@pytest.mark.parametrize("reader", ["gzip", "unpigz"])
def test_other_readers_accept_the_members(reader: str) -> None:
    if shutil.which(reader) is None:
        pytest.skip(f"{reader} is not installed")
    generator = random.Random(9)
    items: list[tuple[str, bytes, bytes]] = []
    for _ in range(300):
        content = generator.randbytes(generator.randrange(300)) * generator.randrange(1, 400)
        items += [
            ("text", b"", generator.randbytes(512)),
            ("stream", deflate(content, generator.randrange(10)), content),
        ]
    sink = check(items)
    arguments = [reader, "-dc"] if reader == "gzip" else [reader, "-c"]
    result = subprocess.run(arguments, input=sink.gzip.getvalue(), capture_output=True, check=True)
    assert result.stdout == sink.tar.getvalue()
    assert result.stderr == b""
    if reader == "gzip":
        subprocess.run([reader, "-t"], input=sink.gzip.getvalue(), check=True)
