"""Bills of materials, judged by the library of the standard."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from made_locks import AMD64, ARM64
from made_subjects import HOSTILE, made_packages, made_subject
from packageurl import PackageURL

from builder.lock.document import Lock
from builder.records.packages.listing import Package
from builder.records.sbom import sbom
from builder.records.subject import Subject

VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)


def bill(subject: Subject, lock: Lock, packages: tuple[Package, ...]) -> dict[str, Any]:
    data = sbom(subject, lock, AMD64, packages).data
    assert VALIDATOR.validate_str(data.decode()) is None
    document: dict[str, Any] = json.loads(data)
    return document


def by_ref(document: dict[str, Any]) -> dict[str, Any]:
    return {one["bom-ref"]: one for one in document["components"]}


@pytest.mark.parametrize("conda", [True, False], ids=["conda", "no-conda"])
@pytest.mark.parametrize("base", [True, False], ids=["base", "suite"])
@pytest.mark.parametrize("model", [True, False], ids=["model", "no-model"])
def test_a_bill_of_any_bundle_is_valid_and_whole(conda: bool, base: bool, model: bool) -> None:
    lock, packages = made_packages(conda=conda, base=base)
    subject = made_subject() if model else made_subject(model=(), datasets=())
    document = bill(subject, lock, packages)
    components = by_ref(document)
    kinds = {component.get("purl", component["type"]).partition("/")[0] for component in components.values()}
    expected = {"pkg:pypi", "pkg:generic"} | ({"pkg:oci"} if base else {"pkg:deb", "operating-system"})
    assert kinds == expected | ({"pkg:conda"} if conda else set()) | (
        {"machine-learning-model", "data"} if model else set()
    )
    refs = {entry["ref"]: entry.get("dependsOn", []) for entry in document["dependencies"]}
    assert refs.keys() == components.keys() | {"bundle"}
    assert {needed for needs in refs.values() for needed in needs} <= refs.keys()
    for component in components.values():
        if "purl" in component:
            assert PackageURL.from_string(component["purl"]).version == component["version"]
            assert component["hashes"][0]["alg"] == "SHA-256"


def test_everything_can_be_reached_from_the_bundle() -> None:
    lock, packages = made_packages(conda=True)
    document = bill(made_subject(), lock, packages)
    needs = {entry["ref"]: entry.get("dependsOn", []) for entry in document["dependencies"]}
    reached, waiting = set(), ["bundle"]
    while waiting:
        ref = waiting.pop()
        if ref not in reached:
            reached.add(ref)
            waiting += needs[ref]
    assert reached == needs.keys()


def test_the_release_of_debian_is_named_for_scanners() -> None:
    lock, packages = made_packages()
    system = by_ref(bill(made_subject(), lock, packages))["system"]
    assert (system["type"], system["name"], system["version"]) == ("operating-system", "debian", "12")


def test_model_and_data_say_what_they_are() -> None:
    lock, packages = made_packages()
    components = by_ref(bill(made_subject(), lock, packages))
    model = components["model"]
    assert model["modelCard"]["modelParameters"] == {
        "modelArchitecture": "bert",
        "datasets": [{"ref": "data/folder"}, {"ref": "data/penguins"}, {"ref": "data/remote"}],
    }
    assert model["modelCard"]["considerations"] == {"technicalLimitations": ["Not for people under 18."]}
    assert [part["name"] for part in model["components"]] == ["model.safetensors", "scaler.joblib"]
    assert {"name": "envbuild:parameters", "value": "5"} in model["components"][0]["properties"]
    assert components["data/penguins"]["licenses"] == [{"expression": "CC0-1.0", "acknowledgement": "declared"}]
    assert components["data/remote"]["licenses"] == [{"license": {"name": "our own", "acknowledgement": "declared"}}]
    assert components["data/remote"]["data"][0]["contents"]["url"] == "https://example.com/d.parquet?version=2"


def test_a_model_of_one_file_has_its_hash() -> None:
    lock, packages = made_packages()
    subject = made_subject()
    one = by_ref(bill(replace(subject, model=subject.model[:1]), lock, packages))["model"]
    assert one["hashes"] == [{"alg": "SHA-256", "content": "4" * 64}]


def test_an_unknown_licence_is_told_in_the_packages_own_words() -> None:
    lock, packages = made_packages(license_="NOASSERTION")
    component = by_ref(bill(made_subject(), lock, packages))[packages[0].purl]
    assert component["licenses"] == [{"license": {"name": "words", "acknowledgement": "declared"}}]


def test_equal_bundles_have_equal_bills_and_others_other_numbers() -> None:
    lock, packages = made_packages()
    first = sbom(made_subject(), lock, AMD64, packages)
    assert first == sbom(made_subject(), lock, AMD64, packages)
    others = [
        sbom(made_subject(version="1.1"), lock, AMD64, packages),
        sbom(made_subject(), lock, ARM64, packages),
        sbom(made_subject(), lock, AMD64, packages[1:]),
    ]
    numbers = {json.loads(one.data)["serialNumber"] for one in (first, *others)}
    assert len(numbers) == 4
    assert "timestamp" not in first.data.decode()


def test_whatever_people_write_is_a_valid_bill() -> None:
    lock, packages = made_packages()
    subject = made_subject(description=HOSTILE, license=HOSTILE, contacts=(HOSTILE,), limits=(HOSTILE,))
    datasets = tuple(
        replace(one, description=HOSTILE, license=HOSTILE, place=f"s3://b/{HOSTILE}") for one in subject.datasets
    )
    bill(replace(subject, datasets=datasets), lock, packages)
