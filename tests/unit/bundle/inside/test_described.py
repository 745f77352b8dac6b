from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from made_locks import AMD64
from made_subjects import made_packages, made_subject

from builder.bundle.inside.described import license_notes, package_records
from builder.errors import CheckFailedError, DigestMismatchError
from builder.oci.store import Store
from builder.records.packages.stated import LicenseText, Stated
from builder.spec import Project
from builder.spec.project import Licenses


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.create()
    return store


def test_packages_are_told_with_their_texts(store: Store) -> None:
    lock, packages = made_packages()
    text = LicenseText("LICENSE", store.write(b"words"), 5)
    told = [replace(one, stated=Stated("MIT", "", (text,))) for one in packages]
    records = {one.path: one.data for one in package_records(made_subject(), lock, AMD64, told, store)}
    assert records[f"licenses/{text.digest.hex}.txt"] == b"words"
    assert records.keys() >= {"sbom.cdx.json", "licenses.json", "LICENSES.md"}


def test_a_text_that_was_changed_in_the_store_is_not_packed(store: Store) -> None:
    lock, packages = made_packages()
    text = LicenseText("LICENSE", store.write(b"words"), 5)
    path = store.path(text.digest)
    path.chmod(0o644)
    path.write_bytes(b"other")
    told = [replace(packages[0], stated=Stated("MIT", "", (text,)))]
    with pytest.raises(DigestMismatchError):
        list(package_records(made_subject(), lock, AMD64, told, store))


def test_the_rules_of_a_project_hold_on_each_platform() -> None:
    _, packages = made_packages(license_="GPL-3.0-only")
    denying = Project(".", licenses=Licenses(deny=("GPL-*",)))
    with pytest.raises(CheckFailedError, match="not accepted"):
        license_notes(denying, {AMD64: packages})
    assert license_notes(Project("."), {AMD64: packages}) == ()


def test_what_is_not_known_is_told_by_name() -> None:
    _, packages = made_packages(license_="NOASSERTION")
    (note,) = license_notes(Project(".", licenses=Licenses(deny=("GPL-*",))), {AMD64: packages})
    assert "libc6" in note
    assert "not held to `licenses.deny`" in note
