"""Runs command lines one after the other in a process that may take little memory, and tells what came of each.

`python limited_commands.py MEMORY SECONDS < LISTS`, where LISTS is a JSON list of command lines.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Result:
    """What came of a command line."""

    code: int
    out: str
    err: str


def run_limited(
    lines: Sequence[Sequence[str]], folder: Path, store: Path, memory: int = 3 << 29, seconds: int = 60
) -> list[Result]:
    """What came of each command line, in `folder`, with `memory` bytes and `seconds` of a processor for all."""
    done = subprocess.run(
        [sys.executable, __file__, str(memory), str(seconds)],
        input=json.dumps([list(line) for line in lines]),
        env={**os.environ, "PYTHONPATH": str(ROOT), "ENVBUILD_CACHE": str(store)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=10 * seconds,
        check=False,
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-2000:]}"
    return [Result(**result) for result in json.loads(done.stdout)]


def _run(line: Sequence[str]) -> dict[str, object]:
    from builder.cli import invoke

    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        kept = [os.dup(1), os.dup(2)]
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        try:
            code = int(invoke(list(line)))
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, descriptor in enumerate(kept, 1):
                os.dup2(descriptor, number)
                os.close(descriptor)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read(1 << 20).decode(errors="replace"))
    return {"code": code, "out": texts[0], "err": texts[1]}


if __name__ == "__main__":
    limit, most = int(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))
    print(json.dumps([_run(line) for line in json.load(sys.stdin)]))
