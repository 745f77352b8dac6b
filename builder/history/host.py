"""What of this machine matters to a run: processors, memory, GPUs, kernel, and the engine it ran on."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_GPUS = Path("/proc/driver/nvidia/gpus")
"""A folder for each, with what NVIDIA's kernel module tells of it."""


def host_facts(engine: str = "", gpus: Sequence[str] | None = None) -> dict[str, Any]:
    """The facts of this machine; `engine` is its name and version, `gpus` stand for those that are found."""
    return {
        "cpu": _processor(),
        "cpus": _processors(),
        "memory": _memory(),
        "gpus": list(_gpus() if gpus is None else gpus),
        "kernel": f"{platform.system()} {platform.release()}",
        "engine": engine,
    }


def _processor() -> str:
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name.strip() in ("model name", "Model"):
                return " ".join(value.split())
    return platform.machine()


def _processors() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _gpus(folder: Path = _GPUS) -> list[str]:
    models = []
    with suppress(OSError):
        for one in sorted(folder.iterdir()):
            lines = (one / "information").read_text("utf-8", "replace").splitlines()
            models += [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
    return models


def _memory() -> int | None:
    """In bytes."""
    with suppress(ValueError, OSError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None
