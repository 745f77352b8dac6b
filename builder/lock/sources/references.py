"""Direct references among requirements: URLs of files with their hash, and version-control URLs at a commit. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from builder.lock.sources.repository import shown_text

VCS = ("git", "hg", "svn", "bzr")
SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_WHEEL = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)(-\d[^-]*)?-[^-]+-[^-]+-[^-]+\.whl")
_SDIST = re.compile(r"(?P<name>.+)-(?P<version>[^-]+)\.(?:tar\.gz|zip|tar\.bz2|tar\.xz|tgz)")
ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
"""How files end that packages come in."""


class ReferenceRefusedError(ValueError):
    """Why a reference is not taken, and what to write instead."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Reference:
    """A requirement that says where its file is."""

    name: str
    url: str
    """Without fragment."""
    extras: str = ""
    """As written, `[a,b]`."""
    marker: str = ""
    sha256: str = ""
    subdirectory: str = ""
    is_vcs: bool = False

    @property
    def version(self) -> str:
        """What the name of the file tells, or nothing."""
        match = _match(_file_name(self.url))
        return match["version"] if match else ""

    def __str__(self) -> str:
        """A requirement (PEP 508)."""
        parts = [f"sha256={self.sha256}" if self.sha256 else "", f"subdirectory={self.subdirectory}"]
        fragment = "&".join(part for part in parts if part.partition("=")[2])
        marker = f" ; {self.marker}" if self.marker else ""
        return f"{self.name}{self.extras} @ {self.url}{'#' if fragment else ''}{fragment}{marker}"


def reference(name: str, url: str, hashes: tuple[str, ...] = (), extras: str = "", marker: str = "") -> Reference:
    """The reference that a URL means; `name` may be empty where the URL tells it, `hashes` are of `--hash` options.

    Raises: ReferenceRefusedError.
    """
    parts = _split(url)
    fragment = {key: values[0] for key, values in parse_qs(parts.fragment).items()}
    subdirectory = fragment.get("subdirectory", "")
    if subdirectory.startswith("/") or ".." in subdirectory.split("/"):
        raise ReferenceRefusedError("its subdirectory leads out of the project", "write a path inside of it")
    plain = url.partition("#")[0]
    if not name and fragment.get("egg"):
        name, _, given = fragment["egg"].partition("[")
        extras = extras or (f"[{given}" if given else "")
    if parts.scheme.partition("+")[0] in VCS:
        return Reference(name, _checkout(name, plain), extras, marker, "", subdirectory, is_vcs=True)
    sha256 = _digest({*hashes, f"sha256:{fragment.get('sha256', '')}"})
    return Reference(_name_of(name, plain), plain, extras, marker, sha256, subdirectory)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ReferenceRefusedError(f"its URL cannot be read: {error}", "write `name @ URL#sha256=…`") from error
    if parts.netloc.rpartition("@")[0] not in ("", "git"):
        raise ReferenceRefusedError(
            "its URL holds credentials, which do not belong into a file that is shared",
            "put them into netrc, keyring or the environment",
        )
    if parts.query:
        raise ReferenceRefusedError(
            "its URL has a query, which may hold a token", "write the URL without what follows `?`"
        )
    scheme = parts.scheme.partition("+")[0]
    if scheme not in ("http", "https", "file", *VCS):
        raise ReferenceRefusedError(f"`{shown_text(scheme)}:` is not taken", "use `https:`, `file:` or `git+https:`")
    return parts


def _name_of(name: str, url: str) -> str:
    file_name = _file_name(url)
    if not file_name.endswith(ARCHIVES):
        raise ReferenceRefusedError(
            "it is neither a wheel nor an archive",
            "a project's own code is packed by `code:` in envbuild.yaml; another project is built to a wheel first",
        )
    match = _match(file_name)
    if not name and match is None:
        raise ReferenceRefusedError("its URL does not tell the name of the package", "write `name @ URL#sha256=…`")
    return name or (match["name"] if match else "")


def _digest(hashes: set[str]) -> str:
    digests = {text.removeprefix("sha256:").lower() for text in hashes if text.startswith("sha256:")} - {""}
    digest = digests.pop() if len(digests) == 1 else ""
    if not SHA256.fullmatch(digest):
        raise ReferenceRefusedError(
            "a direct URL needs its hash", "write `name @ URL#sha256=…` (`sha256sum FILE` prints it)"
        )
    return digest


def _checkout(name: str, url: str) -> str:
    """The URL of a commit."""
    parts = urlsplit(url)
    system = parts.scheme.partition("+")[0]
    if system != "git":
        raise ReferenceRefusedError(f"`{system}` is not taken", "of version control, git alone is")
    project, _, revision = url.rpartition("@") if "@" in parts.path else (url, "", "")
    if not _COMMIT.fullmatch(revision.lower()):
        raise ReferenceRefusedError(
            "it is not pinned to a commit: a branch or tag may move",
            f"write `{name or 'name'} @ {shown_text(project)}@<40 hexadecimal digits>` (`git ls-remote` prints them)",
        )
    pinned = f"{project}@{revision.lower()}"
    if not name:
        raise ReferenceRefusedError("the name of the package is not told", f"write `name @ {shown_text(pinned)}`")
    return pinned


def _file_name(url: str) -> str:
    return unquote(urlsplit(url).path.rpartition("/")[2])


def _match(file_name: str) -> re.Match[str] | None:
    return _WHEEL.fullmatch(file_name) or _SDIST.fullmatch(file_name)
