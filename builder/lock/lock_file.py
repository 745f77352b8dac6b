"""A lock that is one file beside the others in `lock/`: its version, reading and writing. What is in it is its owner's.

Reading is bounded and waits for nothing, as the file may come from anywhere; writing leaves the old one or the new.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError
from builder.oci.layout import open_regular, write_atomically


def check_version(document: Any, newest: int, what: str, again: str) -> None:
    """Refuse a document of another program or of a newer version; `again` is what to do about the former.

    Raises: EnvbuildError.
    """
    version = document.get("version") if isinstance(document, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise EnvbuildError(f"{what} is not one of envbuild", "it has no valid `version`", again)
    if version > newest:
        raise EnvbuildError(
            f"{what} is of version {version}; this envbuild knows versions up to {newest}", hint="Use a newer envbuild"
        )


def read_lock_file(path: Path, limit: int, again: str) -> bytes | None:
    """The bytes of a file, at most `limit`; None where there is none.

    Raises: EnvbuildError, if it is larger, is no regular file, or cannot be read.
    """
    try:
        with open_regular(path) as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EnvbuildError(f"`{path}` cannot be read", error.strerror or str(error)) from error
    if len(data) > limit:
        raise EnvbuildError(f"`{path}` is larger than {limit} bytes", hint=again)
    return data


def write_lock_file(path: Path, data: bytes | None) -> bool:
    """Make a file hold these bytes, or not be there; whether anything changed."""
    if data is None:
        existed = path.is_file()
        path.unlink(missing_ok=True)
        return existed
    if path.is_file() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
    return True
