"""Data that are given to a run instead of those of its bundle, held to the contract that is in the bundle."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from builder.bundle.parts.tables import named_file
from builder.bundle.reading.reader import document_file
from builder.errors import EnvbuildError
from builder.image.kept import read_image
from builder.lock.data.hashing import walk
from builder.run.interface import LocalImage


def check_given(image: LocalImage, document: Mapping[str, Any], given: Mapping[str, Path], now: datetime) -> None:
    """Hold files and folders, by the name of the data that they stand for, to the contracts of a bundle.

    `document` is its `bundle.json`. What is not there, or has no contract, is not looked at.

    Raises: CheckFailedError, if they break it; NotMeasuredError, if a rule could not be evaluated; EnvbuildError, if
        they, or the contract, cannot be read.
    """
    known: Mapping[str, Any] = document.get("data", {})
    for name, path in given.items():
        entry = known.get(name, {})
        if entry.get("contract") and path.exists():
            _check(image, name, entry, path, now)


def _check(image: LocalImage, name: str, entry: Mapping[str, Any], path: Path, now: datetime) -> None:
    from builder.data.check import check_contract
    from builder.data.contract.read import read_contract

    place, table = str(entry["contract"]), str(entry.get("table"))
    data = document_file(image.store, read_image(image.store, image.descriptor), place)
    if data is None:
        raise EnvbuildError(f"the bundle has no `/bundle/{place}`", f"it is the contract of its data `{name}`")
    with TemporaryDirectory(prefix="envbuild-given-") as folder:
        contract = Path(folder, "contract" + posixpath.splitext(place)[1])
        contract.write_bytes(data)
        files = list(_files(path, entry, Path(folder)))
        report = check_contract(read_contract(contract), {table: files}, now)
    try:
        report.check()
    except EnvbuildError as error:
        what = f"`{path}` is not what the bundle promises of its data `{name}`"
        raise type(error)(what, error.why, "Give other data, or `--no-check`, which is recorded") from error


def _files(path: Path, entry: Mapping[str, Any], folder: Path) -> Iterator[Path]:
    """The files, under names that say what they are: their own, or that of what they stand for."""
    if path.is_dir():
        yield from (path / file.path for file in walk(path) if not posixpath.basename(file.path).startswith(("_", ".")))
        return
    urls = [urlsplit(str(url)).path for url in entry.get("urls") or ()]
    names = [posixpath.basename(name) for name in filter(None, (entry.get("local"), *urls))]
    yield path.absolute() if path.suffix or not names else named_file(path.absolute(), names[0], folder)
