"""Facts of packages made for tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from builder.layers.system import DebFacts
from builder.layers.system.facts import Library


@pytest.fixture
def make_facts() -> Callable[..., DebFacts]:
    def make(
        name: str,
        version: str = "1.0-1",
        *,
        scripts: dict[str, str] | None = None,
        files: dict[str, bytes] | None = None,
        links: dict[str, str] | None = None,
        listed: Sequence[str] = (),
        libraries: Sequence[Library] = (),
    ) -> DebFacts:
        return DebFacts(
            paragraph=f"Package: {name}\nVersion: {version}\nArchitecture: amd64\n",
            md5sums="",
            conffiles="",
            scripts=tuple((scripts or {}).items()),
            libraries=tuple(libraries),
            links=tuple((links or {}).items()),
            listed=tuple(listed),
            files=tuple((files or {}).items()),
        )

    return make
