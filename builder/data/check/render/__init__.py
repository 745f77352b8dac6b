"""Reports as people and other tools read them. Pure: reports in, text out; each format in a module of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from builder.data.check.outcome import CheckReport
from builder.data.check.render.json import as_json
from builder.data.check.render.junit import as_junit
from builder.data.check.render.markdown import as_markdown
from builder.data.check.render.table import as_table

FORMATS: dict[str, Callable[[Sequence[CheckReport]], str]] = {
    "table": as_table,
    "json": as_json,
    "junit": as_junit,
    "markdown": as_markdown,
}
"""The text of a format, with its last line's end."""

__all__ = ["FORMATS", "as_json", "as_junit", "as_markdown", "as_table"]
