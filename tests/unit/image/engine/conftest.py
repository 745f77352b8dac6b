"""An engine that only repeats what it was given, and an observer that remembers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from builder.image.engine.connection import checked_id

MADE = "sha256:" + "ab" * 32


@dataclass
class Seen:
    """An Observer."""

    steps: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def step(self, title: str) -> None:
        self.steps.append(title)

    def line(self, text: str) -> None:
        self.lines.append(text)


@dataclass
class Engine:
    """A Connection whose build answers with these bytes."""

    answer: list[bytes | str] = field(default_factory=list)
    present: frozenset[str] = frozenset()
    busy: int = 0
    """How often it refuses to remove an image, as it uses it."""
    discarded: list[str] = field(default_factory=list)
    loaded: list[bytes] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    context: bytes = b""

    @contextmanager
    def built(self, fileobj: Iterable[bytes], **options: Any) -> Iterator[Iterable[bytes | str]]:
        self.context = b"".join(fileobj)
        self.options = options
        yield self.answer

    def images(self) -> frozenset[str]:
        return self.present

    def discard(self, image: str) -> bool:
        self.busy -= 1
        if self.busy >= 0:
            return False
        self.discarded.append(image)
        return True

    def unavailable(self) -> None:
        return None

    def known(self, told: str, tag: str) -> str:
        return checked_id(told)

    def version(self) -> str:
        return "20.10"

    def load(self, archive: Any, tag: str) -> str:
        self.loaded.append(archive.read_bytes())
        return MADE


def events(*values: Any) -> list[bytes | str]:
    """As the engine sends them."""
    return [json.dumps(value).encode() + b"\r\n" for value in values]


@pytest.fixture
def seen() -> Seen:
    return Seen()
