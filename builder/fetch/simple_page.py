"""One project's page of a simple index, JSON (PEP 691, 700) or HTML (PEP 503, 592, 658), as it was sent. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from builder.fetch.html_links import read_links

ACCEPTED = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
"""The media types that are understood."""
PAGE_LIMIT = 64 << 20
"""Bytes of the longest page that is read."""
_MOST_FILES = 200_000
_SHA256 = re.compile(r"[0-9a-f]{64}")


class PageError(ValueError):
    """A page is not what the standards say; the text says why."""


@dataclass(frozen=True, slots=True)
class PageFile:
    """What a page tells of one file."""

    name: str
    url: str
    """Absolute, without fragment."""
    sha256: str | None
    """In hexadecimal."""
    size: int | None = None
    """In bytes."""
    uploaded: str | None = None
    """When, as in RFC 3339."""
    yanked: bool = False
    requires_python: str = ""
    """A version specifier (PEP 440)."""
    metadata: str | None = None
    """The SHA-256 of the metadata that stands beside the file."""


def parse_page(data: bytes, url: str) -> tuple[PageFile, ...]:
    """The files that the page at `url` lists, in its order.

    Raises: PageError, if it is not such a page.
    """
    try:
        read = _of_json(data, url) if data.lstrip()[:1] == b"{" else _of_html(data, url)
        return tuple(read)
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise error if isinstance(error, PageError) else PageError(f"{type(error).__name__}: {error}"[:200]) from error


def _of_json(data: bytes, url: str) -> Iterator[PageFile]:
    document = json.loads(data)
    version = str(document.get("meta", {}).get("api-version", "1.0"))
    if version.partition(".")[0] != "1":
        raise PageError(f"it is of version {version[:20]} of the format, and 1 is known")
    files = document["files"]
    _check_count(len(files))
    for entry in files:
        yield PageFile(
            str(entry["filename"]),
            _absolute(url, str(entry["url"])),
            _digest(entry.get("hashes")),
            entry["size"] if type(entry.get("size")) is int and entry["size"] >= 0 else None,
            entry["upload-time"] if isinstance(entry.get("upload-time"), str) else None,
            entry.get("yanked", False) is not False,
            str(entry.get("requires-python") or ""),
            _digest(entry.get("core-metadata", entry.get("dist-info-metadata"))),
        )


def _of_html(data: bytes, url: str) -> Iterator[PageFile]:
    links = read_links(data.decode("utf-8", "replace"))
    if not links.is_html:
        raise PageError("it is neither JSON nor HTML")
    _check_count(len(links.anchors))
    base = urljoin(url, links.base or "")
    for anchor in links.anchors:
        link, fragment = urldefrag(_absolute(base, anchor["href"]))
        beside = anchor.get("data-core-metadata", anchor.get("data-dist-info-metadata", ""))
        yield PageFile(
            unquote(urlsplit(link).path.rpartition("/")[2]),
            link,
            _digest_of_text(fragment),
            yanked="data-yanked" in anchor,
            requires_python=anchor.get("data-requires-python", ""),
            metadata=_digest_of_text(beside),
        )


def _absolute(page: str, link: str) -> str:
    """The URL that a link of a page means. A page that was fetched must not lead to files of this machine."""
    url = urljoin(page, link.strip())
    scheme = urlsplit(url).scheme
    if scheme not in ("http", "https") and scheme != urlsplit(page).scheme:
        raise PageError(f"it links to a `{scheme[:20]}:` URL")
    return url


def _digest(hashes: object) -> str | None:
    value = hashes.get("sha256") if isinstance(hashes, Mapping) else None
    return _checked(value) if isinstance(value, str) else None


def _digest_of_text(text: str) -> str | None:
    """Of `sha256=…`, which may be one of several parts."""
    part = next((part for part in text.split("&") if part.startswith("sha256=")), None)
    return _checked(part.removeprefix("sha256=")) if part else None


def _checked(value: Any) -> str | None:
    lower = str(value).lower()
    return lower if _SHA256.fullmatch(lower) else None


def _check_count(count: int) -> None:
    if count > _MOST_FILES:
        raise PageError(f"it lists more than {_MOST_FILES} files")
