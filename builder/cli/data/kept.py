"""What a command of `envbuild data` reads is not what it writes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from builder.errors import EnvbuildError


def keep_inputs(read: Iterable[Path | None], *written: Path | None) -> None:
    """Check that no file that is read would be overwritten; None is no file.

    Raises: EnvbuildError, before anything is written.
    """
    inputs = {path.resolve() for path in read if path is not None}
    for target in written:
        if target is not None and target.resolve() in inputs:
            raise EnvbuildError(f"`{target}` is not overwritten", "it is read too", "Choose another name")
