"""Whether the data that a project names elsewhere can still be had there."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from builder.errors import EnvbuildError, NotMeasuredError
from builder.fetch import Fetcher, Source
from builder.lock.data.document import DataLock
from builder.lock.data.download import base_url, below
from builder.lock.online import Availability
from builder.spec.data_url import is_artifact, is_path

_PARALLEL = 8


def look_up_data(lock: DataLock, fetcher: Fetcher) -> Availability:
    """Ask for every file of the data and the model, without reading it."""

    def ask(source: Source) -> EnvbuildError | None:
        try:
            fetcher.probe(source)
        except EnvbuildError as error:
            return error
        return None

    wanted = list(sources(lock))
    with ThreadPoolExecutor(_PARALLEL) as pool:
        errors = [error for error in pool.map(ask, wanted) if error is not None]
    unknown = tuple(error for error in errors if isinstance(error, NotMeasuredError))
    return Availability(
        len(wanted), tuple(error for error in errors if not isinstance(error, NotMeasuredError)), unknown
    )


def sources(lock: DataLock) -> Iterator[Source]:
    """Each file of the data and the model that is not on this machine."""
    for place, entry in lock.places():
        if is_path(entry.source) or entry.source.startswith("file:"):
            continue
        if entry.kind == "file" or is_artifact(entry.source):
            yield Source(entry.digest, entry.size, (entry.source,), f"`{place}`")
            continue
        base = base_url(entry.source)
        for file in entry.files:
            yield Source(file.digest, file.size, (below(base, file.path),), f"`{place}`: `{file.path}`")
