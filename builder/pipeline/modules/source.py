"""Where a module is, as `uses` says it. Pure."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from builder.errors import EnvbuildError
from builder.fetch.redaction import without_credentials_in
from builder.lock.pypi.checkout import Checkout

_GIT, _OCI = "git+", "oci://"


@dataclass(frozen=True, slots=True)
class Source:
    """A place of a module."""

    kind: Literal["path", "git", "oci"]
    place: str
    """A normal path in the project; `git+URL@COMMIT`; `oci://HOST/NAME@sha256:…`."""
    folder: str = ""
    """The module's folder in it, where it is not all of it."""

    @classmethod
    def parse(cls, uses: str) -> Source:
        """Raises: EnvbuildError, if it is of no form that is taken, names no commit or digest, or holds a password."""
        place, _, fragment = uses.partition("#")
        folder = _folder(unquote(fragment).removeprefix("subdirectory="), uses)
        if uses.startswith(_GIT):
            return cls("git", Checkout.parse(place).url, folder)
        if uses.startswith(_OCI):
            return cls("oci", _pinned(place), folder)
        if "://" in uses:
            raise EnvbuildError(
                f"`{without_credentials_in(uses)}` is no place of a module",
                hint="Write a path in the project, `git+https://…@COMMIT#FOLDER`, or `oci://HOST/NAME@sha256:…`",
            )
        path = posixpath.normpath(uses)
        if path.startswith("/") or path.split("/")[0] == ".." or "\0" in path:
            why = "what is outside has its own history: use it from git, by commit, or from a registry, by digest"
            raise EnvbuildError(f"the module `{uses}` is not inside the project", why)
        return cls("path", path)

    @property
    def pin(self) -> str:
        """As records name it."""
        return f"{self.place}#{self.folder}" if self.folder else self.place


def _pinned(place: str) -> str:
    from builder.oci.registry.reference import Reference

    reference = Reference.parse(place.removeprefix(_OCI))
    if reference.digest is None:
        hint = "Name it by its digest, which `envbuild push` prints: `oci://HOST/NAME@sha256:…`"
        raise EnvbuildError(f"`{place}` is not pinned to a digest", "tags move", hint)
    return f"{_OCI}{reference.registry}/{reference.repository}@{reference.digest}"


def _folder(fragment: str, uses: str) -> str:
    folder = posixpath.normpath(fragment) if fragment else ""
    if folder.startswith("/") or folder.split("/")[0] == ".." or "\0" in folder:
        raise EnvbuildError(f"the folder of `{without_credentials_in(uses)}` is not inside it")
    return "" if folder == "." else folder
