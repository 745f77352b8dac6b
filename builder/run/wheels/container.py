"""Calling a hook of a build backend in a container: without network, not as root, in a fixed place, for a limited time.

What runs inside is `templates/build_hook.py`.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import builder
from builder.errors import EnvbuildError
from builder.layers.interface import PACKAGE_MTIME
from builder.oci.layout import CHUNK
from builder.resources import read_template
from builder.run.interface import LocalImage
from builder.run.wheels.source import BuildSystem

LIMIT_SECONDS = 2 * 3600
LARGEST_FILE = 4 << 30
"""Bytes of one file that a build writes, and so of a wheel."""
MOST_PROCESSES = 16384
"""Of a build at once, its threads counted."""

CONTAINER_USER = "65532:65532"
_SHOWN = 40
"""The last lines of a build that failed."""
_LARGEST_RESULT = 1 << 20
_START = "import sys; sys.path.append(sys.argv[1]); from builder.run.wheels.child import main; sys.exit(main())"
_ENVIRONMENT = {
    "SOURCE_DATE_EPOCH": str(PACKAGE_MTIME),
    "LC_ALL": "C.UTF-8",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "HOME": "/build/home",
    "TMPDIR": "/build/tmp",
    "PATH": "/opt/env/bin:/usr/local/bin:/usr/bin:/bin",
    "ZERO_AR_DATE": "1",
}


@dataclass(frozen=True, slots=True)
class Job:
    """A source and how it is built."""

    name: str
    """For messages."""
    source: Path
    system: BuildSystem
    subdirectory: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Added to the fixed ones."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a hook gave."""

    value: Any
    """JSON data of unknown form."""
    folder: Path

    def copy_file(self, name: str, target: Path) -> None:
        """Copy what the build has put into its output folder, without following any link.

        Raises: EnvbuildError, if it is no file.
        """
        try:
            descriptor = open_inside(self.folder, "out", name)
            with os.fdopen(descriptor, "rb") as file, open(target, "wb") as copy:
                while chunk := file.read(CHUNK):
                    copy.write(chunk)
        except OSError as error:
            raise EnvbuildError(f"the build has not written `{name[:200]}`", error.strerror or str(error)) from error


@contextmanager
def called(job: Job, hook: str, image: LocalImage, detail: Callable[[str], None]) -> Iterator[Outcome]:
    """Call a hook of the job's backend; the folder that it wrote to is there for the body.

    `detail` gets each line that the build prints.

    Raises: EnvbuildError, with the last lines of what it printed, if it fails or takes too long.
    """
    with image.store.scratch() as folder:
        work = folder / "work"
        work.mkdir()
        work.chmod(0o777)
        (folder / "hook.py").write_bytes(read_template("build_hook.py"))
        (folder / "request.json").write_text(json.dumps(_question(job, hook)))
        for name in ("hook.py", "request.json"):
            (folder / name).chmod(0o644)
        code, lines = run_task(_task(job, image, folder), detail)
        if code != 0:
            raise _failure(job, code, lines, folder)
        yield Outcome(_result(job, work, lines), work)


def _question(job: Job, hook: str) -> dict[str, Any]:
    return {
        "hook": hook,
        "backend": job.system.backend,
        "backend-path": job.system.backend_path,
        "subdirectory": job.subdirectory,
        "memory": usable_memory(),
        "largest": LARGEST_FILE,
        "processes": MOST_PROCESSES,
    }


def _task(job: Job, image: LocalImage, folder: Path) -> dict[str, Any]:
    return {
        "store": str(image.store.root.resolve()),
        "image": image.descriptor.to_dict(),
        "name": image.name,
        "command": ["/opt/env/bin/python", "/envbuild/hook.py"],
        "environment": {**_ENVIRONMENT, **job.variables},
        "mounts": [
            [str(folder / "hook.py"), "/envbuild/hook.py", True],
            [str(folder / "request.json"), "/envbuild/request.json", True],
            [str(job.source), "/envbuild/source", True],
            [str(folder / "work"), "/build", False],
        ],
        "user": CONTAINER_USER,
        "memory": usable_memory(),
        "failure": str(folder / "failure.json"),
    }


def usable_memory() -> int:
    """What a build may take of this machine's memory, in bytes: all but an eighth."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 8 * 7


def run_task(task: Mapping[str, Any], detail: Callable[[str], None]) -> tuple[int | None, list[str]]:
    """Run what `child.main` takes in a process of its own.

    The exit code, None if the time ran out, and the last lines of what was printed.
    """
    package = str(Path(builder.__file__).parents[1])
    passed = {name: value for name, value in os.environ.items() if name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR")}
    process: subprocess.Popen[bytes] = subprocess.Popen(
        [sys.executable, "-P", "-c", _START, package],
        env=passed,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    question, answers = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
    expired = threading.Event()

    def stop() -> None:
        expired.set()
        process.kill()

    timer = threading.Timer(LIMIT_SECONDS, stop)
    timer.daemon = True
    timer.start()
    lines: deque[str] = deque(maxlen=_SHOWN)
    try:
        question.write(json.dumps(task).encode())
        question.close()
        for line in iter(lambda: answers.readline(1 << 14), b""):
            text = line.decode("utf-8", "replace").rstrip()
            lines.append(text[:1000])
            detail(text)
        return None if process.wait() and expired.is_set() else process.returncode, list(lines)
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        answers.close()


def _failure(job: Job, code: int | None, lines: list[str], folder: Path) -> EnvbuildError:
    what = f"{job.name} cannot be built"
    if (folder / "failure.json").is_file():
        failure = json.loads((folder / "failure.json").read_text())
        return EnvbuildError(what, (failure["what"], *failure["why"]), failure["hint"])
    if code is None:
        return EnvbuildError(what, f"it did not end within {LIMIT_SECONDS // 3600} hours")
    ended = [f"its build ended with code {code}"]
    if code in (137, -9):
        ended = ["its build was killed, probably as there was too little memory"]
    return EnvbuildError(what, [*ended, *(["\n".join(lines)] if lines else [])])


def _result(job: Job, work: Path, lines: list[str]) -> Any:
    try:
        with os.fdopen(open_inside(work, "result.json"), "rb") as file:
            return json.loads(file.read(_LARGEST_RESULT))
    except (OSError, ValueError, RecursionError) as error:
        raise EnvbuildError(
            f"{job.name} cannot be built", ["its build ended before it was done", "\n".join(lines)]
        ) from error


def open_inside(folder: Path, *names: str) -> int:
    """A file below `folder`, opened. Raises: OSError, if anything on the way is a link, or it is no regular file."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for name in names:
        if "/" in name or name in ("", ".", ".."):
            os.close(place)
            raise OSError("it is no name of a file")
        try:
            deeper = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)
        finally:
            os.close(place)
        place = deeper
    if not stat.S_ISREG(os.fstat(place).st_mode):
        os.close(place)
        raise OSError("it is no file")
    return place
