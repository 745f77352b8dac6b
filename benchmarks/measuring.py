"""Measuring processes: wall time, processor time and the memory of a process with all its children."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


class CommandFailedError(Exception):
    """A measured command did not succeed; the text has its last lines."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one process."""

    seconds: float
    """Of wall time, from its start to its end."""
    processor_seconds: float
    """Of it and of its children, in user and kernel mode."""
    peak: int
    """Resident bytes: the most of any one process or, where it was watched, of all of them together."""
    output: str


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path | None = None,
    watch: bool = False,
    beside: int | None = None,
) -> Sample:
    """Run a command to its end. `watch` adds up the memory of all its processes, every few milliseconds (Linux).

    To these, what the process `beside`, a daemon that works for the command, and its own come to have in the meantime
    is added.

    Raises: CommandFailedError.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, env=dict(environment), cwd=folder, stdout=out, stderr=errors)
        watcher = _Watcher(process.pid, beside) if watch else None
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        together = watcher.stop() if watcher else 0
        out.seek(0)
        errors.seek(0)
        if process.returncode:
            text = (out.read() + errors.read()).decode(errors="replace").strip()
            raise CommandFailedError("\n".join([f"`{' '.join(command)}` failed", *text.splitlines()[-8:]]))
        unit = 1 if sys.platform == "darwin" else 1024
        peak = max(usage.ru_maxrss * unit, together)
        return Sample(seconds, usage.ru_utime + usage.ru_stime, peak, out.read().decode(errors="replace"))


def rounds(subjects: Mapping[str, Callable[[], Sample]], count: int) -> dict[str, list[Sample]]:
    """Run all subjects in turn, `count` times, so that a busy minute of the machine falls on all of them."""
    samples: dict[str, list[Sample]] = {name: [] for name in subjects}
    for number in range(count):
        for name, subject in subjects.items():
            sample = subject()
            samples[name].append(sample)
            print(f"  {number + 1}/{count} {name}: {sample.seconds:.3f} s", file=sys.stderr)
    return samples


def median(samples: Sequence[Sample]) -> float:
    """The median of the wall times, in seconds."""
    return statistics.median(sample.seconds for sample in samples)


class _Watcher:
    """Adds up the memory of a process and its descendants while they run."""

    def __init__(self, pid: int, beside: int | None) -> None:
        self._pid, self._beside = pid, beside
        self._before = self._resident_beside()
        self._most = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """The most that was seen, in bytes."""
        self._ended.set()
        self._thread.join()
        return self._most

    def _work(self) -> None:
        while _PROC.is_dir() and not self._ended.wait(0.005):
            self._most = max(self._most, _resident(self._pid) + self._resident_beside() - self._before)

    def _resident_beside(self) -> int:
        """Of the daemon, and of the containers that it had others start."""
        if self._beside is None:
            return 0
        return _resident(self._beside) + sum(map(_resident, _shims(self._beside)))


def _resident(pid: int) -> int:
    """Bytes of a process and its descendants; 0 for one that has gone."""
    try:
        pages = int((_PROC / str(pid) / "statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(map(_resident, _children(pid)))


def _children(pid: int) -> list[int]:
    try:
        threads = list((_PROC / str(pid) / "task").iterdir())
        return [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    except (OSError, ValueError):
        return []


def _shims(daemon: int) -> list[int]:
    """The processes above the containers of a daemon's containerd: nobody's children, they name its socket."""
    found = []
    for containerd in _children(daemon):
        marks = [part for part in _words(containerd) if part.endswith("containerd.toml")]
        folder = marks[0].rpartition("/")[0] if marks else None
        if folder:
            pids = [int(path.name) for path in _PROC.iterdir() if path.name.isdigit()]
            found += [pid for pid in pids if f"{folder}/containerd.sock" in _words(pid)]
    return found


def _words(pid: int) -> list[str]:
    try:
        return (_PROC / str(pid) / "cmdline").read_text("utf-8", "replace").split("\0")
    except OSError:
        return []
