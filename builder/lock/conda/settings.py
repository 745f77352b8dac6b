"""Where this machine asks for channels, and who it is there: `.condarc`, environment variables, an auth file.

A lock keeps the channels' own URLs; what is read here stays on the machine. Values in `.condarc` may name
environment variables, as conda has it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from builder.errors import EnvbuildError
from builder.fetch import Mirrors
from builder.fetch.access import Login
from builder.fetch.mirrors import is_folder
from builder.lock.conda.channels import ALIAS, DEFAULTS, ChannelRefusedError, channel_urls

_SIZE_LIMIT = 1 << 20
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_AUTH_FILE = "~/.rattler/credentials.json"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a host is told of who asks."""

    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    bearer: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    """Of anaconda.org and servers like it: part of the path, `/t/TOKEN/`."""

    @property
    def header(self) -> str | None:
        """The value of an Authorization header."""
        import base64

        if self.bearer:
            return f"Bearer {self.bearer}"
        if self.user or self.password:
            return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown."""
        return tuple(filter(None, (self.password, self.bearer, self.token)))


@dataclass(frozen=True, slots=True)
class CondaSettings:
    """What one machine knows of channels."""

    mirrors: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Pairs of a folder's URL and what stands for it here, both with a slash at the end; the longest folder first.
    What stands for it may hold a token. Of several for one folder the first is asked first."""
    places: tuple[tuple[str, Credentials], ...] = field(default=(), repr=False)
    """URLs below which credentials are good; the longest first."""

    def candidates(self, url: str) -> tuple[str, ...]:
        """What to ask for `url`, best first."""
        folder = next((prefix for prefix, _ in self.mirrors if url.startswith(prefix)), None)
        if folder is None:
            return (url,)
        return tuple(other + url.removeprefix(folder) for prefix, other in self.mirrors if prefix == folder)

    def header(self, url: str) -> str | None:
        """The Authorization header for `url`."""
        return next((known.header for place, known in self.places if known.header and url.startswith(place)), None)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown."""
        return tuple({secret for _, known in self.places for secret in known.secrets})


def read_settings(variables: Mapping[str, str]) -> CondaSettings:
    """What this machine knows, from its files and variables.

    Raises: EnvbuildError, if a file cannot be read; the message holds none of its values.
    """
    found = _Found(variables)
    found.auth_file()
    settings: dict[str, Any] = {}
    for path in _condarc_files(variables):
        settings |= _read_yaml(path)
    alias = variables.get("CONDA_CHANNEL_ALIAS") or settings.get("channel_alias")
    if alias:
        found.mirror(f"{ALIAS}/", str(alias))
    defaults = (
        variables.get("CONDA_DEFAULT_CHANNELS", "").split(",") if variables.get("CONDA_DEFAULT_CHANNELS") else None
    )
    for url in defaults or settings.get("default_channels") or ():
        found.default_channel(str(url))
    for name, url in _mapping(settings, "custom_channels"):
        found.mirror(_folder_of(name), f"{str(url).rstrip('/')}/{name}")
    for name, urls in _mapping(settings, "mirrored_channels"):
        for url in urls if isinstance(urls, list) else [urls]:
            found.mirror(_folder_of(name), str(url))
    return found.settings()


def with_channels(mirrors: Mirrors, settings: CondaSettings) -> Mirrors:
    """The mirrors of a machine, with where it asks for the packages of channels."""
    access = mirrors.access
    for place, known in settings.places:
        if known.header:
            access = access.with_place(_without_path_of_token(place), _Known(known.user, known.password, known.header))
    return replace(mirrors, prefixes=(*mirrors.prefixes, *settings.mirrors), access=access)


def _without_path_of_token(url: str) -> str:
    """A URL that may be shown: of one with a token, only the host."""
    return url.partition("/t/")[0] + "/" if "/t/" in url else url


@dataclass(frozen=True, slots=True)
class _Known(Login):
    """A login that may be told in another way."""

    value: str = field(default="", repr=False)

    @property
    def header(self) -> str:
        """The value of an Authorization header."""
        return self.value


@dataclass(slots=True)
class _Found:
    variables: Mapping[str, str]
    mirrors: list[tuple[str, str]] = field(default_factory=list)
    places: list[tuple[str, Credentials]] = field(default_factory=list)

    def settings(self) -> CondaSettings:
        mirrors = [(folder, self._with_token(url)) for folder, url in self.mirrors]
        mirrors += self._token_folders({folder for folder, _ in mirrors})
        by_length = sorted(dict.fromkeys(mirrors), key=lambda pair: -len(pair[0]))
        places = sorted(dict.fromkeys(self.places), key=lambda pair: -len(pair[0]))
        return CondaSettings(tuple(pair for pair in by_length if pair[0] != pair[1]), tuple(places))

    def mirror(self, folder: str, text: str) -> None:
        """Ask `text` for what is below `folder`."""
        url = self._expanded(text)
        if not is_folder(url):
            raise EnvbuildError(
                "a channel in the conda settings of this machine has no usable URL",
                f"for `{folder}`, a form such as `https://mirror.example/channel` is expected",
            )
        parts = urlsplit(url)
        login, _, host = parts.netloc.rpartition("@")
        bare = urlunsplit(parts._replace(netloc=host)).rstrip("/") + "/"
        token = re.search(r"/t/([^/]+)/", parts.path + "/")
        user, _, password = login.partition(":")
        if login or token:
            known = Credentials(unquote(user), unquote(password), token=token[1] if token else "")
            self.places.insert(0, (bare, known))
        self.mirrors.append((folder, bare))

    def default_channel(self, text: str) -> None:
        """A channel that is meant by `defaults`: it stands for the one of the same name."""
        name = urlsplit(self._expanded(text)).path.rstrip("/").rpartition("/")[2]
        for url in DEFAULTS:
            if url.endswith(f"/{name}"):
                self.mirror(f"{url}/", text)

    def auth_file(self) -> None:
        """Rattler's own file of credentials by host."""
        path = self.variables.get("RATTLER_AUTH_FILE") or os.path.expanduser(_AUTH_FILE)
        data = _read(Path(path), must=bool(self.variables.get("RATTLER_AUTH_FILE")))
        if data is None:
            return
        try:
            for host, entry in json.loads(data).items():
                known = _of_entry(entry)
                if known and not host.startswith("*"):
                    hosts = [host] if "://" in host else [f"https://{host}", f"http://{host}"]
                    self.places += [(f"{url.rstrip('/')}/", known) for url in hosts]
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise EnvbuildError(f"`{path}` is not a file of credentials for conda channels") from error

    def _with_token(self, url: str) -> str:
        known = next((known for place, known in self.places if known.token and url.startswith(place)), None)
        if known is None or "/t/" in url:
            return url
        parts = urlsplit(url)
        return urlunsplit(parts._replace(path=f"/t/{known.token}{parts.path}"))

    def _token_folders(self, taken: set[str]) -> Iterator[tuple[str, str]]:
        """Hosts whose tokens the auth file knows, where nothing else stands for them."""
        for place, known in self.places:
            if known.token and "/t/" not in place and place not in taken:
                yield place, self._with_token(place)

    def _expanded(self, text: str) -> str:
        return _VARIABLE.sub(lambda match: self.variables.get(match[1] or match[2], ""), text)


