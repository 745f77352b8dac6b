"""Checking a hostile image takes bounded memory: a million entries, names of gigabytes, a file of gigabytes."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from builder.layers.tar_headers import END_OF_ARCHIVE, header, padding
from builder.oci.digest import Digest
from builder.oci.documents import (
    MEDIA_TYPE_CONFIG,
    MEDIA_TYPE_LAYER_GZIP,
    MEDIA_TYPE_MANIFEST,
    Descriptor,
    ImageConfig,
    Index,
    Manifest,
    Platform,
)
from builder.oci.layout import Layout

ROOT = Path(__file__).parents[2]
LIMIT = 600 << 20
MEASURE = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
print(json.dumps([done.returncode, done.stderr, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024]))
"""


def entries() -> Iterator[bytes]:
    for number in range(1_000_000):
        yield header(f"opt/env/folder{number % 1000}/file{number}")


def names() -> Iterator[bytes]:
    for number in range(1000):
        text = b" path=" + b"a/" * 500_000 + b"%d\n" % number
        record = b"%d" % (len(text) + 7) + text
        yield header("x", kind=b"x", size=len(record)) + record + padding(len(record)) + header("y")


def deep() -> Iterator[bytes]:
    for number in range(2000):
        text = b" path=%d" % number + b"/a" * 2000 + b"\n"
        record = b"%d" % (len(text) + 4) + text
        yield header("x", kind=b"x", size=len(record)) + record + padding(len(record)) + header("y")


def content() -> Iterator[bytes]:
    yield header("large", size=4 << 30)
    for _ in range(4 << 10):
        yield bytes(1 << 20)


def write_image(layout: Layout, pieces: Iterator[bytes]) -> None:
    layout.create()
    checksum = hashlib.sha256()
    with layout.new_blob() as blob:
        raw = layout.root / "raw"
        with gzip.GzipFile(raw, "wb", 1, mtime=0) as file:
            for piece in chain(pieces, [END_OF_ARCHIVE]):
                checksum.update(piece)
                file.write(piece)
        with open(raw, "rb") as packed:
            while chunk := packed.read(1 << 20):
                blob.write(chunk)
        layer = Descriptor(MEDIA_TYPE_LAYER_GZIP, blob.commit(), blob.size)
    diff_id = Digest(checksum.hexdigest())
    config = ImageConfig(Platform("amd64"), "1980-01-02T00:00:00Z", (diff_id,), ("x",)).to_bytes()
    manifest = Manifest(Descriptor(MEDIA_TYPE_CONFIG, layout.write(config), len(config)), (layer,)).to_bytes()
    top = Descriptor(MEDIA_TYPE_MANIFEST, layout.write(manifest), len(manifest))
    (layout.root / "index.json").write_bytes(Index((top,)).to_bytes())


@pytest.mark.parametrize(("pieces", "code"), [(entries, 3), (names, 3), (deep, 3), (content, 0)])
def test_checking_takes_bounded_memory(pieces, code, tmp_path):
    layout = Layout(tmp_path / "layout")
    write_image(layout, pieces())
    line = [sys.executable, "-m", "builder", "verify", layout.root]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "ENVBUILD_CACHE": str(tmp_path / "store")}
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, line)], env=environment, cwd=ROOT, capture_output=True, check=True
    )
    found, error, peak = json.loads(measured.stdout)
    assert found == code, error
    assert "Traceback" not in error
    assert peak < LIMIT
