"""What building needs of the machine: the store, the downloader, workers. None of it decides a byte."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from builder.fetch import Fetcher
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
