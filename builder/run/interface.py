"""What running an image means, for every engine: the request, the image, and the two methods of an engine."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from builder.errors import EnvbuildError
from builder.image.absent import bring
from builder.image.kept import Image
from builder.image.workshop import Workshop
from builder.oci.documents import Descriptor, ImageConfig, Manifest, pinned_name
from builder.oci.store import Store
from builder.run.gpu import Gpus

Network = Literal["default", "none", "host"]


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or folder of the host that the command sees."""

    source: Path
    """On the host; must be there."""
    target: str
    """Absolute, in the image. Made if it is not there."""
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class PortMapping:
    """A TCP port of the command that is reached on the host."""

    host_address: str
    """An address of the host, or empty for all of them."""
    host_port: int
    container_port: int


@dataclass(frozen=True, slots=True)
class RunRequest:
    """How to run a command of an image."""

    arguments: tuple[str, ...] = ()
    """Follow the entry point. Without any, the image's own `Cmd` does, unless `entrypoint` is given."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the image's own variables, and wins over them. Nothing of the caller's environment is passed on."""
    mounts: tuple[Mount, ...] = ()
    user: str | None = None
    """`uid[:gid]` or names of the image's `/etc/passwd` and `/etc/group`, instead of the image's own user."""
    network: Network = "default"
    """`none` leaves a loopback interface only; `host` is the machine's own."""
    read_only: bool = False
    """The root cannot be written to. `/tmp` is then memory, writable and executable."""
    memory: int | None = None
    """Bytes that the command and its children may use, without swap."""
    shared_memory: int | None = None
    """Bytes of `/dev/shm`; without it 64 MiB."""
    ports: tuple[PortMapping, ...] = ()
    working_directory: str | None = None
    entrypoint: tuple[str, ...] | None = None
    """Instead of the image's own entry point and its `Cmd`."""
    interactive: bool = True
    """Standard input is passed on; otherwise it is empty."""
    tty: bool = False
    """The command gets a terminal, joined to the caller's."""
    gpus: Gpus | None = None
    """The GPUs that it gets; none without it."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What its container is found by, in engines that have containers."""

    def __post_init__(self) -> None:
        """Refuse what no engine can do.

        Raises: EnvbuildError.
        """
        if self.ports and self.network == "none":
            raise EnvbuildError(
                f"port {self.ports[0].container_port} cannot be published",
                "no port can be reached with `--network none`",
                "Leave out `--network none` or `--publish`",
            )
        if self.ports and self.network == "host":
            raise EnvbuildError(
                f"port {self.ports[0].container_port} cannot be published",
                "with `--network host` the command has the machine's own ports",
                "Leave out `--publish`",
            )


@dataclass(frozen=True, slots=True)
class LocalImage:
    """An image of one platform whose blobs are all in a store, or can be brought there."""

    store: Store
    descriptor: Descriptor
    """Of the manifest."""
    manifest: Manifest
    config: ImageConfig
    name: str
    """`name:tag`."""
    bring: Callable[[Iterable[Descriptor]], None] = lambda _: None
    """Has blobs of it in the store, fetched where they are layers of a base that nothing has needed yet."""

    @classmethod
    def of(cls, image: Image, name: str, workshop: Workshop) -> LocalImage:
        """An image of the workshop's store."""
        bring_to = functools.partial(bring, elsewhere=image.elsewhere, workshop=workshop)
        return cls(workshop.store, image.descriptor, image.manifest, image.config, name, bring_to)

    @property
    def pinned_name(self) -> str:
        """The name by which it is found as long as it is there, also when `name` has come to be another image's."""
        return pinned_name(self.name, self.descriptor.digest)


class Engine(Protocol):
    """Runs images on this machine."""

    name: str
    has_own_network: bool
    """A port of the command is reached only where it is published; otherwise the network is the host's."""

    def unavailable(self) -> str | None:
        """Why this engine cannot run anything here, in one sentence, or None if it can. Fast."""

    def version(self) -> str:
        """Its version, empty if it does not tell. Fast."""

    def run(self, image: LocalImage, request: RunRequest) -> int:
        """Run a command and wait for it: its exit code, or 128 and the number of the signal that ended it.

        Standard input, output and error are the caller's; SIGINT, SIGTERM and SIGHUP are passed on to the command.
        That it was killed for want of memory is said on standard error.

        Raises: EnvbuildError, if the command cannot be started, or a wish of the request cannot be granted.
        """


class Loader(Protocol):
    """An engine of this machine that keeps images of its own, under names."""

    name: str
    title: str
    """What to call it in messages."""

    def unavailable(self) -> str | None:
        """Why this engine cannot take anything, in one sentence, or None if it can. Fast."""

    def load(self, image: LocalImage, names: Sequence[str]) -> str:
        """Put an image into the engine where it is not there, under `name:tag` names; returns what it is called there.

        Raises: EnvbuildError, if the engine refuses; DigestMismatchError.
        """


@runtime_checkable
class HasContainers(Protocol):
    """An engine whose containers may outlive a caller that was killed."""

    def remove_containers(self, label: str) -> None:
        """Remove those that have a label, `NAME=VALUE`."""


SHARED_MEMORY = 64 << 20
"""Bytes of `/dev/shm` where a request says nothing."""
