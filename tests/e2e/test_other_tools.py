"""The documents of a bundle that is handed over, judged by tools and schemas that are not of envbuild."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf.json_format import Parse
from huggingface_hub import ModelCard
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult as Verdict
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage
from jsonschema.validators import validator_for
from made_subjects import HOSTILE, TABLE, made_subject
from packageurl import PackageURL
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from builder.bundle.attached.attach import attached
from builder.bundle.reading.reader import document_file, open_bundle
from builder.oci.attachments import ATTACHED
from builder.oci.documents import Descriptor
from builder.oci.layout import Layout
from builder.records.croissant import croissant

SCHEMAS = Path(__file__).parents[1] / "schemas"
INDEX, MANIFEST = "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"
SCHEMA_OF = {
    INDEX: "image-spec/image-index-schema.json",
    MANIFEST: "image-spec/image-manifest-schema.json",
    "application/vnd.oci.image.config.v1+json": "image-spec/config-schema.json",
    "application/vnd.cncf.model.config.v1+json": "modelpack-config.schema.json",
}
READ_DATA = """
import json, sys
import mlcroissant
dataset = mlcroissant.Dataset(jsonld=sys.argv[1])
issues = dataset.metadata.ctx.issues
tables = {one.id: [row for row in dataset.records(record_set=one.id)] for one in dataset.metadata.record_sets}
print(json.dumps({"errors": sorted(issues.errors), "files": [one.id for one in dataset.metadata.distribution],
                  "tables": tables}, default=lambda value: value.decode() if isinstance(value, bytes) else str(value)))
"""


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Installs packages in an environment of their own, as they need more than envbuild does; its programs."""

    def install(*requirements: str) -> Path:
        folder = tmp_path_factory.mktemp("tools") / "venv"
        uv = [sys.executable, "-m", "uv", "--no-progress", "--quiet"]
        subprocess.run([*uv, "venv", "--python", sys.executable, folder], check=True)
        subprocess.run([*uv, "pip", "install", "--python", folder / "bin/python", *requirements], check=True)
        return folder / "bin"

    return install


