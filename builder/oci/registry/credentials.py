"""The logins of this machine: docker's configuration, its credential helpers, and podman's files.

What is found stays in memory; no message repeats it.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError
from builder.oci.canonical import parse_json
from builder.oci.registry.reference import DOCKER_HUB

_HELPER = re.compile(r"[A-Za-z0-9._-]+")
_HELPER_SECONDS = 60
_FILE_LIMIT = 4 << 20
_DOCKER_HUB_KEY = "https://index.docker.io/v1/"
_TOKEN_USER = "<token>"  # noqa: S105 - how helpers and files mark what is no password
_SCHEME = re.compile(r"^https?://")


@dataclass(frozen=True, slots=True)
class Login:
    """What proves to a registry, or to its token service, who one is."""

    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    """To be exchanged for a token (OAuth 2.0 refresh token)."""
    registry_token: str = field(default="", repr=False)
    """To be sent to the registry as it is."""

    @property
    def basic(self) -> str | None:
        """The value of a header for basic authentication, if there is a password."""
        if not self.user or self.identity_token:
            return None
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    @property
    def secrets(self) -> set[str]:
        """What no message may repeat."""
        encoded = (self.basic or "").partition(" ")[2]
        return {self.password, self.identity_token, self.registry_token, encoded} - {""}


class Credentials:
    """Finds the login for a registry. Files are read when they are first needed, and on each call."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def login(self, registry: str, repository: str) -> Login | None:
        """What this machine has for a repository: of REGISTRY_AUTH_FILE, of docker's configuration, of podman's files.

        Raises: EnvbuildError, if a file cannot be read or a helper does not work.
        """
        for path in self._files():
            document = _read(path)
            found = document and self._in_file(document, path, registry, repository)
            if found:
                return found
        return None

    def files(self) -> tuple[Path, ...]:
        """The files with logins that there are.

        Raises: EnvbuildError, if one cannot be read.
        """
        return tuple(path for path in self._files() if _read(path) is not None)

    def _files(self) -> Iterator[Path]:
        variables, home = self._variables, Path(self._variables.get("HOME") or os.path.expanduser("~"))
        if variables.get("REGISTRY_AUTH_FILE"):
            yield Path(variables["REGISTRY_AUTH_FILE"])
        yield Path(variables.get("DOCKER_CONFIG") or home / ".docker") / "config.json"
        if variables.get("XDG_RUNTIME_DIR"):
            yield Path(variables["XDG_RUNTIME_DIR"]) / "containers/auth.json"
        yield Path(variables.get("XDG_CONFIG_HOME") or home / ".config") / "containers/auth.json"

    def _in_file(self, document: Mapping[str, Any], path: Path, registry: str, repository: str) -> Login | None:
        server = _DOCKER_HUB_KEY if registry == DOCKER_HUB else registry
        helpers = _mapping(document, "credHelpers", path)
        helper = helpers.get(server) or helpers.get(registry) or document.get("credsStore")
        if helper:
            found = self._ask(helper, server, path)
            if found:
                return found
        logins = _mapping(document, "auths", path)
        known = {_normal(key): entry for key, entry in logins.items()}
        for key in _keys(registry, repository):
            if isinstance(known.get(key), dict) and (login := _login(known[key], path)):
                return login
        return None

    def _ask(self, helper: Any, server: str, path: Path) -> Login | None:
        """What a credential helper has (docker-credential-helpers, `get`); None if it has nothing."""
        if not isinstance(helper, str) or not _HELPER.fullmatch(helper):
            raise EnvbuildError(f"`{path}` names a credential helper that cannot be one")
        program = f"docker-credential-{helper}"
        try:
            done = subprocess.run(
                [program, "get"], input=server.encode(), capture_output=True, timeout=_HELPER_SECONDS,
                env=dict(self._variables), check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            why = f"it gave no answer in {_HELPER_SECONDS} seconds"
            raise EnvbuildError(f"the credential helper `{program}` does not work", why) from error
        except OSError as error:
            raise EnvbuildError(
                f"the credential helper `{program}` cannot be run",
                error.strerror or type(error).__name__,
                f"`{path}` names it: install it, or take its line out",
            ) from error
        if done.returncode:
            if b"not found" in done.stdout + done.stderr:
                return None
            raise EnvbuildError(f"the credential helper `{program}` failed", f"it exited with {done.returncode}")
        return _helper_login(done.stdout, program)


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        with open(path, "rb") as file:
            data = file.read(_FILE_LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise EnvbuildError(f"the logins in `{path}` cannot be read", error.strerror or str(error)) from error
    if not data.strip():
        return None
    document = parse_json(data[:_FILE_LIMIT], f"`{path}`")
    if not isinstance(document, dict):
        raise EnvbuildError(f"`{path}` is not a JSON object")
    return document


def _mapping(document: Mapping[str, Any], key: str, path: Path) -> Mapping[str, Any]:
    value = document.get(key) or {}
    if not isinstance(value, dict):
        raise EnvbuildError(f"`{key}` in `{path}` is not a JSON object")
    return value


def _normal(key: str) -> str:
    """`https://host/v1/` and `host` mean the same."""
    return re.sub(r"/v[12]/?$", "", _SCHEME.sub("", key)).rstrip("/")


def _keys(registry: str, repository: str) -> Iterator[str]:
    """What may stand for a repository in a file, the nearest first (containers-auth.json(5))."""
    hosts = (registry,) if registry != DOCKER_HUB else (registry, "index.docker.io", "registry-1.docker.io")
    parts = repository.split("/")
    for count in range(len(parts), -1, -1):
        for host in hosts:
            yield "/".join((host, *parts[:count]))


def _login(entry: Mapping[str, Any], path: Path) -> Login | None:
    def text(key: str) -> str:
        value = entry.get(key)
        return value if isinstance(value, str) else ""

    user, password = text("username"), text("password")
    if text("auth"):
        try:
            user, colon, password = base64.b64decode(text("auth"), validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            colon = ""
        if not colon:
            raise EnvbuildError(f"a login in `{path}` is malformed", hint="Log in again with `docker login`")
    login = Login(user, password.rstrip("\0"), text("identitytoken"), text("registrytoken"))
    return login if login.basic or login.identity_token or login.registry_token else None


def _helper_login(data: bytes, program: str) -> Login | None:
    try:
        document = parse_json(data[:_FILE_LIMIT], "its answer")
        user, secret = str(document["Username"]), str(document["Secret"])
    except (EnvbuildError, KeyError, TypeError):
        raise EnvbuildError(f"the credential helper `{program}` gave an answer that cannot be read") from None
    if not secret:
        return None
    return Login(identity_token=secret) if user == _TOKEN_USER else Login(user, secret)
