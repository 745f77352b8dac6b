"""Running the interpreter of an image on sources, in a container without network (a `Compiler` of workshops).

What runs inside is `templates/compile_bytecode.py`, which runs nothing of what it compiles.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from builder.errors import EnvbuildError
from builder.image.kept import Image
from builder.oci.documents import Platform
from builder.oci.store import Store
from builder.resources import read_template
from builder.run.embedded import EmbeddedEngine
from builder.run.embedded.diagnosis import check_platform
from builder.run.wheels.container import CONTAINER_USER, open_inside, run_task, usable_memory

_COMMAND = ("/opt/env/bin/python", "-I", "-S", "-B", "-W", "ignore", "/envbuild/compile.py")
"""Isolated: no variable of the image and no package has a say; hashes are random, since no byte depends on them."""


_OFF = "Set `compile: false`"


@dataclass(frozen=True, slots=True)
class EmbeddedCompiler:
    """Compiles by the embedded engine; for another platform where an emulator is registered."""

    unavailable: Callable[[], str | None] = lambda: EmbeddedEngine().unavailable()
    """Why no container can be run here, or None."""

    @contextmanager
    def __call__(self, store: Store, root: Image, sources: Path, order: str) -> Iterator[BinaryIO]:
        """The answer to `sources`; see `Compiler`."""
        platform = root.config.platform
        self.check(platform)
        reason = self.unavailable()
        if reason is not None:
            raise _impossible(platform, EnvbuildError(reason))
        with store.scratch() as folder:
            (folder / "work").mkdir()
            (folder / "work").chmod(0o777)
            script = folder / "compile.py"
            script.write_bytes(read_template("compile_bytecode.py"))
            script.chmod(0o644)
            code, lines = run_task(_task(store, root, folder, sources, order), lambda _: None)
            if code != 0:
                raise EnvbuildError(f"bytecode for {platform} cannot be made", _why(code, lines, folder), _OFF)
            with os.fdopen(_answer(folder / "work", platform), "rb") as answer:
                yield answer

    def check(self, platform: Platform) -> None:
        """See `Compiler`."""
        try:
            check_platform(platform)
        except EnvbuildError as error:
            raise _impossible(platform, error) from error


def _impossible(platform: Platform, error: EnvbuildError) -> EnvbuildError:
    return EnvbuildError(
        f"bytecode for {platform} cannot be made here",
        (error.what, *error.why),
        "Build on a Linux machine of this platform where namespaces work, choose others with `--platform`, "
        f"or set `compile: false`{f'. {error.hint}' if error.hint else ''}",
    )


def _task(store: Store, root: Image, folder: Path, sources: Path, order: str) -> Mapping[str, Any]:
    return {
        "store": str(store.root.resolve()),
        "image": root.descriptor.to_dict(),
        "name": "the environment",
        "command": [*_COMMAND, order],
        "environment": {},
        "mounts": [
            [str(folder / "compile.py"), "/envbuild/compile.py", True],
            [str(sources.resolve()), "/envbuild/sources", True],
            [str(folder / "work"), "/build", False],
        ],
        "user": CONTAINER_USER,
        "memory": usable_memory(),
        "failure": str(folder / "failure.json"),
    }


def _why(code: int | None, lines: list[str], folder: Path) -> list[str]:
    if (folder / "failure.json").is_file():
        failure = json.loads((folder / "failure.json").read_text())
        return [failure["what"], *failure["why"]]
    ended = "it did not end in time" if code is None else f"the interpreter ended with code {code}"
    return [ended, *(["\n".join(lines[-10:])] if lines else [])]


def _answer(folder: Path, platform: Platform) -> int:
    try:
        return open_inside(folder, "bytecode")
    except OSError as error:
        raise EnvbuildError(
            f"bytecode for {platform} cannot be made", "the interpreter gave no answer", _OFF
        ) from error
