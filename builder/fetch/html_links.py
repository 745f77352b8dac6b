"""The anchors of an HTML page, read in one pass whose time grows with the page's length alone.

The standard library's parser takes the square of it for pages that are made to. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape

_MARKUP = re.compile(r"<(?:(?P<comment>!--)|(?P<doctype>!doctype\s++html)|(?P<tag>[a-z][^\s/>]*+))", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"""[\s/]*+(?:(?P<end>>)|(?P<name>[^\s/>=][^\s/>=]*+)(?:\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s>"'][^\s>]*+)))?|=)"""
)
_TEXT_ENDS = {name: re.compile(rf"</{name}", re.IGNORECASE) for name in ("script", "style", "textarea", "title", "xmp")}
"""Of elements in which there is no markup."""


@dataclass(frozen=True, slots=True)
class Links:
    """What a page has of links."""

    is_html: bool
    """Whether there is any markup at all."""
    base: str | None
    """What the first `base` says."""
    anchors: tuple[Mapping[str, str], ...]
    """The attributes of each anchor that leads somewhere; names in lower case, values without references."""


def read_links(text: str) -> Links:
    """The links of a page; what is cut off at its end is none."""
    is_html, base, anchors, position = False, None, list[Mapping[str, str]](), 0
    while markup := _MARKUP.search(text, position):
        position = markup.end()
        if markup["comment"]:
            end = text.find("-->", position)
            position = end + 3 if end >= 0 else len(text)
            continue
        is_html = True
        if markup["doctype"]:
            continue
        name = markup["tag"].lower()
        found, position = _attributes(text, position)
        if name == "a" and found.get("href"):
            anchors.append(found)
        elif name == "base" and base is None:
            base = found.get("href")
        elif name in _TEXT_ENDS:
            end_tag = _TEXT_ENDS[name].search(text, position)
            position = end_tag.end() if end_tag else len(text)
    return Links(is_html, base, tuple(anchors))


def _attributes(text: str, position: int) -> tuple[dict[str, str], int]:
    """Those of a tag from behind its name on, and where it ends; none of a tag that does not end."""
    found: dict[str, str] = {}
    while match := _ATTRIBUTE.match(text, position):
        position = match.end()
        if match["end"]:
            return found, position
        if match["name"]:
            found[match["name"].lower()] = unescape(match[3] or match[4] or match[5] or "")
    return {}, len(text)
