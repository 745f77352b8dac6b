"""Commits of git repositories as requirements name them (PEP 440, direct references). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

from builder.errors import EnvbuildError
from builder.fetch.redaction import without_credentials_in

SCHEMES = ("https", "http", "ssh", "file")
"""How a repository can be reached."""
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True, slots=True)
class Checkout:
    """One commit of a repository, as a requirement names it."""

    repository: str
    """The URL that git gets; no password in it."""
    commit: str
    """In full, in hexadecimal."""
    subdirectory: str = ""
    """Where the project is."""

    @property
    def url(self) -> str:
        """As a lock names it, without the folder."""
        return f"git+{self.repository}@{self.commit}"

    @property
    def name(self) -> str:
        """What the folder in the archive is called."""
        last = re.sub(r"[^A-Za-z0-9._-]", "-", unquote(self.repository).rstrip("/").rpartition("/")[2])
        return f"{last.removesuffix('.git').lstrip('.-') or 'checkout'}-{self.commit[:12]}"

    @classmethod
    def parse(cls, url: str) -> Checkout:
        """From `git+https://…@<commit>`, perhaps with `#subdirectory=…`.

        Raises: EnvbuildError, if it is of another form, or holds a password.
        """
        shown = without_credentials_in(url)
        bare, _, fragment = url.partition("#")
        place, at, commit = bare.rpartition("@")
        if "/" in commit or not at:
            place, commit = bare, ""
        parts = urlsplit(place.removeprefix("git+"))
        if not place.startswith("git+") or parts.scheme not in SCHEMES:
            raise EnvbuildError(f"`{shown}` cannot be taken", hint="Write `git+https://…@<commit>`")
        if not _COMMIT.fullmatch(commit):
            raise EnvbuildError(
                f"`{shown}` is not pinned to a commit", "branches and tags move", "Name the commit in full, 40 digits"
            )
        user, _, host = parts.netloc.rpartition("@")
        if ":" in user or (user and parts.scheme != "ssh"):
            raise EnvbuildError(
                f"`{shown}` holds credentials", "they would be in the lock", "Keep them in `~/.netrc`, or use `git+ssh`"
            )
        if (not host and parts.scheme != "file") or host.startswith("-") or user.startswith("-") or parts.query:
            raise EnvbuildError(f"`{shown}` cannot be taken", hint="Write `git+https://…@<commit>`")
        settings = dict(item.partition("=")[::2] for item in fragment.split("&"))
        return cls(urlunsplit(parts), commit, _folder(unquote(settings.get("subdirectory", "")), shown))


def _folder(path: str, shown: str) -> str:
    parts = [part for part in path.strip("/").split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts or "\0" in path:
        raise EnvbuildError(f"the subdirectory of `{shown}` is not inside the repository", f"it is `{path}`")
    return "/".join(parts)
