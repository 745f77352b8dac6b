"""What building needs of the machine: the store, the downloader, workers. None of it decides a byte."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeVar

from builder.errors import EnvbuildError
from builder.image.processes import can_fork, forked_map
from builder.oci.store import Store
from builder.progress import Progress, Silent

if TYPE_CHECKING:
    from builder.fetch import Fetcher
    from builder.image.kept import Image
    from builder.oci.documents import Platform
    from builder.oci.registry import Registries

T = TypeVar("T")
R = TypeVar("R")


class Compiler(Protocol):
    """Runs an image's own interpreter on sources, which needs an engine."""

    def __call__(self, store: Store, root: Image, sources: Path, order: str) -> AbstractContextManager[BinaryIO]:
        """Open the answer of `templates/compile_bytecode.py` to a file of `sources`; it is not to be trusted.

        `order` is `forwards` or `backwards`.

        Raises: EnvbuildError, if nothing of the image's platform can be run here, or the interpreter fails.
        """

    def check(self, platform: Platform) -> None:
        """Make sure that programs of a platform can be run on this machine. Raises: EnvbuildError."""


def no_registries() -> Registries:
    """Raises: EnvbuildError."""
    raise EnvbuildError("no registry can be asked for the layers of the base")


@dataclass(frozen=True, slots=True)
class Workshop:
    """The store, the downloader and how many things may be made at once."""

    store: Store
    fetcher: Fetcher
    workers: int = 2
    progress: Progress = field(default_factory=Silent)
    registries: Callable[[], Registries] = no_registries
    """Gives what asks registries, for layers of bases that the store lacks."""
    compiler: Compiler | None = None
    """Makes bytecode; without one, images that ask for it cannot be built."""

    def each(self, function: Callable[[T], R], items: Iterable[T], size: Callable[[T], int] = lambda _: 0) -> list[R]:
        """`function` of each item, in parallel; results in the order of the items.

        The largest by `size` are begun first, so that no worker is left alone with one of them at the end.
        """
        items = list(items)
        with ThreadPoolExecutor(max(1, self.workers)) as pool:
            largest_first = sorted(range(len(items)), key=lambda number: -size(items[number]))
            futures = {number: pool.submit(function, items[number]) for number in largest_first}
            try:
                return [futures[number].result() for number in range(len(items))]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def split(self, function: Callable[[T], R], items: Iterable[T], size: Callable[[T], int], label: str) -> list[R]:
        """As `each`, for heavy work: in processes of its own where that is safe. `label` is shown meanwhile."""
        items = list(items)
        results = dict(self.as_done(function, items, size, label))
        return [results[number] for number in range(len(items))]

    def as_done(
        self, function: Callable[[T], R], items: Sequence[T], size: Callable[[T], int], label: str
    ) -> Iterator[tuple[int, R]]:
        """As `split`, but the number and the result of each item as soon as it is done, so that none need be kept."""
        order = sorted(range(len(items)), key=lambda number: -size(items[number]))
        self.progress.start(label, sum(map(size, items)))
        try:
            if self.workers > 1 and can_fork(len(items)):
                for position, result in forked_map(function, [items[number] for number in order], self.workers):
                    self.progress.advance(label, size(items[order[position]]))
                    yield order[position], result
            else:
                yield from enumerate(self.each(function, items, size))
        finally:
            self.progress.finish(label)
