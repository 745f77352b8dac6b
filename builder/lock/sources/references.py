"""Direct references among requirements: URLs of files with their hash, and version-control URLs at a commit. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

VCS = ("git", "hg", "svn", "bzr")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_WHEEL = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)(-\d[^-]*)?-[^-]+-[^-]+-[^-]+\.whl")
_SDIST = re.compile(r"(?P<name>.+)-(?P<version>[^-]+)\.(?:tar\.gz|zip|tar\.bz2|tar\.xz|tgz)")
_ARCHIVE = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


class ReferenceProblem(ValueError):
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

    def __str__(self) -> str:
        """A requirement (PEP 508)."""
        parts = [f"sha256={self.sha256}" if self.sha256 else "", f"subdirectory={self.subdirectory}"]
        fragment = "&".join(part for part in parts if part.partition("=")[2])
        marker = f" ; {self.marker}" if self.marker else ""
        return f"{self.name}{self.extras} @ {self.url}{'#' if fragment else ''}{fragment}{marker}"


def reference(name: str, url: str, hashes: tuple[str, ...] = (), extras: str = "", marker: str = "") -> Reference:
    """The reference that a URL means; `name` may be empty where the URL tells it, `hashes` are of `--hash` options.

    Raises: ReferenceProblem.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc and not parts.netloc.startswith("git@"):
        raise ReferenceProblem(
            "its URL holds credentials, which do not belong into a file that is shared",
            "put them into netrc, keyring or the environment",
        )
    fragment = {key: values[0] for key, values in parse_qs(parts.fragment).items()}
    plain = urlunsplit(parts._replace(fragment=""))
    system = parts.scheme.partition("+")[0]
    if system in VCS:
        return _checkout(name or fragment.get("egg", ""), plain, fragment.get("subdirectory", ""), extras, marker)
    if parts.scheme not in ("http", "https", "file"):
        raise ReferenceProblem(f"`{parts.scheme}:` is not taken", "use `https:`, `file:` or `git+https:`")
    return _file(name, plain, fragment, hashes, extras, marker)


def _file(
    name: str, url: str, fragment: dict[str, str], hashes: tuple[str, ...], extras: str, marker: str
) -> Reference:
    file_name = unquote(urlsplit(url).path.rpartition("/")[2])
    if not file_name.endswith(_ARCHIVE):
        raise ReferenceProblem(
            "it is neither a wheel nor an archive",
            "a project's own code is packed by `code:` in envbuild.yaml; another project is built to a wheel first",
        )
    digests = {text.removeprefix("sha256:") for text in hashes if text.startswith("sha256:")}
    if fragment.get("sha256"):
        digests.add(fragment["sha256"])
    if len(digests) != 1 or not re.fullmatch(r"[0-9a-f]{64}", next(iter(digests))):
        raise ReferenceProblem(
            "a direct URL needs its hash", "write `name @ URL#sha256=…` (`sha256sum FILE` prints it)"
        )
    match = _WHEEL.fullmatch(file_name) or _SDIST.fullmatch(file_name)
    if not name and not fragment.get("egg") and match is None:
        raise ReferenceProblem("its URL does not tell the name of the package", "write `name @ URL#sha256=…`")
    known = name or fragment.get("egg") or (match["name"] if match else "")
    return Reference(known, url, extras, marker, digests.pop(), fragment.get("subdirectory", ""))


def _checkout(name: str, url: str, subdirectory: str, extras: str, marker: str) -> Reference:
    system = urlsplit(url).scheme.partition("+")[0]
    if system != "git":
        raise ReferenceProblem(f"`{system}` is not taken", "of version control, git alone is")
    place, _, revision = url.rpartition("@")
    if not place or "/" in revision or not _COMMIT.fullmatch(revision):
        base = place if place and "/" not in revision else url
        raise ReferenceProblem(
            "it is not pinned to a commit: a branch or tag may move",
            f"write `{base}@<40 hexadecimal digits>` (`git ls-remote` prints them)",
        )
    if not name:
        raise ReferenceProblem("the name of the package is not told", f"write `name @ {url}`")
    name, _, given = name.partition("[")
    return Reference(name, url, extras or (f"[{given}" if given else ""), marker, "", subdirectory, is_vcs=True)
