from __future__ import annotations

import json
from dataclasses import replace

import pytest
from made_subjects import HOSTILE, made_packages

from builder.oci.digest import Digest
from builder.records.licenses import collection
from builder.records.licenses.collection import license_records
from builder.records.packages.listing import Package
from builder.records.packages.stated import LicenseText, Stated

FIRST, SECOND = b"first", b"second text"
BLOBS = {Digest.of(data): data for data in (FIRST, SECOND)}


def text(data: bytes, name: str = "LICENSE") -> LicenseText:
    return LicenseText(name, Digest.of(data), len(data))


def package(name: str, *texts: LicenseText, license_: str = "MIT", words: str = "") -> Package:
    stated = Stated(license_, words, texts)
    return Package("python", name, "1.0", f"pkg:pypi/{name}@1.0", Digest("a" * 64), "", stated)


def records(*packages: Package) -> dict[str, bytes]:
    return {one.path: one.data for one in license_records(packages, lambda text: BLOBS[text.digest])}


def test_each_text_is_there_once_and_named_by_every_package_that_has_it() -> None:
    found = records(package("a", text(FIRST)), package("b", text(FIRST, "COPYING"), text(SECOND)))
    paths = {data: f"licenses/{digest.hex}.txt" for digest, data in BLOBS.items()}
    assert {path: found[path] for path in paths.values()} == {path: data for data, path in paths.items()}
    listed = json.loads(found["licenses.json"])["packages"]
    assert [[one["path"] for one in entry["texts"]] for entry in listed] == [
        [paths[FIRST]], [paths[FIRST], paths[SECOND]],
    ]  # fmt: skip
    assert found["LICENSES.md"].decode().count(paths[FIRST]) == 2


def test_texts_beyond_the_bound_are_named_and_not_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection, "_MOST_BYTES", len(FIRST))
    found = records(package("a", text(FIRST), text(SECOND, "NOTICE")))
    assert len([path for path in found if path.startswith("licenses/")]) == 1
    (entry,) = json.loads(found["licenses.json"])["packages"]
    assert [one["path"] is None for one in entry["texts"]] == [False, True]


def test_an_unknown_licence_is_told_with_the_packages_own_words() -> None:
    page = records(package("a", license_="NOASSERTION", words=HOSTILE))["LICENSES.md"].decode()
    row = next(line for line in page.splitlines() if line.startswith("| a "))
    assert row.startswith("| a | 1.0 | NOASSERTION (\\</text\\>")
    assert "(1 of them)" in page


def test_packages_of_every_kind_are_listed() -> None:
    _, packages = made_packages(conda=True, base=True)
    listed = json.loads(records(*(replace(one, stated=Stated("MIT")) for one in packages))["licenses.json"])["packages"]
    assert [(one["kind"], one["purl"]) for one in listed] == [(one.kind, one.purl) for one in packages]
    assert {one["kind"] for one in listed} == {"base", "interpreter", "conda", "python"}
