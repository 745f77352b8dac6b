"""The only download: by digest into the store, resumable, in parallel, over mirrors.

Also reads the few small documents that have no digest yet; only `lock` does that.
"""

from builder.fetch.fetcher import Fetcher, MissingDocumentError, Source
from builder.fetch.mirrors import Mirrors

__all__ = ["Fetcher", "Mirrors", "MissingDocumentError", "Source"]
