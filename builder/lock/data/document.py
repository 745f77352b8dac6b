"""The data lock, `lock/data.lock.json`: which bytes the data and the model of a project are.

Only what the spec itself does not promise by a hash is in it. Nothing of the machine, the user or the time is.
Reading is strict, as it may come from anywhere; writing leaves the old one or the new.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError, shortened
from builder.lock.data.entry import DataEntry, manifest_digest
from builder.lock.integrity import CHECK, TamperedLockError, check_merged, sealed
from builder.lock.lock_file import check_version, write_lock_file
from builder.oci.canonical import parse_json

DATA_LOCK_VERSION = 1
DATA_LOCK_FILE = "data.lock.json"
_AGAIN = "Restore it from version control, or delete it and lock again with `envbuild lock`"


@dataclass(frozen=True, slots=True)
class DataLock:
    """The entries of a project."""

    data: Mapping[str, DataEntry] = field(default_factory=dict)
    """By the names under `data`."""
    model: DataEntry | None = None

    def __bool__(self) -> bool:
        """Whether anything is locked."""
        return bool(self.data) or self.model is not None

    def places(self) -> Iterator[tuple[str, DataEntry]]:
        """Each entry with where it stands in the spec: `data.train`, `model`; sorted."""
        for name in sorted(self.data):
            yield f"data.{name}", self.data[name]
        if self.model is not None:
            yield "model", self.model

    def get(self, place: str) -> DataEntry | None:
        """The entry that stands there."""
        return self.model if place == "model" else self.data.get(place.removeprefix("data."))

    @classmethod
    def of(cls, entries: Mapping[str, DataEntry]) -> DataLock:
        """From entries by their places."""
        data = {place.removeprefix("data."): entry for place, entry in entries.items() if place != "model"}
        return cls(data, entries.get("model"))

    def to_bytes(self) -> bytes:
        """The readable bytes: sorted, one value or one file of a folder a line, a check in each entry."""
        document: dict[str, Any] = {
            "version": DATA_LOCK_VERSION,
            "data": {name: sealed(entry.to_dict()) for name, entry in self.data.items()},
        }
        if self.model is not None:
            document["model"] = sealed(self.model.to_dict())
        return (_text(document) + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes, what: str) -> DataLock:
        """From the file; `what` is its name in messages.

        Raises: EnvbuildError, if it is no data lock or one of another version; TamperedLockError, if an entry is not
        as it was locked; ConflictedLockError.
        """
        check_merged(data, DATA_LOCK_FILE, what)
        document = parse_json(data, what)
        check_version(document, DATA_LOCK_VERSION, what, _AGAIN)
        found: dict[str, DataEntry] = {}
        edits = []
        try:
            model = document.get("model")
            raw = {f"data.{name}": entry for name, entry in document["data"].items()}
            for place, entry in (raw | ({"model": model} if model is not None else {})).items():
                found[place] = DataEntry.from_dict(entry)
                if entry.get(CHECK) != sealed(entry)[CHECK] or not _belongs_together(found[place]):
                    edits.append(f"`{DATA_LOCK_FILE}`: `{place[:100]}` is not as it was locked")
        except (KeyError, TypeError, ValueError, AttributeError, EnvbuildError) as error:
            why = f"{type(error).__name__}: {error}" if isinstance(error, (KeyError, AttributeError)) else str(error)
            raise EnvbuildError(f"{what} is not as it should be", why, _AGAIN) from error
        if edits:
            raise TamperedLockError(f"{what} was changed by hand", shortened(edits), _AGAIN)
        return cls.of(found)


def read_data_lock(folder: Path) -> DataLock | None:
    """The data lock in a project's folder `lock`, None where there is none.

    Raises: as `DataLock.from_bytes`.
    """
    data = read_bytes(folder)
    return None if data is None else DataLock.from_bytes(data, f"the data lock in `{folder}`")


def read_bytes(folder: Path) -> bytes | None:
    """The data lock's bytes as they are on disk, None where there is none. Raises: EnvbuildError."""
    try:
        return (folder / DATA_LOCK_FILE).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EnvbuildError(f"`{folder / DATA_LOCK_FILE}` cannot be read", error.strerror or str(error)) from error


def write_data_lock(folder: Path, lock: DataLock) -> bool:
    """Make the file what `lock` says, no file where it is empty; whether anything changed."""
    return write_lock_file(folder / DATA_LOCK_FILE, lock.to_bytes() if lock else None)


def _belongs_together(entry: DataEntry) -> bool:
    if entry.kind == "file":
        return entry.size is not None
    return manifest_digest(entry.files) == entry.digest and sum(file.size for file in entry.files) == entry.size


def _text(value: Any, indent: str = "") -> str:
    """JSON in which each member of a mapping and each element of its lists has a line."""
    if isinstance(value, Mapping) and value:
        inner = indent + "  "
        members = (f"{inner}{_line(name)}: {_text(element, inner)}" for name, element in sorted(value.items()))
        return "{\n" + ",\n".join(members) + f"\n{indent}}}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"{indent}  {_line(element)}" for element in value) + f"\n{indent}]"
    return _line(value)


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
