"""Provenance: what in-toto's own library makes of it, and that it tells nothing of the machine."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.json_format import Parse
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage
from made_locks import AMD64, ARM64, made_deb, made_lock, made_wheel

from builder.lock.artifact import Build, Sdist
from builder.oci.digest import Digest
from builder.records.in_toto import unsigned
from builder.records.provenance import LOCAL_BUILDER, Builder, Checkout, Made, Material, provenance
from builder.spec import Environment

LOCK = made_lock(Environment("3.11"), [made_wheel("numpy", "2.0"), made_wheel("idna")], [made_deb("libc6", "2.36")])
MADE = Made(
    {"penguins:1.0": Digest.of(b"index"), "penguins:1.0 linux/amd64": Digest.of(b"image")},
    LOCK,
    (AMD64, ARM64),
    Digest.of(b"spec"),
    ("penguins",),
    (Material("code", Digest.of(b"code")), Material("data penguins", Digest.of(b"data"), "https://data.example/p.csv")),
    Checkout("a" * 40, clean=True, url="https://git.example/team/penguins"),
    Builder("https://ci.example/runner", "1.2.3"),
)


def document(made: Made = MADE) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(unsigned(provenance(made)).data)
    return found


def dependencies(made: Made = MADE) -> dict[str, dict[str, Any]]:
    listed = document(made)["predicate"]["buildDefinition"]["resolvedDependencies"]
    found = {one["name"]: one for one in listed}
    assert len(found) == len(listed)
    return found


SPARSE = replace(MADE, checkout=None, builder=Builder(LOCAL_BUILDER, "", "2026-01-01T00:00:00Z"))


@pytest.mark.parametrize("made", [MADE, SPARSE], ids=["full", "sparse"])
def test_in_totos_own_library_reads_it(made: Made) -> None:
    data = unsigned(provenance(made)).data
    Statement.copy_from_pb(Parse(data, StatementMessage())).validate()
    read = Parse(json.dumps(document(made)["predicate"]), Provenance())
    for one in read.build_definition.resolved_dependencies:
        ResourceDescriptor.copy_from_pb(one).validate()
    assert read.run_details.builder.id == made.builder.id
    assert read.build_definition.build_type.startswith("https://")
    assert dict(read.build_definition.external_parameters) == {
        "lock": str(LOCK.digest),
        "spec": str(made.spec),
        "platforms": ["linux/amd64", "linux/arm64"],
        "packed": ["penguins"],
    }


def test_every_locked_file_is_told_once_with_its_place_and_hash() -> None:
    found = dependencies()
    for wheel in LOCK.wheels[AMD64]:
        told = {"name": f"{wheel.name} {wheel.version}", "uri": wheel.url, "digest": {"sha256": wheel.digest.hex}}
        assert found[told["name"]] == told
    assert found["libc6 2.36"]["uri"] == "http://deb.example/libc6_2.36_amd64.deb"
    assert found["data penguins"]["digest"] == {"sha256": Digest.of(b"data").hex}
    assert set(found) == {"project", "code", "data penguins", "numpy 2.0", "idna 1.0", "libc6 2.36"}


def test_the_commit_is_told_and_whether_it_is_all() -> None:
    assert dependencies()["project"] == {
        "name": "project",
        "uri": f"git+https://git.example/team/penguins@{'a' * 40}",
        "digest": {"gitCommit": "a" * 40},
        "annotations": {"clean": True},
    }
    assert "project" not in dependencies(replace(MADE, checkout=None))


def test_of_a_wheel_that_was_built_its_source_is_told() -> None:
    sdist = Sdist("numpy", "2.0", "numpy-2.0.tar.gz", Digest.of(b"sdist"), 7, "https://files.example/numpy-2.0.tar.gz")
    wheel = replace(made_wheel("numpy", "2.0"), url="", built=Build(sdist, ()))
    found = dependencies(replace(MADE, lock=replace(LOCK, wheels={AMD64: (wheel,), ARM64: (wheel,)})))
    assert "uri" not in found["numpy 2.0"]
    assert found["numpy 2.0 (source)"]["uri"] == sdist.url


def test_equal_builds_give_equal_bytes() -> None:
    turned = replace(MADE, platforms=(ARM64, AMD64), subjects=dict(reversed(list(MADE.subjects.items()))))
    assert unsigned(provenance(turned)) == unsigned(provenance(MADE))
    assert "metadata" not in document()["predicate"]["runDetails"]


def test_a_time_is_told_where_one_is_given() -> None:
    made = replace(MADE, builder=replace(MADE.builder, finished="2026-01-01T00:00:00Z"))
    assert document(made)["predicate"]["runDetails"]["metadata"] == {"finishedOn": "2026-01-01T00:00:00Z"}
