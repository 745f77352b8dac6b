"""The process that a build runs in: the engine forks, which a process with threads should not.

Its environment is empty, and it ends with whoever started it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError
from builder.oci.documents import Descriptor
from builder.oci.store import Store
from builder.run.embedded import EmbeddedEngine
from builder.run.embedded.memory import memory_limit
from builder.run.embedded.system_calls import die_with_parent
from builder.run.interface import LocalImage, Mount, RunRequest

FAILED = 125
"""The exit code if the container could not be started; why is in a file."""


def main() -> int:
    """Run what standard input asks for; the exit code of the command."""
    die_with_parent(signal.SIGKILL)
    task = json.load(sys.stdin)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        return EmbeddedEngine().run(_image(task), _request(task))
    except EnvbuildError as error:
        Path(task["failure"]).write_text(json.dumps({"what": error.what, "why": error.why, "hint": error.hint}))
        return FAILED


def _image(task: dict[str, Any]) -> LocalImage:
    from builder.image.kept import read_image

    store = Store(Path(task["store"]))
    image = read_image(store, Descriptor.from_dict(task["image"]))
    return LocalImage(store, image.descriptor, image.manifest, image.config, task["name"])


def _request(task: dict[str, Any]) -> RunRequest:
    return RunRequest(
        entrypoint=tuple(task["command"]),
        environment=task["environment"],
        mounts=tuple(Mount(Path(source), target, read_only) for source, target, read_only in task["mounts"]),
        user=task["user"],
        network="none",
        memory=_limitable(task["memory"]),
        working_directory="/build",
        interactive=False,
    )


def _limitable(memory: int) -> int | None:
    """The limit, where this user can set one for all processes together; each has one in any case."""
    try:
        with memory_limit(memory):
            return memory
    except EnvbuildError:
        return None
