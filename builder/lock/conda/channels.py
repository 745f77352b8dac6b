"""Channels: what a name or a URL means, in the one form that a lock keeps on every machine. Pure.

Where a machine asks instead is in `settings`.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit, urlunsplit

from builder.oci.documents import Platform

ALIAS = "https://conda.anaconda.org"
"""Where channels are that are known by name (conda: `channel_alias`)."""
DEFAULTS = ("https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r")
"""What the channel `defaults` means on Linux (conda: `default_channels`)."""
SUBDIRS = {Platform("amd64"): "linux-64", Platform("arm64"): "linux-aarch64"}
"""conda's names of the platforms."""
PLATFORMS = {subdir: platform for platform, subdir in SUBDIRS.items()}

_ANACONDA = "https://repo.anaconda.com/pkgs"
_OF_ANACONDA = frozenset({"free", "main", "msys2", "r"})
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")
_TOKEN = re.compile(r"/t/[^/]*(?=/|$)")
_SUBDIR = re.compile(r"/(?:noarch|(?:linux|osx|win|emscripten|wasi|zos|freebsd)-[a-z0-9]+)$")


class ChannelRefusedError(ValueError):
    """Why a channel is not taken, and what to write instead; holds no credentials."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def channel_urls(text: str) -> tuple[str, ...]:
    """The URLs that a channel of a spec means, without a slash at the end; `defaults` means several.

    Raises: ChannelRefusedError.
    """
    if text == "defaults":
        return DEFAULTS
    if "://" in text or text.startswith("file:"):
        return (_of_url(text),)
    if not _NAME.fullmatch(text):
        raise ChannelRefusedError(
            "it is neither the name nor the URL of a channel", "write `conda-forge`, `https://…` or `file:///…`"
        )
    if text in _OF_ANACONDA:
        return (f"{_ANACONDA}/{text}",)
    if text.startswith("pkgs/"):
        return (f"{_ANACONDA}/{text.removeprefix('pkgs/')}",)
    return (f"{ALIAS}/{text}",)


def place_of(package_url: str) -> tuple[str, str, str]:
    """The URL of the channel, the subdir and the file name of a package's URL.

    Raises: ValueError, if it is of another form.
    """
    parts = urlsplit(package_url)
    channel, _, rest = package_url.rpartition("/")[0].rpartition("/")
    file_name = package_url.rpartition("/")[2]
    if (
        parts.scheme not in ("http", "https", "file")
        or not channel.partition("://")[2]
        or parts.query
        or parts.fragment
    ):
        raise ValueError("it is not the URL of a conda package")
    return channel, rest, file_name


def parts_of(file_name: str) -> tuple[str, str, str]:
    """Name, version and build that the name of a package's file tells.

    Raises: ValueError, if it is of another form.
    """
    match = _FILE.fullmatch(file_name)
    version = unquote(match["version"]) if match else ""
    if match is None or not _VERSION.fullmatch(version):  # it stands in names of files, too
        raise ValueError("it is not the name of a conda package (`NAME-VERSION-BUILD.conda` or `.tar.bz2`)")
    return match["name"], version, match["build"]


_VERSION = re.compile(r"[A-Za-z0-9_.!+~-]+")
_FILE = re.compile(
    r"(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*)-(?P<version>[A-Za-z0-9_.!+%]+)-(?P<build>[A-Za-z0-9_.+]+)"
    r"(?:\.conda|\.tar\.bz2)"
)


def without_token(url: str) -> str:
    """A URL without the token that may be part of its path (`/t/TOKEN/`)."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return url
    return urlunsplit(parts._replace(path=_TOKEN.sub("", parts.path, count=1)))


def _of_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        known = False
        parts = urlsplit("x:")
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/") and ".." not in parts.path.split("/"):
        known = True
    if not known or parts.query or parts.fragment:
        raise ChannelRefusedError("it is not the URL of a channel", "write `https://…` or `file:///…`")
    if "@" in parts.netloc or (parts.scheme != "file" and _TOKEN.search(parts.path)):
        raise ChannelRefusedError(
            "it holds credentials, which do not belong into a file that is shared",
            "put them into netrc, .condarc or RATTLER_AUTH_FILE of each machine",
        )
    path = _SUBDIR.sub("", parts.path.rstrip("/"))
    return urlunsplit(parts._replace(path=path))
