"""A wheel of a gigabyte takes no more memory to build than a small one."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIMIT = 300 << 20
CHUNK = 1 << 20
MEMBERS = {
    "stored.bin": (zipfile.ZIP_STORED, 256, False),
    "deflated.txt": (zipfile.ZIP_DEFLATED, 512, True),
    "incompressible.bin": (zipfile.ZIP_DEFLATED, 256, False),
}
"""Compression, MiB, and whether it compresses."""
MEASURE = """
import json, resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(json.dumps([code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024]))
"""
BUILD = """
import sys
from pathlib import Path
from builder.layers.join import Fresh, write_layer
from builder.layers.interface import Directory
from builder.layers.wheel import open_wheel
from builder.layers.wheel_layout import WheelTarget
from builder.oci.store import Store
store = Store(Path(sys.argv[2]))
store.create()
wheel = open_wheel(Path(sys.argv[1]), WheelTarget(python_version=(3, 11)), expected_name="big", expected_version="1.0")
print(wheel.contents().paths)
layer = write_layer(store, [Directory("opt")], [Fresh(wheel)])
"""


def content(size: int, compresses: bool) -> Iterator[bytes]:
    chance = random.Random(size)
    pattern = chance.randbytes(CHUNK)
    for number in range(size):
        yield (b"%08d" % number) * (CHUNK // 8) if compresses else number.to_bytes(8, "big") + pattern[8:]


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "big-1.0-py3-none-any.whl"
    records = []
    with zipfile.ZipFile(path, "w") as archive:
        for name, (compression, size, compresses) in MEMBERS.items():
            info = zipfile.ZipInfo(f"big/{name}")
            info.compress_type = compression
            checksum = hashlib.sha256()
            with archive.open(info, "w") as member:
                for chunk in content(size, compresses):
                    member.write(chunk)
                    checksum.update(chunk)
            digest = base64.urlsafe_b64encode(checksum.digest()).rstrip(b"=").decode()
            records.append(f"big/{name},sha256={digest},{size * CHUNK}")
        for name, text in (
            ("METADATA", "Metadata-Version: 2.1\nName: big\nVersion: 1.0\n"),
            ("WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
        ):
            data = text.encode()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            records.append(f"big-1.0.dist-info/{name},sha256={digest},{len(data)}")
            archive.writestr(f"big-1.0.dist-info/{name}", data)
        archive.writestr("big-1.0.dist-info/RECORD", "\n".join([*records, "big-1.0.dist-info/RECORD,,", ""]))
    return path


def test_a_wheel_of_a_gigabyte_takes_less_than_300_mb(wheel, tmp_path):
    (tmp_path / "build.py").write_text(BUILD)
    line = [sys.executable, "-c", MEASURE, sys.executable, tmp_path / "build.py", wheel, tmp_path / "store"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(line, capture_output=True, text=True, check=True, env=environment)
    code, peak = json.loads(done.stdout)
    assert code == 0, done.stderr
    assert peak < LIMIT, f"{peak >> 20} MiB"
