"""Conda packages that are locked already: nothing is solved; what their lock does not tell is asked of channels.

Where a channel does not answer, the packages themselves are fetched and read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Protocol

from builder.errors import DigestMismatchError, EnvbuildError
from builder.fetch import Fetcher
from builder.lock.artifact import CondaPackage
from builder.lock.conda.channels import SUBDIRS, parts_of, place_of
from builder.lock.conda.package_file import completed, fetched, md5_of, read_index
from builder.lock.conda.records import UNKNOWN, package_of, with_dependencies
from builder.lock.interface import CondaPin
from builder.oci.digest import Digest
from builder.oci.documents import Platform

_PARALLEL = 8


class KnowsRecords(Protocol):
    """What is needed of `CondaSolver`."""

    def records(self, wanted: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """What channels tell of names."""


def take_pins(
    pins: Mapping[Platform, tuple[CondaPin, ...]], solver: KnowsRecords, fetcher: Fetcher
) -> dict[Platform, tuple[CondaPackage, ...]]:
    """The packages by platform, sorted by name.

    Raises: EnvbuildError, if one cannot be had; DigestMismatchError, if it is another one.
    """
    told = _told(dict.fromkeys(pin for listed in pins.values() for pin in listed), solver)
    result: dict[Platform, tuple[CondaPackage, ...]] = {}
    known: dict[CondaPin, CondaPackage] = {}
    for platform, listed in pins.items():
        missing = [pin for pin in listed if pin not in known]
        with ThreadPoolExecutor(_PARALLEL) as pool:
            found = pool.map(lambda pin: _package(pin, told.get(pin.url), fetcher), missing)
            known.update(zip(missing, found, strict=True))
        packages = with_dependencies(known[pin] for pin in listed)
        wrong = next((each for each in packages if each.subdir not in (SUBDIRS[platform], "noarch")), None)
        if wrong:
            raise EnvbuildError(f"`{wrong.file_name}` is not for {platform}")
        result[platform] = packages
    return result


def _told(pins: Iterable[CondaPin], solver: KnowsRecords) -> dict[str, Mapping[str, Any]]:
    """What channels tell of the packages, by URL; nothing of those that do not answer."""
    places: dict[tuple[str, str], set[str]] = {}
    for pin in pins:
        channel, subdir, file_name = place_of(pin.url)
        places.setdefault((channel, subdir), set()).add(parts_of(file_name)[0].lower())
    wanted = [
        {"channel": channel, "subdir": subdir, "names": sorted(names)}
        for (channel, subdir), names in sorted(places.items())
    ]
    answers = solver.records(wanted) if wanted else []
    return {
        str(record.get("url")): record
        for answer in answers
        for record in answer.get("records", ())
        if isinstance(record, dict)
    }


def _package(pin: CondaPin, record: Mapping[str, Any] | None, fetcher: Fetcher) -> CondaPackage:
    channel, subdir, file_name = place_of(pin.url)
    if record is None:
        try:
            digest, path = fetched(pin.url, pin.md5, pin.sha256, fetcher)
        except DigestMismatchError:
            raise
        except EnvbuildError as error:
            raise EnvbuildError(
                f"{pin.place}: `{file_name}` cannot be had", (error.what, *error.why), error.hint
            ) from None
        facts = {"sha256": digest.hex, "md5": md5_of(path), "size": path.stat().st_size}
        index = {**read_index(path, file_name), **facts, "url": pin.url, "fn": file_name, "channel": channel}
        return package_of(index, (subdir,))
    package = package_of(record, (subdir,))
    _check(pin, package)
    whole = replace(
        package,
        md5=package.md5 or pin.md5 or "",
        digest=Digest(pin.sha256) if pin.sha256 and package.digest == UNKNOWN else package.digest,
    )
    return completed([whole], fetcher)[0]


def _check(pin: CondaPin, package: CondaPackage) -> None:
    """That the channel has what was locked."""
    sha256 = None if package.digest == UNKNOWN else package.digest.hex
    for name, locked, here in (("sha256", pin.sha256, sha256), ("md5", pin.md5, package.md5 or None)):
        if locked and here and locked != here:
            raise DigestMismatchError(
                f"{pin.place}: `{package.file_name}` is not the file that was locked",
                f"its {name} is {here} in the channel, and {locked} in the lock",
            )
