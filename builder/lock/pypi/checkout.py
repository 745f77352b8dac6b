"""Commits of git repositories as archives in the store: the same bytes on every machine, of the tree alone."""

from __future__ import annotations

from builder.errors import EnvbuildError
from builder.oci.digest import Digest
from builder.oci.store import Store


def checkout_archive(url: str, store: Store) -> tuple[Digest, int]:
    """The archive (a tar, not compressed) of a commit, in the store: its digest and its size in bytes.

    `url` is `git+https://…@<commit>`, the commit in full; a fragment is not looked at. Fetched with git where the
    store does not have it. Everything is below one folder, as in an sdist.

    Raises: EnvbuildError, if the URL is of another form or holds a password, or git cannot fetch it.
    """
    raise EnvbuildError("checkouts cannot be archived yet")
