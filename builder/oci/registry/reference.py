"""The name of an image in a registry, read as docker reads it (distribution/reference). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from builder.errors import EnvbuildError
from builder.oci.digest import Digest

DOCKER_HUB = "docker.io"
_DOCKER_HUB_API = "registry-1.docker.io"
_PLAIN_HTTP = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Hosts that are spoken to without TLS."""

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::\d{{1,5}})?")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_LONGEST = 255


@dataclass(frozen=True, slots=True)
class Reference:
    """Where an image is, and which one."""

    registry: str
    """`host` or `host:port`."""
    repository: str
    tag: str | None
    digest: Digest | None
    """Says more than a tag, where both are given."""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read `[registry/]repository[:tag][@sha256:…]`.

        The registry is Docker Hub unless the first part has a dot or a port or is `localhost`; the tag is `latest`
        where neither tag nor digest is given.

        Raises: EnvbuildError, saying what is wrong with it.
        """
        reference = cls.parse_place(text)
        named = reference.tag is not None or reference.digest is not None
        return reference if named else replace(reference, tag="latest")

    @classmethod
    def parse_place(cls, text: str) -> Reference:
        """As `parse`, but with neither tag nor digest where neither is given."""
        name, at, digest = text.partition("@")
        if at and not digest.startswith("sha256:"):
            why = "behind `@` stands a digest, `sha256:` and 64 hexadecimal digits; a login has no place in a name"
            raise EnvbuildError(f"`…@{text.rpartition('@')[2][:_LONGEST]}` is not the name of an image", why, _FORM)
        name, tag = _tag_of(name)
        registry, repository = _registry_of(name)
        for pattern, part, what in (
            (_HOST, registry, "the registry"),
            (_REPOSITORY, repository, "the repository"),
            (_TAG, "latest" if tag is None else tag, "the tag"),
        ):
            if not pattern.fullmatch(part) or len(part) > _LONGEST:
                raise EnvbuildError(f"`{text[:_LONGEST]}` is not the name of an image", _wrong(part, what), _FORM)
        return cls(registry, repository, tag, Digest.parse(digest) if at else None)

    def below(self, name: str) -> Reference:
        """The repository `name` below this one, with the same tag. Raises: EnvbuildError, if it cannot be one."""
        tag = f":{self.tag}" if self.tag else ""
        return Reference.parse_place(f"{self.registry}/{self.repository}/{name}{tag}")

    @property
    def selector(self) -> str:
        """What names the manifest in a registry's API: the digest, else the tag."""
        return str(self.digest or self.tag)

    @property
    def url(self) -> str:
        """Where the repository is in its registry's API."""
        host = _DOCKER_HUB_API if self.registry == DOCKER_HUB else self.registry
        scheme = "http" if re.sub(r":\d+$", "", host).lower() in _PLAIN_HTTP else "https"
        return f"{scheme}://{host}/v2/{self.repository}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"


def is_tag(text: str) -> bool:
    """Whether an image can have this tag."""
    return _TAG.fullmatch(text) is not None


_FORM = "A form like `registry.example/team/base:1.2` or `python:3.11-slim` is expected"


def _tag_of(name: str) -> tuple[str, str | None]:
    """A colon before the last slash belongs to a port."""
    path, slash, last = name.rpartition("/")
    last, colon, tag = last.partition(":")
    return f"{path}{slash}{last}", tag if colon else None


def _registry_of(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if not slash or not (set(".:") & set(first) or first == "localhost" or first != first.lower()):
        registry, repository = DOCKER_HUB, name
    else:
        registry, repository = DOCKER_HUB if first == f"index.{DOCKER_HUB}" else first, rest
    if registry == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    return registry, repository


def _wrong(part: str, what: str) -> str:
    if not part:
        return f"{what} is missing"
    if len(part) > _LONGEST:
        return f"{what} is longer than {_LONGEST} characters"
    letters = "; it is written in lower case" if part.lower() != part and what == "the repository" else ""
    return f"{what} cannot be `{part}`{letters}"