def _of_entry(entry: Any) -> Credentials | None:
    if "BasicHTTP" in entry:
        return Credentials(str(entry["BasicHTTP"]["username"]), str(entry["BasicHTTP"]["password"]))
    if "BearerToken" in entry:
        return Credentials(bearer=str(entry["BearerToken"]))
    return Credentials(token=str(entry["CondaToken"])) if "CondaToken" in entry else None


def _folder_of(name: str) -> str:
    try:
        return channel_urls(name)[0] + "/"
    except ChannelRefusedError as error:
        raise EnvbuildError("the conda settings of this machine name a channel that is none", str(error)) from error


def _mapping(settings: Mapping[str, Any], key: str) -> list[tuple[str, Any]]:
    value = settings.get(key)
    return [(str(name), entry) for name, entry in value.items()] if isinstance(value, dict) else []


def _condarc_files(variables: Mapping[str, str]) -> list[Path]:
    """Where conda looks, what decides last at the end."""
    home = os.path.expanduser("~")
    config = variables.get("XDG_CONFIG_HOME") or f"{home}/.config"
    places = ["/etc/conda/.condarc", "/etc/conda/condarc", f"{config}/conda/.condarc", f"{home}/.conda/.condarc"]
    places += [f"{home}/.condarc", variables.get("CONDARC", "")]
    return [Path(place) for place in places if place and os.path.isfile(place)]


def _read_yaml(path: Path) -> dict[str, Any]:
    import yaml

    data = _read(path, must=True) or b""
    try:
        value = yaml.load(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 (it is a safe one)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise EnvbuildError(f"`{place}` is not YAML") from error
    return value if isinstance(value, dict) else {}


def _read(path: Path, must: bool) -> bytes | None:
    try:
        with open(path, "rb") as file:
            data = file.read(_SIZE_LIMIT + 1)
    except OSError as error:
        if not must:
            return None
        raise EnvbuildError(f"`{path}` cannot be read", error.strerror or str(error)) from error
    if len(data) > _SIZE_LIMIT:
        raise EnvbuildError(f"`{path}` is larger than {_SIZE_LIMIT} bytes")
    return data
