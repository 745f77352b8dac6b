"""Saving a contract where none is yet."""

from __future__ import annotations

from pathlib import Path

from builder.errors import EnvbuildError


def save_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet. Raises: EnvbuildError."""
    try:
        with path.open("xb") as opened:
            opened.write(data)
    except FileExistsError as error:
        hint = "Choose another name; `envbuild data diff` tells what differs between the two"
        raise EnvbuildError(f"`{path}` is not overwritten", "it is there already", hint) from error
    except OSError as error:
        raise EnvbuildError(f"`{path}` cannot be written", error.strerror or str(error)) from error
