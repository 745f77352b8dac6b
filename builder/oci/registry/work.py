"""Moving many blobs at once: the largest first, shown as one amount of bytes; a failure stops the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor, as_completed

from builder.errors import EnvbuildError
from builder.oci.documents import Descriptor
from builder.progress import Progress

Observe = Callable[[int], None]
"""Is told of bytes that were moved; raises if the work is to stop."""

_AT_ONCE = 4


def each_blob(
    work: Callable[[Descriptor, Observe], None], blobs: Collection[Descriptor], label: str, progress: Progress
) -> None:
    """Do `work` for each blob. Raises: what it raises first."""
    stopped = threading.Event()

    def observe(amount: int) -> None:
        if stopped.is_set():
            raise EnvbuildError("another blob failed")
        progress.advance(label, amount)

    progress.start(label, sum(blob.size for blob in blobs))
    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            futures = [pool.submit(work, blob, observe) for blob in sorted(blobs, key=lambda blob: -blob.size)]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:
                stopped.set()
                pool.shutdown(cancel_futures=True)
                raise
    finally:
        progress.finish(label)
