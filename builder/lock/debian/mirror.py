"""Where Debian's repositories are fetched from, when that is not their own place. Pure.

A mirror decides where bytes come from and nothing else: what is locked names the repositories' own URLs.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from builder.errors import EnvbuildError
from builder.lock.debian.suites import DEBIAN, SECURITY, Repository


@dataclass(frozen=True, slots=True, repr=False)
class Mirror:
    """The root URLs that stand in for those of Debian. May hold a user name and a password, so it has no `repr`."""

    debian: str = DEBIAN.url
    security: str = SECURITY.url

    @classmethod
    def parse(cls, text: str | None) -> Mirror:
        """Read `URL` or `URL SECURITY_URL`; with one, security updates are at its sibling `debian-security`.

        Raises: EnvbuildError, if it is of another form.
        """
        urls = [url.rstrip("/") for url in (text or "").split()]
        if not urls:
            return cls()
        if len(urls) > 2 or not all(map(_is_root, urls)):
            raise EnvbuildError(
                "The Debian mirror is not usable",
                "one URL is expected, or two with a space between them (Debian's, and that of its security updates)",
                "Give a form such as `http://mirror.example/debian`",
            )
        return cls(urls[0], urls[1] if len(urls) == 2 else urls[0].rpartition("/")[0] + "/debian-security")

    def root(self, repository: Repository) -> str:
        """Where `repository` is fetched from, without a slash at the end."""
        return self.security if repository is SECURITY else self.debian

    def locate(self, url: str) -> str:
        """Where a file of a repository, given by the repository's own URL, is fetched from; others as they are."""
        for repository in (DEBIAN, SECURITY):
            if url.startswith(repository.url + "/"):
                return self.root(repository) + url.removeprefix(repository.url)
        return url

    def redact(self, text: str) -> str:
        """`text` without the user names and passwords of the mirror."""
        for url in (self.debian, self.security):
            parts = urlsplit(url)
            userinfo, at, _ = parts.netloc.rpartition("@")
            if at:
                text = text.replace(userinfo + at, "").replace(unquote(userinfo) + at, "")
            if parts.password:
                text = text.replace(parts.password, "***").replace(unquote(parts.password), "***")
        return text


def _is_root(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return bool(
        parts.scheme in ("http", "https") and parts.hostname and parts.path and not parts.query + parts.fragment
    )
