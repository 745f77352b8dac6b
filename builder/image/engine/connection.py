"""Docker Engine: whether it answers, what it is, its images, one of them as a stream."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.errors import EnvbuildError
from builder.image.engine.messages import first_line, root_cause
from builder.oci.digest import Digest
from builder.oci.documents import architecture_of

if TYPE_CHECKING:
    import docker

_DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
_PING_SECONDS = 3
_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Machine:
    """Where an engine runs containers."""

    architecture: str
    """In Go's names."""
    kernel: str
    """Its release, as `uname -r` has it."""


class Connection:
    """A Docker Engine, found as the `docker` program finds it (DOCKER_HOST)."""

    def unavailable(self) -> str | None:
        """Why no engine answers, or None if one does."""
        import docker

        try:
            with closing(docker.from_env(timeout=_PING_SECONDS)) as client:
                client.ping()
        except (docker.errors.DockerException, OSError, ValueError) as error:
            address = os.environ.get("DOCKER_HOST") or _DEFAULT_ADDRESS
            return f"no Docker Engine answers at {address}: {root_cause(error)}"
        return None

    @cached_property
    def client(self) -> docker.DockerClient:
        """The engine's client."""
        import docker

        with _told("Docker Engine does not answer"):
            return docker.from_env(timeout=_SECONDS)

    def version(self) -> str:
        """Of the engine."""
        with _told("Docker Engine does not tell its version"):
            return str(_mapping(self.client.version()).get("Version", ""))[:100]

    def machine(self) -> Machine:
        """What the engine's containers run on."""
        with _told("Docker Engine does not tell its processor"):
            info = _mapping(self.client.info())
        architecture = str(info.get("Architecture", ""))[:100]
        return Machine(architecture_of(architecture), str(info.get("KernelVersion", ""))[:200])

    def images(self) -> frozenset[str]:
        """The ids of all images, those between the steps of builds among them."""
        with _told("Docker Engine does not tell its images"):
            return frozenset(map(str, self.client.api.images(all=True, quiet=True)))

    def discard(self, image: str) -> bool:
        """Remove an image that has no name; those below it stay. False, if something of the engine still uses it."""
        import docker

        try:
            if not self.client.images.get(image).tags:
                self.client.api.remove_image(image, noprune=True)
        except docker.errors.ImageNotFound:
            return True
        except (docker.errors.DockerException, OSError):
            return False
        return True

    @contextmanager
    def built(self, **options: Any) -> Iterator[Iterator[bytes | str]]:
        """What the engine tells of a build, in pieces. It gives a build up when the block is left before the end.

        Raises: EnvbuildError, if the engine does not answer.
        """
        answers: list[Any] = []

        def keep(answer: Any, **_: Any) -> None:
            answers.append(answer)

        hooks = self.client.api.hooks["response"]
        hooks.append(keep)
        try:
            with _told("Docker Engine does not build this"):
                yield self.client.api.build(**options)
        finally:
            hooks.remove(keep)
            for answer in answers:
                answer.close()  # the client's own stream leaves the connection open

    def known(self, told: str, tag: str) -> str:
        """The id of an image that was just made: `told`, or that of `tag` where a client told the config's digest.

        Raises: EnvbuildError, if the engine has neither.
        """
        import docker

        with _told(f"Docker Engine does not have the image {tag}"):
            try:
                return checked_id(self.client.images.get(checked_id(told)).id)
            except docker.errors.ImageNotFound:
                return checked_id(self.client.images.get(tag).id)

    def tag(self, image: str, name: str) -> None:
        """Give an image one more `name:tag`. Raises: EnvbuildError, if the engine refuses."""
        repository, _, tag = name.rpartition(":")
        with _told(f"Docker Engine does not call the image {name}"):
            self.client.api.tag(image, repository, tag)

    def load(self, archive: Path, tag: str) -> str:
        """Load an archive, and return the id of its image, which is tagged `tag`.

        Raises: EnvbuildError, if the engine refuses.
        """
        with _told("Docker Engine did not take the image"), open(archive, "rb") as file:
            for event in self.client.api.load_image(file):  # type: ignore[no-untyped-call]
                if "error" in event:
                    raise EnvbuildError("Docker Engine did not take the image", str(event["error"])[:300])
            return checked_id(self.client.images.get(tag).id)

    @contextmanager
    def saved(self, image: str) -> Iterator[Iterator[bytes]]:
        """The archive that `docker save` writes of an image, in pieces.

        Raises: EnvbuildError, if the engine does not give it.
        """
        with _told(f"Docker Engine does not give the image {image}"):
            yield self.client.api.get_image(image)


def checked_id(value: Any) -> str:
    """What an engine says that an image is called.

    Raises: EnvbuildError, if that is not a digest.
    """
    try:
        return str(Digest.parse(str(value).strip()))
    except EnvbuildError as error:
        raise EnvbuildError("the engine does not say which image it made", error.what) from error


@contextmanager
def _told(what: str) -> Iterator[None]:
    import docker
    import requests
    import urllib3

    try:
        yield
    except (docker.errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise EnvbuildError(what, first_line(error)) from error


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
