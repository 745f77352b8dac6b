"""How fast wheels become segments, next to taring and gzipping the same files, and to the least work there is.

Usage: python benchmarks/wheels_to_layers.py CACHE [REQUIREMENT ...]

Downloads the wheels (with their dependencies) of numpy, pandas, scikit-learn, scipy and fastapi, or of the given
requirements, into the folder CACHE once, and prints medians of several runs: CPU seconds with one thread, wall-clock
seconds with two. *Floor* inflates every file with ISA-L and hashes the compressed and the uncompressed bytes, and does
nothing else; *tar+gzip* is `tarfile` and gzip level 6.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import statistics
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from isal import isal_zlib

from builder.layers.wheel import WheelTarget, open_wheel
from builder.layers.zip_reader import DEFLATED, ZipReader

REQUIREMENTS = ["numpy", "pandas", "scikit-learn", "scipy", "fastapi"]
RUNS = 5

Work = Callable[[Path], None]


class HashingSink:
    """Hashes both sides, as a layer's store does."""

    def __init__(self) -> None:
        self.blob = hashlib.sha256()
        self.diff = hashlib.sha256()
        self.compressed = self.blob.update
        self.uncompressed = self.diff.update


def splice(path: Path) -> None:
    open_wheel(path, WheelTarget()).write(HashingSink())


def floor(path: Path) -> None:
    blob, diff = hashlib.sha256(), hashlib.sha256()
    with ZipReader(path) as archive:
        for entry in archive.read_entries():
            data = archive.stream(entry)
            blob.update(data)
            diff.update(isal_zlib.decompress(data, -15, entry.size + 1) if entry.method == DEFLATED else data)


def tar_and_gzip(path: Path) -> None:
    packed = io.BytesIO()
    with (
        ZipReader(path) as archive,
        gzip.GzipFile("", "wb", 6, packed, 0) as stream,
        tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for entry in archive.read_entries():
            info = tarfile.TarInfo(entry.path)
            info.size = entry.size
            tar.addfile(info, io.BytesIO(b"".join(archive.content(entry))))
    hashlib.sha256(packed.getbuffer())


def seconds(works: list[Work], paths: list[Path], threads: int, runs: int = RUNS) -> list[float]:
    """The median of `runs` runs of each work over all `paths`; works take turns, so that noise meets all of them.

    CPU seconds with one thread, wall-clock seconds with more.
    """
    clock = time.process_time if threads == 1 else time.perf_counter
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(runs):
        for work, results in zip(works, taken, strict=True):
            start = clock()
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(work, paths))
            results.append(clock() - start)
    return [statistics.median(results) for results in taken]


def download(folder: Path, requirements: list[str]) -> list[Path]:
    done = folder / ("-".join(requirements) + ".done")
    if not done.exists():
        command = [sys.executable, "-m", "pip", "download", "-q", "--only-binary", ":all:", "-d", str(folder)]
        subprocess.run([*command, *requirements], check=True)
        done.touch()
    return sorted(folder.glob("*.whl"), key=lambda path: -path.stat().st_size)


def main(folder: Path, requirements: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    paths = download(folder, requirements)
    groups = [[path] for path in paths if path.stat().st_size > 1 << 20]
    groups.append([path for path in paths if path.stat().st_size <= 1 << 20])
    groups.append(paths)
    print(f"{'wheel':34}{'files':>7}{'MB':>6}{'threads':>8}{'splice s':>10}{'floor s':>9}{'ratio':>7}")
    for group in groups:
        name = group[0].name.rsplit("-", 3)[0] if len(group) == 1 else f"{len(group)} wheels"
        entries = []
        for path in group:
            with ZipReader(path) as archive:
                entries += archive.read_entries()
        for threads in (1, 2) if group is paths else (1,):
            fast, least = seconds([splice, floor], group, threads)
            size = sum(entry.size for entry in entries) / 1e6
            print(f"{name:34}{len(entries):7}{size:6.0f}{threads:8}{fast:10.3f}{least:9.3f}{fast / least:7.2f}")
    for threads in (1, 2):
        slow, fast = seconds([tar_and_gzip, splice], paths, threads, runs=2)
        print(f"tar+gzip, {threads} thread(s): {slow:.2f} s, {slow / fast:.1f} times as long as splicing")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or REQUIREMENTS)
