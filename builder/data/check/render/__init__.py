"""Reports as people and other tools read them. Pure: reports in, text out; each format in a module of its own."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence

from builder.data.check.outcome import CheckReport

FORMATS = ("table", "json", "junit", "markdown")


def rendered(reports: Sequence[CheckReport], form: str) -> str:
    """The text of a format, with its last line's end; only what it needs is imported."""
    module = importlib.import_module(f"builder.data.check.render.{form}")
    render: Callable[[Sequence[CheckReport]], str] = getattr(module, f"as_{form}")
    return render(reports)
