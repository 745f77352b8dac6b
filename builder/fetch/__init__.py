"""The only download: by digest into the store, resumable, in parallel, over mirrors.

Also reads the few small documents that have no digest yet; only `lock` does that. What opens connections is imported
when it is asked for, as a lock that is only read names sources and fetches nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from builder.fetch.source import Source

if TYPE_CHECKING:
    from builder.fetch.fetcher import Fetcher, MissingDocumentError
    from builder.fetch.mirrors import Mirrors

__all__ = ["Fetcher", "Mirrors", "MissingDocumentError", "Source"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    places = {"Fetcher": "fetcher", "MissingDocumentError": "fetcher", "Mirrors": "mirrors"}
    if name not in places:
        raise AttributeError(f"module `builder.fetch` has no `{name}`")
    return getattr(import_module(f"builder.fetch.{places[name]}"), name)
