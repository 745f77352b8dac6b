"""How long work tells that it goes on. Owns the interface; `builder.cli` draws it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Receives what long work has done. Safe to call from several threads."""

    def start(self, label: str, total: int | None = None) -> None:
        """Announce a piece of work of `total` bytes (or of a size that is not known)."""

    def advance(self, label: str, amount: int) -> None:
        """Add `amount` bytes to what is done of `label`."""

    def finish(self, label: str) -> None:
        """Say that `label` is done."""


class Silent:
    """A Progress that shows nothing."""

    def start(self, label: str, total: int | None = None) -> None:
        """Show nothing."""

    def advance(self, label: str, amount: int) -> None:
        """Show nothing."""

    def finish(self, label: str) -> None:
        """Show nothing."""


@contextmanager
def shown(progress: Progress, label: str) -> Iterator[None]:
    """Show work of an unknown size while it goes on."""
    progress.start(label)
    try:
        yield
    finally:
        progress.finish(label)
