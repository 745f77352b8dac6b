"""Documents whose commands are run: what stands in ```console blocks, one after the other, in one folder.

`$ command  # exits 3` is what is typed and how it ends, 0 if nothing is said; the lines below are some of what it
prints, in order. `…` stands for anything.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from builder.cli import invoke

_EXIT = re.compile(r"\s+# exits (\d+)$")


@dataclass
class Step:
    """A command of a document."""

    line: int
    command: str
    code: int = 0
    printed: list[str] = field(default_factory=list)


def steps(document: Path) -> Iterator[Step]:
    """The commands of a document, and what it says of each."""
    step, inside = None, False
    for number, line in enumerate(document.read_text("utf-8").splitlines(), 1):
        if line.startswith("```"):
            if step:
                yield step
            step, inside = None, line == "```console"
        elif inside and line.startswith("$ "):
            if step:
                yield step
            code = _EXIT.search(line)
            step = Step(number, _EXIT.sub("", line[2:]), int(code[1]) if code else 0)
        elif inside and step and line.strip():
            step.printed.append(line)


def run(
    command: str, folder: Path, read: Callable[[], tuple[str, str]], environment: Mapping[str, str]
) -> tuple[int, str]:
    """Exit code and what it prints; envbuild in this process, whose current folder is `folder`, all else in a shell."""
    if command.startswith("envbuild "):
        code = int(invoke(shlex.split(command)[1:]))
        return code, "".join(read())
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=dict(environment), capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


def unsaid(step: Step, printed: str) -> str | None:
    """The first line that a document has and a command did not print, after those before it; None if there is none."""
    rest = iter(printed.splitlines())
    for line in step.printed:
        pattern = re.compile(".*".join(map(re.escape, line.strip().split("…"))))
        if not any(pattern.fullmatch(each.strip()) for each in rest):
            return line
    return None
