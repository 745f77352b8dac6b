"""BuildKit, through the program that is there: `docker buildx`, an older `docker`, or `buildctl`.

BuildKit keeps what it made of a build that failed in a cache of its own, and no image of it.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO

from builder.errors import EnvbuildError
from builder.image.engine.clients import Client, find_client
from builder.image.engine.connection import Connection
from builder.image.engine.interface import BuildRequest, Observer
from builder.image.engine.steps import Steps

_LINE_LIMIT = 1 << 16
_TITLE = re.compile(r"#(\d+) (\[[^\]]+\] .*|exporting to .*|resolve image config .*)")
_FAILED = re.compile(r"#(\d+) ERROR: (.*)")
_OUTPUT = re.compile(r"#(\d+) (?:\d+\.\d+ ?)?(.*)")
_QUIET = re.compile(r"sha256:[0-9a-f]{64}$|DONE |CACHED$|\.\.\.$")


class BuildKitEngine:
    """Builds the steps that depend on nothing of each other at once, and keeps what it made for the next build."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @cached_property
    def _client(self) -> Client | None:
        return find_client(os.environ)

    def unavailable(self) -> str | None:
        """Why it cannot build here, or None if it can."""
        if reason := self._connection.unavailable():
            return reason
        if self._client is None:
            return "no program for BuildKit works here: neither `docker buildx`, nor a `docker` with it, nor `buildctl`"
        return None

    def description(self) -> str:
        """The program and the engine with their versions."""
        return f"BuildKit by {self._client}, Docker Engine {self._connection.version()}"

    def build(self, request: BuildRequest, observer: Observer) -> str:
        """Build, and return the image's id.

        Raises: EnvbuildError.
        """
        if self._client is None:
            raise EnvbuildError("BuildKit cannot build here", self.unavailable() or ())
        with tempfile.TemporaryDirectory(prefix="envbuild-") as folder:
            if self._client.kind == "buildctl":
                return self._by_buildctl(self._client, request, observer, Path(folder))
            told = Path(folder, "image")
            _run(_docker_line(self._client, request, told), Steps(observer))
            return self._connection.known(_start(told), request.tag)

    def _by_buildctl(self, client: Client, request: BuildRequest, observer: Observer, folder: Path) -> str:
        """Build in a daemon of its own, and load what it made into Docker Engine."""
        archive = folder / "image.tar"
        _run(_buildctl_line(client, request, archive), Steps(observer))
        return self._connection.load(archive, request.tag)


def _docker_line(client: Client, request: BuildRequest, told: Path) -> list[str]:
    words = ["buildx", "build", "--load"] if client.kind == "buildx" else ["build"]
    arguments = [f"--build-arg={name}={value}" for name, value in sorted(request.arguments.items())]
    options = ["--progress=plain", "--network=none", f"--platform={request.platform}", f"--iidfile={told}"]
    return [client.program, *words, *options, *arguments, f"--tag={request.tag}", str(request.context)]


def _buildctl_line(client: Client, request: BuildRequest, archive: Path) -> list[str]:
    values = {"platform": str(request.platform), "force-network-mode": "none"}
    values |= {f"build-arg:{name}": value for name, value in request.arguments.items()}
    options = [f"--opt={name}={value}" for name, value in sorted(values.items())]
    folders = [f"--local={name}={request.context}" for name in ("context", "dockerfile")]
    output = f"--output=type=docker,name={request.tag},dest={archive}"
    return [client.program, "build", "--progress=plain", "--frontend=dockerfile.v0", *folders, *options, output]


def _run(line: list[str], steps: Steps) -> None:
    variables = {**os.environ, "DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    with _started(line, variables) as process:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        failed, reason = _follow(_lines(process.stdout), steps)
    if process.returncode:
        raise steps.failure(reason, failed)


@contextmanager
def _started(line: list[str], variables: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A program whose output and errors come in one stream; it ends with the block."""
    try:
        process = subprocess.Popen(
            line, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except OSError as error:
        raise EnvbuildError(f"`{line[0]}` cannot be started", error.strerror or str(error)) from error
    with process:
        try:
            yield process
            process.wait()
        except BaseException:
            process.terminate()
            raise


def _follow(lines: Iterable[str], steps: Steps) -> tuple[str | None, str]:
    """Tell `steps` what a build says; the step that failed, if one did, and why (else the last line)."""
    failed, reason, last = None, "", deque[str](maxlen=1)
    for line in lines:
        if failed is not None and not line.startswith("#"):
            continue  # the step's lines and the reason once more
        if title := _TITLE.fullmatch(line):
            steps.begin(title[1], title[2])
        elif error := _FAILED.fullmatch(line):
            failed, reason = error[1], error[2]
        elif output := _OUTPUT.fullmatch(line):
            if output[2] and not _QUIET.match(output[2]):
                steps.line(output[2], output[1])
        elif line:
            last.append(line)
            steps.line(line, "")
    return failed, reason or "".join(last)


def _lines(stream: IO[bytes]) -> Iterator[str]:
    while line := stream.readline(_LINE_LIMIT):
        yield line.decode(errors="replace").rstrip()


def _start(path: Path) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read(200)
