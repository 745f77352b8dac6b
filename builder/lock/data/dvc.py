"""Pointers of DVC (`train.csv.dvc`): what they stand for, and where it is: in the working tree, cache or remote.

Only the layout of files is read (https://dvc.org/doc/user-guide/project-structure); DVC itself is not needed.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.errors import DigestMismatchError, EnvbuildError
from builder.lock.data.entry import LockedFile, Pointer, check_manifest, check_md5, check_path
from builder.lock.data.hashing import shown
from builder.lock.data.local import check_inside
from builder.oci.digest import Digest
from builder.oci.layout import CHUNK
from builder.spec.yaml_events import yaml_events, yaml_loader

_SIZE_LIMIT = 1 << 18
_DEPTH_LIMIT = 50
_LISTING_LIMIT = 256 << 20
_SCHEMES = {"azure": "az", "gcs": "gs", "gs": "gs", "s3": "s3", "http": "http", "https": "https", "az": "az"}
"""What DVC calls the schemes of remotes, and what they are called here."""


@dataclass(frozen=True, slots=True)
class DvcFile:
    """What a pointer says, and where its repository is."""

    pointer: Pointer
    path: Path
    """Where it belongs in the working tree."""
    repository: Path
    """The folder that holds `.dvc`."""
    remote: str | None
    """The name of a remote of its own."""
    legacy: bool
    """Written by a DVC before 3, which hashes text as if its lines ended in `\\n`, and has another layout."""

    @property
    def is_folder(self) -> bool:
        """Whether it stands for a folder."""
        return self.pointer.md5.endswith(".dir")


def read_pointer(url: str, folder: Path) -> DvcFile:
    """The pointer at `url`, a path in the project's `folder`.

    Raises: EnvbuildError, if it is not one, or leads out of the project.
    """
    file = folder / url
    try:
        check_inside(file, folder)
        with open(file, "rb") as stream:
            document = _yaml(stream.read(_SIZE_LIMIT + 1))
        outs = document["outs"]
        if not isinstance(outs, list):
            raise ValueError("its `outs` is no list")
        if len(outs) != 1:
            raise ValueError(f"it stands for {len(outs)} outputs, where one is expected")
        (out,) = outs
        if "md5" not in out:
            raise ValueError("it has no `md5`; other digests are not read")
        if not isinstance(out["path"], str):
            raise ValueError("its `path` is no text")
        start = posixpath.join(posixpath.dirname(url), str(document.get("wdir", ".")))
        below = posixpath.normpath(posixpath.join(start, out["path"]))
        pointer = Pointer(check_path(below), check_md5(str(out["md5"])))
    except OSError as error:
        raise EnvbuildError(f"`{shown(file)}` cannot be read", error.strerror or str(error)) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        why = f"`{error.args[0]}` is missing" if isinstance(error, KeyError) else str(error)
        raise EnvbuildError(f"`{shown(file)}` is no pointer of DVC that can be taken", why) from error
    repository = next((parent for parent in file.absolute().parents if (parent / ".dvc").is_dir()), folder.absolute())
    remote = out.get("remote")
    return DvcFile(pointer, folder / below, repository, remote and str(remote), out.get("hash") != "md5")


def verify(file: DvcFile, files: tuple[LockedFile, ...] | None) -> None:
    """Compare the working tree with its pointer; `files` are those of a folder.

    Raises: DigestMismatchError, if it is something else.
    """
    if files is None:
        ok = file.pointer.md5 in md5_of(file.path, legacy=file.legacy)
    else:
        choices = [[*md5_of(file.path / one.path, legacy=file.legacy)] for one in files]
        paths = [one.path for one in files]
        ok = any(
            _listing_md5(paths, [choice[min(number, len(choice) - 1)] for choice in choices]) == file.pointer.md5
            for number in range(2 if file.legacy else 1)
        )
    if not ok:
        raise DigestMismatchError(
            f"`{shown(file.path)}` is not what its pointer stands for",
            f"its MD5 is not {file.pointer.md5}",
            "Run `dvc commit` to take what is there, or `dvc checkout` to have what was",
        )


def md5_of(path: Path, *, legacy: bool) -> tuple[str, ...]:
    """The MD5 of a file, which DVC identifies it by; before DVC 3, of a text with other line ends too."""
    raw, text, kept = _md5(), _md5(), b""
    try:
        with open(path, "rb", buffering=0) as stream:
            while data := stream.read(CHUNK):
                raw.update(data)
                if legacy:
                    data = kept + data
                    kept = b"\r" if data.endswith(b"\r") else b""
                    text.update(data.removesuffix(b"\r").replace(b"\r\n", b"\n"))
    except OSError as error:
        raise EnvbuildError(f"`{shown(path)}` cannot be read", error.strerror or str(error)) from error
    text.update(kept)
    return (raw.hexdigest(), text.hexdigest()) if legacy else (raw.hexdigest(),)


def listing(data: bytes, md5: str) -> dict[str, str]:
    """The MD5 of each file of a folder by path, from DVC's own list of it.

    Raises: EnvbuildError, if it is not that list, or leads out of the folder.
    """
    if len(data) > _LISTING_LIMIT or f"{_md5(data).hexdigest()}.dir" != md5:
        raise DigestMismatchError(f"the list of files `{md5}` has another MD5")
    try:
        rows = sorted((check_path(row["relpath"]), check_md5(row["md5"])) for row in json.loads(data))
        check_manifest([LockedFile(path, Digest("0" * 64), 0) for path, _ in rows])
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise EnvbuildError(f"the list of files `{md5}` cannot be taken", str(error)) from error
    return dict(rows)


def object_places(file: DvcFile, md5: str) -> Iterator[str]:
    """Where an object of DVC may be: paths of the cache, then of the remote, then its URL."""
    objects = [f"{md5[:2]}/{md5[2:]}"]
    objects.insert(len(objects) if file.legacy else 0, f"files/md5/{objects[0]}")
    remote = remote_url(file)
    for place in (str(file.repository / ".dvc/cache"), *([remote] if remote else [])):
        yield from (f"{place}/{one}" for one in objects)


def remote_url(file: DvcFile) -> str | None:
    """The remote of a repository: a URL without credentials, or an absolute path; None if it has none.

    Raises: EnvbuildError, if it is of a kind that is not read.
    """
    import configparser

    config = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        config.read(file.repository / ".dvc/config", "utf-8")
    except (OSError, configparser.Error, UnicodeDecodeError) as error:
        raise EnvbuildError(f"`{shown(file.repository / '.dvc/config')}` cannot be read", str(error)) from error
    name = file.remote or config.get("core", "remote", fallback=None)
    section = next((f for f in (f"'remote \"{name}\"'", f'remote "{name}"') if config.has_section(f)), None)
    url = config.get(section, "url", fallback=None) if section else None
    if name is None or url is None:
        return None
    scheme, separator, rest = url.rstrip("/").partition("://")
    if not separator:
        return os.path.normpath(file.repository / ".dvc" / url)
    if scheme not in _SCHEMES:
        raise EnvbuildError(f"the remote `{name}` of DVC is of the kind `{scheme}`, which is not read")
    return f"{_SCHEMES[scheme]}://{re.sub(r'^[^/@]*@', '', rest)}"


def _listing_md5(paths: list[str], digests: list[str]) -> str:
    rows = [{"md5": digest, "relpath": path} for path, digest in sorted(zip(paths, digests, strict=True))]
    return f"{_md5(json.dumps(rows, sort_keys=True).encode()).hexdigest()}.dir"


def _yaml(data: bytes) -> Any:
    import yaml

    if len(data) > _SIZE_LIMIT:
        raise ValueError(f"it is larger than {_SIZE_LIMIT} bytes")
    try:
        for event in yaml_events(data, _DEPTH_LIMIT):
            if isinstance(event, yaml.AliasEvent):  # a merge of merges of aliases grows beyond all memory
                raise ValueError("an alias (`*name`) is not taken")
        return yaml.load(data, Loader=yaml_loader())  # noqa: S506 - it is the safe one
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"it is not YAML: {error}") from error


def _md5(data: bytes = b"") -> hashlib._Hash:
    return hashlib.md5(data, usedforsecurity=False)
