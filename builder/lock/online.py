"""Whether every artifact of a lock can still be had where the lock says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from builder.errors import EnvbuildError, NotMeasuredError
from builder.fetch import Fetcher, Source
from builder.fetch.failure import NETWORK_HINT
from builder.lock.base_image import BaseImage
from builder.lock.document import Lock

_PARALLEL = 16


@dataclass(frozen=True, slots=True)
class Availability:
    """What was found out."""

    asked: int
    """How many artifacts."""
    gone: tuple[EnvbuildError, ...]
    """A reason each, for those that nobody has any more."""
    unknown: tuple[NotMeasuredError, ...]
    """A reason each, for those whose servers do not answer."""

    def check(self, what: str) -> None:
        """`what` is the lock's name in messages.

        Raises: EnvbuildError, if something is gone; NotMeasuredError, if that is not known.
        """
        told = [line for error in (*self.gone, *self.unknown) for line in (error.what, *error.why)]
        if self.gone:
            raise EnvbuildError(
                f"{len(self.gone)} of {self.asked} artifacts of {what} can no longer be had",
                told,
                "Run `envbuild lock --upgrade`, or keep the store or a bundle that has them",
            )
        if self.unknown:
            raise NotMeasuredError(
                f"{len(self.unknown)} of {self.asked} artifacts of {what} could not be asked for",
                told,
                NETWORK_HINT,
            )


def look_up(lock: Lock, fetcher: Fetcher, probe_image: Callable[[BaseImage], None] = lambda _: None) -> Availability:
    """Ask for every artifact of a lock, without fetching it; `probe_image` asks for a base, as `fetcher` for files."""
    fetcher = fetcher.with_indexes(dict(lock.indexes))
    wanted = sorted({source.digest: source for source in sources(lock)}.values(), key=lambda source: source.name)

    bases = {image.manifest.digest: image for image in images(lock)}.values()

    def ask(probe: Callable[[], None]) -> EnvbuildError | None:
        try:
            probe()
        except EnvbuildError as error:
            return error
        return None

    probes = [*(partial(fetcher.probe, source) for source in wanted), *(partial(probe_image, base) for base in bases)]
    with ThreadPoolExecutor(_PARALLEL) as pool:
        errors = [error for error in pool.map(ask, probes) if error is not None]
    unknown = tuple(error for error in errors if isinstance(error, NotMeasuredError))
    return Availability(
        len(probes), tuple(error for error in errors if not isinstance(error, NotMeasuredError)), unknown
    )


def images(lock: Lock) -> Iterator[BaseImage]:
    """The images that its platforms stand on."""
    yield from (locked.image for locked in lock.document.platforms.values() if locked.image)


def sources(lock: Lock) -> Iterator[Source]:
    """Everything that a build of this lock may fetch: of a wheel that is built from source, what it is built from."""
    for locked in lock.document.platforms.values():
        yield from (package.source for package in (*locked.debian, *locked.build_debian))
        if locked.interpreter.archive:
            yield locked.interpreter.archive.source
    for packages in lock.conda.values():
        yield from (package.source for package in packages)
    for wheels in lock.wheels.values():
        for wheel in wheels:
            if wheel.url:
                yield wheel.source
            if wheel.built:
                yield from (requirement.source for requirement in wheel.built.requirements)
                if not wheel.built.sdist.url.startswith("git+"):
                    yield wheel.built.sdist.source
