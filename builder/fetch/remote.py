"""Object stores and model hubs, read through fsspec: opened like any other URL, and listed.

Owns which library reads which scheme and what its errors mean. Credentials come from each store's usual chain at
the time of reading; none is kept, and none is in a message.
"""

from __future__ import annotations

import functools
import importlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from builder.fetch.failure import InterruptedTransferError, TransportError
from builder.fetch.redaction import without_secrets_in

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

    from builder.fetch.body import Body

T = TypeVar("T")

_BLOCK = 8 << 20
"""Bytes to ask for at a time."""
_SECRETS = re.compile(r"SECRET|TOKEN|PASSWORD|CONNECTION_STRING|ACCOUNT_KEY|ACCESS_KEY|CREDENTIAL|SAS")
"""Names of environment variables whose values no message may repeat."""
_SHORTEST_SECRET = 4


@dataclass(frozen=True, slots=True)
class _Library:
    """What reads a scheme."""

    module: str
    extra: str
    """Of envbuild's own distribution."""
    protocol: str
    """As fsspec calls it."""
    options: Mapping[str, Any] = field(default_factory=dict)
    anonymous: Mapping[str, Any] | None = None
    """Options for reading what is public, tried where no credentials are found."""
    hint: str = ""
    endpoint: str | None = None
    """An environment variable with the URL of the service, where the library reads it only when it is imported."""


_S3 = _Library(
    "s3fs", "s3", "s3", {"use_listings_cache": False}, {"anon": True}, "credentials are found as by the AWS tools"
)
_GS = _Library("gcsfs", "gs", "gs", {"use_listings_cache": False}, {"token": "anon"}, "run `gcloud auth login`")
_AZURE = _Library(
    "adlfs", "azure", "abfs", {"use_listings_cache": False}, None,
    "set `AZURE_STORAGE_CONNECTION_STRING`, or `AZURE_STORAGE_ACCOUNT_NAME` and log in with `az login`",
)  # fmt: skip
_HUB = _Library("huggingface_hub", "hf", "hf", {"use_listings_cache": False}, None, "set `HF_TOKEN`", "HF_ENDPOINT")
_LIBRARIES = {"s3": _S3, "gs": _GS, "gcs": _GS, "az": _AZURE, "abfs": _AZURE, "abfss": _AZURE, "hf": _HUB}


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a listing."""

    url: str
    path: str
    """Below what was listed."""
    size: int | None


def reads(scheme: str) -> bool:
    """Whether URLs of this scheme are read here."""
    return scheme in _LIBRARIES


def open_remote(url: str, offset: int) -> Iterator[Body]:
    """The bytes of a file from `offset` on, once.

    Raises: TransportError.
    """
    with _asked(url, _opened) as file:
        yield _RemoteBody(url, file, offset)


def list_remote(url: str) -> tuple[RemoteFile, ...] | None:
    """The files of a folder, sorted by path; None if `url` is a file.

    Raises: TransportError, if it is neither.
    """
    return _asked(url, lambda system, path: _listing(system, path, url))


def pinned_revision(url: str, kind: str, repository: str, revision: str | None) -> str:
    """The commit that a revision of a hub's repository stands for now; without one, the default branch's.

    `kind` is `dataset`, `model` or `space`. Raises: TransportError.
    """

    def ask(system: AbstractFileSystem, _: str) -> str:
        api = system._api  # noqa: SLF001 - the client with this file system's endpoint and token
        return str(api.repo_info(repository, repo_type=kind, revision=revision).sha)

    return _asked(url, ask)


def _opened(system: AbstractFileSystem, path: str) -> BinaryIO:
    """The file at `path`, also where it came after the file system had listed its folder."""
    read = functools.partial(system.open, path, "rb", block_size=_BLOCK, cache_type="readahead")
    try:
        return cast("BinaryIO", read())
    except FileNotFoundError:
        system.invalidate_cache()
        return cast("BinaryIO", read())


def _listing(system: AbstractFileSystem, path: str, url: str) -> tuple[RemoteFile, ...] | None:
    system.invalidate_cache()  # some keep what they listed before, although they were told not to
    if not url.endswith("/") and system.info(path)["type"] == "file":
        return None
    root = path.rstrip("/")
    found = []
    for name, info in system.find(path, detail=True).items():
        below = name.removeprefix(root).lstrip("/") if name.startswith(root + "/") else ""
        if below and not name.endswith("/"):  # what ends with a slash stands for a folder
            found.append(RemoteFile(f"{url.rstrip('/')}/{below}", below, info.get("size")))
    if not found:
        raise FileNotFoundError(path)
    return tuple(sorted(found, key=lambda file: file.path))


def _asked(url: str, ask: Callable[[AbstractFileSystem, str], T]) -> T:
    """What `ask` gets of the file system of `url` and the path there; without credentials where none are found."""
    library = _LIBRARIES[url.partition("://")[0]]
    try:
        importlib.import_module(library.module)
        import fsspec.core
    except ImportError as error:
        needed = f"`{url.partition(':')[0]}:` needs a library that is not installed"
        raise TransportError(f"{needed}: `pip install 'envbuild[{library.extra}]'`") from error
    endpoint = os.environ.get(library.endpoint) if library.endpoint else None
    given = {**library.options, **({"endpoint": endpoint} if endpoint else {})}
    for options in ({}, library.anonymous):
        try:
            known = f"{library.protocol}://{url.partition('://')[2]}"
            system, path = fsspec.core.url_to_fs(known, **given, **(options or {}))
            return ask(system, path)
        except Exception as error:
            if not (options == {} and library.anonymous and _lacks_credentials(error)):
                raise _as_transport_error(error, library) from error
    raise AssertionError


def _lacks_credentials(error: BaseException) -> bool:
    return any("Credential" in type(one).__name__ for one in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


class _RemoteBody:
    def __init__(self, url: str, file: BinaryIO, offset: int) -> None:
        self._library = _LIBRARIES[url.partition("://")[0]]
        self._file = file
        self.offset = offset
        self.size: int | None = getattr(file, "size", None)
        if offset:
            file.seek(offset)

    def read(self, amount: int) -> bytes:
        try:
            return self._file.read(amount)
        except Exception as error:
            raise _as_transport_error(error, self._library, interrupted=True) from error


def _as_transport_error(error: Exception, library: _Library, *, interrupted: bool = False) -> Exception:
    """What a library raised, as one of two errors, with a text that holds no secret."""
    if isinstance(error, TransportError):
        return error
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, FileNotFoundError) or status == 404:
        return TransportError("there is no such file or folder", 404)
    if isinstance(error, PermissionError) or status in (401, 403) or _lacks_credentials(error):
        return TransportError(f"access is refused; {library.hint}")
    kind = InterruptedTransferError if interrupted else TransportError
    return kind(public_reason(error, os.environ))


def public_reason(error: Exception, variables: Mapping[str, str]) -> str:
    """The first line of what an error says, without secrets in URLs and without values of secret variables."""
    text = without_secrets_in(next(iter(str(error).strip().splitlines()), "")[:300])
    for name, value in variables.items():
        if len(value) >= _SHORTEST_SECRET and _SECRETS.search(name.upper()):
            text = text.replace(value, "…")
    return f"{type(error).__name__}: {text}".rstrip(": ")
