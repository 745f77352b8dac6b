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

    def each(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """`function` of each item, in parallel; results in the order of the items."""
        with ThreadPoolExecutor(max(1, self.workers)) as pool:
            futures = [pool.submit(function, item) for item in items]
            try:
                return [future.result() for future in futures]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
