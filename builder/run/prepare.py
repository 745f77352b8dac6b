"""From what a user asks for to a request for an engine: data fetched and mounted, outputs, parameters, the digest."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.bundle.reading.reader import read_data_lock_of
from builder.errors import EnvbuildError
from builder.fetch import Fetcher
from builder.image.kept import read_image
from builder.lock.data.document import DataLock
from builder.lock.data.entry import DataEntry
from builder.run.data import data_path
from builder.run.gpu import Gpus
from builder.run.interface import LocalImage, Mount, Network, PortMapping, RunRequest


@dataclass(frozen=True, slots=True)
class Wish:
    """What a user asks to be run, and how."""

    command: str | None
    """None lists the commands."""
    arguments: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    """`name=value`."""
    seed: int | None = None
    data: Mapping[str, Path] = field(default_factory=dict)
    """Files to use for data of these names, instead of fetching them."""
    output: Path | None = None
    code: Path | None = None
    """A working tree to use instead of the packed code."""
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[PortMapping, ...] = ()
    network: Network = "default"
    memory: int | None = None
    shared_memory: int | None = None
    read_only: bool = False
    user: str | None = None
    gpus: Gpus | None = None
    no_check: bool = False
    """Whether data are not held to their contracts, which the run's record says."""


def prepare(wish: Wish, image: LocalImage, document: Mapping[str, Any], folder: Path, fetcher: Fetcher) -> RunRequest:
    """The request for `wish`; `document` is the bundle's `bundle.json`, `folder` is where its data paths start.

    Raises: EnvbuildError, if the command is unknown to the bundle, or its data cannot be had.
    """
    command = declared_command(wish.command, document)
    mounts = _data_mounts(wish, image, document, command, folder, fetcher)
    if wish.output and wish.command:
        wish.output.mkdir(parents=True, exist_ok=True)
        mounts.append(Mount(wish.output.resolve(), "/out"))
    if wish.code:
        mounts.append(Mount(wish.code.resolve(), "/app", read_only=True))
    return RunRequest(
        arguments=_arguments(wish),
        environment={**wish.environment, **_told(wish, image)},
        mounts=tuple(mounts),
        user=wish.user or f"{os.getuid()}:{os.getgid()}",
        network=wish.network,
        read_only=wish.read_only,
        memory=wish.memory,
        shared_memory=wish.shared_memory,
        ports=wish.ports,
        gpus=wish.gpus,
    )


def _told(wish: Wish, image: LocalImage) -> dict[str, str]:
    """What the launcher cannot know by itself: the image's digest, that the code is mounted, whose options to name."""
    mounted = {"ENVBUILD_CODE_MOUNTED": "1"} if wish.code else {}
    skipped = {"ENVBUILD_CHECKS": "skipped"} if wish.no_check else {}
    return {"ENVBUILD_IMAGE_DIGEST": str(image.descriptor.digest), "ENVBUILD_RUN": "1", **mounted, **skipped}


def declared_command(name: str | None, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The command of this name, empty for None. Raises: EnvbuildError, if the bundle declares none."""
    from builder.spec.reader import nearest

    commands: Mapping[str, Any] = document.get("commands", {})
    if name is None:
        return {}
    if not commands:
        raise EnvbuildError(
            f"there is no command `{name}`, nor any other", "it is the image of an environment, or declares none"
        )
    if name not in commands:
        raise EnvbuildError(f"the bundle has no command `{name}`", hint=_sentence(nearest(name, commands)))
    command: Mapping[str, Any] = commands[name]
    return command


def _data_mounts(
    wish: Wish,
    image: LocalImage,
    document: Mapping[str, Any],
    command: Mapping[str, Any],
    folder: Path,
    fetcher: Fetcher,
) -> list[Mount]:
    known: Mapping[str, Any] = document.get("data", {})
    wanted = [name for name in command.get("inputs", ()) if not known[name].get("packed")]
    for name, path in wish.data.items():
        if name not in known:
            raise EnvbuildError(f"the bundle has no data `{name}`", hint=f"It has {', '.join(known) or 'none'}")
        if not path.exists():
            raise EnvbuildError(f"`{path}` for the data `{name}` is not there")
    lock = functools.cache(lambda: read_data_lock_of(image.store, read_image(image.store, image.descriptor)))
    return [
        Mount(
            wish.data[name].resolve()
            if name in wish.data
            else data_path(name, known[name], folder, fetcher, functools.partial(_locked, name, lock)),
            known[name]["path"],
            read_only=True,
        )
        for name in dict.fromkeys((*wanted, *wish.data))
    ]


def _locked(name: str, lock: Callable[[], DataLock]) -> DataEntry:
    entry = lock().data.get(name)
    if entry is None:
        raise EnvbuildError(f"the data lock of the bundle has no `{name}`")
    return entry


def _arguments(wish: Wish) -> tuple[str, ...]:
    if wish.command is None:
        return ()
    options = [option for parameter in wish.parameters for option in ("--param", parameter)]
    if wish.seed is not None:
        options += ["--seed", str(wish.seed)]
    return (wish.command, *options, *(("--", *wish.arguments) if wish.arguments else ()))


def _sentence(hint: str | None) -> str | None:
    return hint[:1].upper() + hint[1:] if hint else None