@pytest.fixture(scope="module")
def unpacked(released, envbuild, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is in the bundle, as a reader unpacks it."""
    folder = tmp_path_factory.mktemp("unpacked") / "penguins"
    envbuild("unpack", released.file, "-o", folder)
    return folder


def judge(schema: str, document: Any) -> None:
    """Validate by a schema, which refers to others beside it."""
    place = SCHEMAS / schema

    def beside(uri: str) -> Resource[Any]:
        found = json.loads((place.parent / uri.rpartition("/")[2]).read_bytes())
        return Resource.from_contents(found, default_specification=DRAFT4)

    contents = json.loads(place.read_bytes())
    validator_for(contents)(contents, registry=Registry(retrieve=beside)).validate(document)


def judged(layout: Layout, descriptor: dict[str, Any]) -> Iterator[str]:
    """Validate what a descriptor names, and all below; the media types of what was judged."""
    judge("image-spec/content-descriptor.json", descriptor)
    kind = descriptor["mediaType"]
    if kind in SCHEMA_OF:
        document = json.loads(layout.read(Descriptor.from_dict(descriptor)))
        judge(SCHEMA_OF[kind], document)
        yield kind
        if kind in (INDEX, MANIFEST):
            entries = document["manifests"] if kind == INDEX else [document["config"], *document["layers"]]
            for entry in entries:
                yield from judged(layout, entry)


def test_every_document_is_as_the_image_specification_and_modelpack_have_it(released, program, tmp_path: Path) -> None:
    program("tar")("--extract", "--file", released.file, "--directory", tmp_path)
    judge("image-spec/image-layout-schema.json", json.loads((tmp_path / "oci-layout").read_bytes()))
    index = json.loads((tmp_path / "index.json").read_bytes())
    judge("image-spec/image-index-schema.json", index)
    records = json.loads(index["annotations"][ATTACHED])
    found = [kind for entry in (*index["manifests"], records) for kind in judged(Layout(tmp_path), entry)]
    assert set(found) == SCHEMA_OF.keys()
    assert found.count(MANIFEST) == 3 + len(open_bundle(released.file).attached)


def test_bills_of_materials_are_strictly_cyclonedx(released) -> None:
    bundle = open_bundle(released.file)
    bills = [document_file(bundle.layout, image, "sbom.cdx.json").decode() for image in bundle.images.values()]
    assert len(set(bills)) == 2
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bills[0]) is None
    for bill in bills:
        purls = [PackageURL.from_string(one["purl"]) for one in json.loads(bill)["components"] if "purl" in one]
        assert {purl.type for purl in purls} >= {"pypi", "deb"}


def test_in_totos_library_reads_every_statement_signed_or_not(released) -> None:
    bundle = open_bundle(released.file)
    kinds = {"signed": set(), "plain": set()}
    for subject in bundle.subjects:
        for _, record in attached(bundle, subject.digest):
            document = json.loads(record.data)
            envelope = document.get("dsseEnvelope")
            data = base64.b64decode(envelope["payload"]) if envelope else record.data
            read, statement = Statement.copy_from_pb(Parse(data, StatementMessage())), json.loads(data)
            if statement["predicate"]:  # cosign's own is empty, which the library does not take for valid
                read.validate()
            read_predicate(statement["predicateType"], json.dumps(statement["predicate"]))
            kinds["signed" if envelope else "plain"].add(statement["predicateType"])
    said = {"https://slsa.dev/provenance/v1", "https://in-toto.io/attestation/test-result/v0.1"}
    own = {"https://sigstore.dev/cosign/sign/v1", "https://model_signing/signature/v1.0"}
    assert kinds == {"signed": said | own, "plain": said}


def read_predicate(kind: str, text: str) -> None:
    if kind.startswith("https://slsa.dev/provenance/"):
        for one in Parse(text, Provenance()).build_definition.resolved_dependencies:
            ResourceDescriptor.copy_from_pb(one).validate()
    elif "test-result" in kind:
        assert Parse(text, Verdict(), ignore_unknown_fields=True).result == "PASSED"


def test_the_hub_loads_the_card(unpacked: Path) -> None:
    card = ModelCard.load(unpacked / "records/MODEL_CARD.md")
    assert "penguin" in card.text


@pytest.fixture(scope="module")
def read_data(tool: Callable[..., Path]) -> Callable[[Path], dict[str, Any]]:
    """Loads a Croissant document and its data by the library of the standard."""
    python = tool("mlcroissant>=1.1") / "python"

    def read(file: Path) -> dict[str, Any]:
        done = subprocess.run([python, "-c", READ_DATA, file], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        assert found["errors"] == []
        return found

    return read


def test_croissants_library_loads_the_data(unpacked: Path, read_data: Callable) -> None:
    found = read_data(unpacked / "records/croissant.json")
    assert found["files"] == ["penguins"]
    [rows] = found["tables"].values()
    assert len(rows) == 344
    assert {"Adelie", "Chinstrap", "Gentoo"} == {row["penguins-table/1"] for row in rows}


@pytest.mark.slow
def test_croissants_library_reads_whatever_people_write(tmp_path: Path, read_data: Callable) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/penguins").write_bytes(TABLE)
    (tmp_path / "bundle").mkdir()
    record = croissant(made_subject(description=HOSTILE))
    (tmp_path / "bundle" / record.path).write_bytes(record.data)
    found = read_data(tmp_path / "bundle" / record.path)
    assert sorted(found["files"]) == ["folder/1", "folder/2", "penguins", "remote"]
    assert len(found["tables"]["penguins-table"]) == 2


@pytest.fixture(scope="module")
def verify_model(tool: Callable[..., Path]) -> Callable[[Path], int]:
    """Verifies the model in a folder by the tool of OpenSSF, with the signature and the key beside it."""
    program = tool("model-signing==1.1.1", "pyOpenSSL") / "model_signing"

    def verify(folder: Path) -> int:
        line = [program, "verify", "key", "model", "--signature", "model.sig", "--public_key", "key.pub"]
        return subprocess.run(line, cwd=folder, capture_output=True, timeout=120, check=False).returncode

    return verify


@pytest.fixture
def signed_model(released, unpacked: Path, tmp_path: Path) -> Path:
    """A copy of the model out of the bundle, beside its signature and the public key."""
    shutil.copytree(unpacked / "model", tmp_path / "model")
    for name in ("model.sig", "key.pub"):
        shutil.copy(released.folder / name, tmp_path)
    return tmp_path


def test_openssfs_tool_takes_the_model_that_was_signed(verify_model: Callable, signed_model: Path) -> None:
    assert verify_model(signed_model) == 0


@pytest.mark.parametrize("change", ["changed", "added", "removed", "renamed"])
def test_openssfs_tool_refuses_another_model(verify_model: Callable, signed_model: Path, change: str) -> None:
    model = signed_model / "model"
    if change == "changed":
        (model / "model.joblib").write_bytes(b"others")
    elif change == "added":
        (model / "more.bin").write_bytes(b"")
    elif change == "removed":
        (model / "shards/b.bin").unlink()
    else:
        (model / "model.joblib").rename(model / "other.joblib")
    assert verify_model(signed_model) != 0
