"""What is to be known of the machine that measured: a number means little without it."""

from __future__ import annotations

import os
import platform
import re
import sys
import tempfile
import time
from pathlib import Path

_BLOCK = 1 << 20
_BLOCKS = 256


def facts(folder: Path) -> dict[str, str]:
    """Processor, memory, kernel, Python, load, and the disk below `folder`, by name."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB",
        "disk": f"{_file_system(folder)}, writes {_write_rate(folder):.0f} MB/s (256 MB, synced)",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    numbers = [re.search(rf"^{name}\s*:\s*(.+)$", text, re.MULTILINE) for name in ("cpu family", "model")]
    details = ", ".join(f"{name} {found[1]}" for name, found in zip(("family", "model"), numbers, strict=True) if found)
    return f"{model[1] if model else platform.machine()} ({details})"


def _file_system(folder: Path) -> str:
    """The kind of file system that holds `folder`, by the longest mount point above it."""
    if not sys.platform.startswith("linux"):
        return "unknown file system"
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text("utf-8").splitlines()]
    above = [(point, kind) for point, kind in mounts if folder.resolve().is_relative_to(point)]
    return max(above, key=lambda mount: len(mount[0]))[1]


def _write_rate(folder: Path) -> float:
    """Megabytes a second of writing and syncing a file."""
    data = os.urandom(_BLOCK)
    with tempfile.TemporaryFile(dir=folder) as file:
        start = time.perf_counter()
        for _ in range(_BLOCKS):
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
        return _BLOCK * _BLOCKS / 1e6 / (time.perf_counter() - start)
