"""What building needs of the machine: the store, the downloader, workers. None of it decides a byte."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from builder.fetch import Fetcher
from builder.image.processes import can_fork, forked_map
from builder.oci.store import Store
from builder.progress import Progress, Silent

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Workshop:
    """The store, the downloader and how many things may be made at once."""

    store: Store
    fetcher: Fetcher
    workers: int = 2
    progress: Progress = field(default_factory=Silent)

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
        order = sorted(range(len(items)), key=lambda number: -size(items[number]))
        results: dict[int, R] = {}
        self.progress.start(label, sum(map(size, items)))
        try:
            if self.workers > 1 and can_fork(len(items)):
                for position, result in forked_map(function, [items[number] for number in order], self.workers):
                    results[order[position]] = result
                    self.progress.advance(label, size(items[order[position]]))
                return [results[number] for number in range(len(items))]
            return self.each(function, items, size)
        finally:
            self.progress.finish(label)
