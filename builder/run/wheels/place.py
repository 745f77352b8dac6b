"""A team's place for wheels that were built from source: `<base>/<sha256>/<file name>`, on any web server or disk.

Nothing there is trusted: a wheel is what its digest in the lock says, or it is refused.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from builder.errors import DigestMismatchError, EnvbuildError
from builder.fetch import Fetcher, MissingDocumentError, Source
from builder.lock.artifact import Wheel
from builder.oci.layout import CHUNK, replacing
from builder.oci.store import BUILT_WHEELS, Store


@dataclass(frozen=True, slots=True)
class Filled:
    """What became of the wheels that a place was to have."""

    written: int
    there: int
    """Those that were there before."""


def take_wheel(wheel: Wheel, fetcher: Fetcher, say: Callable[[str], None]) -> bool:
    """Fetch a wheel that was built from the place that this machine has for such; whether it was there.

    A place that does not answer is told to `say`: the wheel can still be built.

    Raises: DigestMismatchError, if other bytes are there under its name.
    """
    base = fetcher.mirrors.built_wheels
    if base is None or fetcher.offline:
        return False
    name = f"{wheel.name} {wheel.version}"
    try:
        fetcher.blob(Source(wheel.digest, wheel.size, (base + _path(wheel),), f"{name} (built)"))
    except MissingDocumentError:
        return False
    except DigestMismatchError as error:
        raise DigestMismatchError(
            f"the wheel of {name} at `{base}` is not the one that was locked",
            error.why,
            "Delete it there and see who can write there; `ENVBUILD_WHEELS` names the place",
        ) from error
    except EnvbuildError as error:
        say(f"the wheel of {name} cannot be had from `{base}` ({'; '.join(error.why) or error.what})")
        return False
    _remember(wheel, fetcher.store)
    return True


def fill_place(wheels: Iterable[Wheel], store: Store, folder: Path) -> Filled:
    """Write built wheels of the store to `folder`, each whole or not at all. Those that are there stay.

    Raises: EnvbuildError, if the folder cannot be written; DigestMismatchError, if the store's file is damaged.
    """
    written, there = 0, 0
    for wheel in sorted({wheel.digest: wheel for wheel in wheels}.values()):
        target = folder / wheel.digest.hex / wheel.file_name
        try:
            if _digest(target) == wheel.digest.hex:
                there += 1
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(store, wheel, target)
        except OSError as error:
            raise EnvbuildError(f"`{folder}` cannot be filled", f"{error.filename}: {error.strerror}") from error
        written += 1
    return Filled(written, there)


def _path(wheel: Wheel) -> str:
    return f"{wheel.digest.hex}/{quote(wheel.file_name, safe='')}"


def _remember(wheel: Wheel, store: Store) -> None:
    """Cleaning the store keeps what records name: it may be that no machine can build this wheel again."""
    record = {"file": wheel.file_name, "digest": str(wheel.digest), "size": wheel.size}
    store.keep_record(BUILT_WHEELS, f"taken-{wheel.digest.hex}", {**record, "name": f"{wheel.name} {wheel.version}"})


def _digest(path: Path) -> str | None:
    """Of the file that is there; None if there is none. A link is never followed."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def _copy(store: Store, wheel: Wheel, target: Path) -> None:
    checksum = hashlib.sha256()
    with store.open(wheel.digest) as source, replacing(target) as file:
        while chunk := source.read(CHUNK):
            checksum.update(chunk)
            file.write(chunk)
        if checksum.hexdigest() != wheel.digest.hex:
            raise DigestMismatchError(
                f"the wheel of {wheel.name} {wheel.version} in the store is damaged",
                f"its sha256 is {checksum.hexdigest()}, where {wheel.digest.hex} is expected",
                f"Delete `{store.path(wheel.digest)}`, and try again",
            )
