"""Random streams and damaged archives: a segment is right, or refused; a huge member is held in little memory."""

import gzip
import io
import os
import random
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest

from builder.errors import EnvbuildError
from builder.layers.deflate_streams import MalformedStreamError
from builder.layers.gzip_members import MemberWriter
from builder.layers.wheel import WheelTarget, open_wheel

ROUNDS = int(os.environ.get("ENVBUILD_FUZZ_ROUNDS", "300"))


class Kept:
    def __init__(self) -> None:
        self.gzip = io.BytesIO()
        self.tar = io.BytesIO()
        self.compressed = self.gzip.write
        self.uncompressed = self.tar.write


def ignore(data: bytes | memoryview) -> None:
    """Observe nothing."""


def content(generator: random.Random) -> bytes:
    size = int(2 ** generator.uniform(0, 21))
    kind = generator.randrange(4)
    if kind == 0:
        return generator.randbytes(size)
    if kind == 1:
        return bytes(size)
    word = generator.randbytes(generator.randrange(1, 30))
    words = [word[: generator.randrange(1, 30)] for _ in range(20)]
    return b"".join(generator.choice(words) for _ in range(size // 16))[:size]


def deflate(data: bytes, generator: random.Random) -> bytes:
    strategy = generator.choice(
        [zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED]
    )
    encoder = zlib.compressobj(generator.randrange(10), zlib.DEFLATED, -15, generator.randrange(1, 10), strategy)
    return encoder.compress(data) + encoder.flush()


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_random_streams_in_random_order_are_kept(seed: int) -> None:
    generator = random.Random(seed)
    sink, expected = Kept(), bytearray()
    writer = MemberWriter(sink)
    for _ in range(generator.randrange(1, 40)):
        data = content(generator)
        expected += data
        if generator.random() < 0.4:
            writer.text(data)
            continue
        stream = deflate(data, generator)
        seen = bytearray()
        writer.splice((stream,), len(stream), len(data), seen.extend)
        assert seen == data
    writer.finish()
    assert sink.tar.getvalue() == expected
    assert gzip.decompress(sink.gzip.getvalue()) == expected


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_damaged_streams_never_make_a_wrong_member(seed: int) -> None:
    """Whatever bits are changed: a reader of the members sees what was reported as uncompressed, or refuses them.

    It refuses where ISA-L's inflater takes a set of codes that zlib does not: an incomplete one.
    """
    generator = random.Random(seed)
    for _ in range(200):
        data = content(generator)[:3000]
        stream = bytearray(deflate(data, generator))
        for _ in range(generator.randrange(1, 4)):
            stream[generator.choice([0, -1, generator.randrange(len(stream))])] ^= 1 << generator.randrange(8)
        if generator.random() < 0.2:
            del stream[generator.randrange(1, len(stream) + 1) :]
        sink = Kept()
        writer = MemberWriter(sink)
        writer.text(b"before")
        try:
            writer.splice((bytes(stream),), len(stream), len(data), ignore)
        except MalformedStreamError:
            continue
        writer.text(b"behind")
        writer.finish()
        try:
            assert gzip.decompress(sink.gzip.getvalue()) == sink.tar.getvalue()
        except zlib.error as error:
            assert "set" in str(error)  # noqa: PT017
        assert len(sink.tar.getvalue()) == len(data) + len(b"beforebehind")


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_damaged_wheels_are_refused_or_harmless(seed: int, tmp_path: Path) -> None:
    generator = random.Random(seed)
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    info = "demo-1.0.dist-info"
    files = {
        "demo.py": content(generator)[:2000],
        f"{info}/WHEEL": b"Wheel-Version: 1.0\n",
        f"{info}/METADATA": b"Name: demo\n",
    }
    record = "".join(f"{name},,{len(data)}\n" for name, data in files.items())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**files, f"{info}/RECORD": record.encode()}.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=generator.choice([0, 8]))
    whole = path.read_bytes()
    for _ in range(100):
        damaged = bytearray(whole)
        for _ in range(generator.randrange(1, 3)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        path.write_bytes(damaged)
        sink = Kept()
        try:
            open_wheel(path, WheelTarget()).write(sink)
        except EnvbuildError:
            continue
        assert gzip.decompress(sink.gzip.getvalue()) == sink.tar.getvalue()
        assert files["demo.py"] in sink.tar.getvalue()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_a_wheel_with_a_huge_member_needs_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    info = "demo-1.0.dist-info"
    size = 3 << 30
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("demo.bin", "w", force_zip64=True) as member:
            for _ in range(size >> 24):
                member.write(bytes(1 << 24))
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\n")
        archive.writestr(f"{info}/METADATA", "Name: demo\n")
        archive.writestr(f"{info}/RECORD", f"demo.bin,,{size}\n{info}/WHEEL,,\n{info}/METADATA,,\n")
    code = (
        "import re, sys\nfrom pathlib import Path\nfrom builder.layers.wheel import WheelTarget, open_wheel\n"
        "class Nothing:\n    def compressed(self, data): pass\n    def uncompressed(self, data): pass\n"
        "open_wheel(Path(sys.argv[1]), WheelTarget()).write(Nothing())\n"
        "print(re.search(r'VmHWM:\\s*(\\d+) kB', Path('/proc/self/status').read_text())[1])\n"
    )
    result = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert int(result.stdout) < 100 << 10
