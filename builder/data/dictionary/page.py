"""A dictionary as Markdown, and as one page of HTML that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from builder.data.dictionary.entries import ColumnEntry, Dictionary, Link

_MOST_VALUES = 20
"""Allowed values of a column that a page shows."""
_WEB = r"https?://[^\s<>()\[\]\"'`|\\]+"


def as_markdown(dictionary: Dictionary) -> str:
    """As Markdown that GitHub shows; whatever contracts say stays text."""
    from builder.records.markdown import code, plain
    from builder.resources import render

    values = {
        "dictionary": dictionary,
        "plain": plain,
        "code": code,
        "cell": lambda text: plain(text) or " ",
        "codes": _joined(code),
        "plains": _joined(plain),
        "links": _joined(_markdown_link),
        "values": lambda column: "; ".join(_values(column)),
        "marks": lambda column: ", ".join(_marks(column)),
        "size": sizes(dictionary),
    }
    return render("data/dictionary.md.j2", values)


def as_html(dictionary: Dictionary) -> str:
    """As one page: what is in it may run nothing but its own script, and loads nothing."""
    from markupsafe import Markup

    from builder.resources import read_template, render

    script, style = (read_template(f"data/dictionary.{ending}").decode() for ending in ("js", "css"))
    columns = [each for table in dictionary.tables for each in table.columns]
    values: dict[str, Any] = {
        "dictionary": dictionary,
        "script": Markup(script),  # noqa: S704 - our own
        "style": Markup(style),  # noqa: S704
        "script_hash": _hash(script),
        "style_hash": _hash(style),
        "classes": sorted({each.classification for each in columns if each.classification}),
        "models": sorted({model for each in columns for model in each.models}),
        "values": _values,
        "marks": _marks,
        "size": sizes(dictionary),
    }
    return render("data/dictionary.html.j2", values)


def sizes(dictionary: Dictionary) -> dict[str, int]:
    """How many there are of each."""
    return {
        "tables": len(dictionary.tables),
        "columns": sum(len(each.columns) for each in dictionary.tables),
        "features": len(dictionary.features),
        "terms": len(dictionary.terms),
        "undocumented": len(dictionary.gaps),
    }


def missing(dictionary: Dictionary) -> dict[str, int]:
    """How often each is missing."""
    counted = Counter(each for gap in dictionary.gaps for each in gap.missing)
    return dict(sorted(counted.items()))


def _values(column: ColumnEntry) -> list[str]:
    """What a column may hold, the values first."""
    shown = list(column.allowed[:_MOST_VALUES])
    more = len(column.allowed) - len(shown)
    listed = ", ".join(shown) + (f" and {more} more" if more else "")
    return [each for each in (listed, column.limits) if each]


def _marks(column: ColumnEntry) -> list[str]:
    """What else is asked of its values."""
    words = [column.key, "required" if column.required else "", "unique" if column.unique else ""]
    return [each for each in words if each]


def _joined(one: Callable[[Any], str]) -> Callable[..., str]:
    """Several, as each is shown."""
    return lambda each, between=", ": between.join(map(one, each))


def _markdown_link(link: Link) -> str:
    from builder.records.markdown import plain

    if re.fullmatch(_WEB, link.url) is None:
        return f"{plain(link.label)}: {plain(link.url)}"
    return f"<{link.url}>" if link.label == link.url else f"[{plain(link.label)}](<{link.url}>)"


def _hash(text: str) -> str:
    """As a Content Security Policy names a script or a style."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
