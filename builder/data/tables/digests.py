"""What files of rows are told apart by."""

from __future__ import annotations

import hashlib
from pathlib import Path

from builder.errors import EnvbuildError
from builder.oci.digest import Digest


def file_digest(path: Path) -> Digest:
    """The digest of a file's bytes. Raises: EnvbuildError, if it cannot be read."""
    try:
        with path.open("rb") as file:
            return Digest(hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        raise EnvbuildError(f"`{path}` cannot be read", error.strerror or str(error)) from error
