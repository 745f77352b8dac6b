"""The records in a bundle of the example: all of them, true to what is in the image, and cheap to make again."""

from __future__ import annotations

import filecmp
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from builder.bundle.form import DOCUMENTS_LAYER, LICENSES_LAYER
from builder.bundle.reading.reader import open_bundle
from builder.image.kept import Image
from builder.layers.tar_reader import Stream, TarReader
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.oci.validate import checked_stream

HOST = "--platform=linux/amd64"


@dataclass(frozen=True)
class Opened:
    """An image of a bundle, with the files of its two layers of documents by their path in `/bundle`."""

    image: Image
    files: dict[str, bytes]

    @property
    def layers(self) -> dict[str, Digest]:
        """By their history entries."""
        names = self.image.config.history
        return {name: layer.digest for name, layer in zip(names, self.image.manifest.layers, strict=True)}

    @property
    def document(self) -> dict[str, Any]:
        """`bundle.json`."""
        found: dict[str, Any] = json.loads(self.files["bundle.json"])
        return found


def opened(file: Path) -> Opened:
    bundle = open_bundle(file)
    image = bundle.image(Platform("amd64"))
    files: dict[str, bytes] = {}
    for name, layer in zip(image.config.history, image.layers, strict=True):
        if name in (DOCUMENTS_LAYER, LICENSES_LAYER):
            with checked_stream(bundle.layout, layer.descriptor, layer.diff_id, 1 << 30) as stream:
                reader = TarReader(Stream(iter(lambda: stream.read(1 << 20), b"")))
                files |= {entry.path: data for entry, data in reader.selected(lambda _: True, 1 << 30)}
    return Opened(image, {path.removeprefix("bundle/"): data for path, data in files.items()})


@pytest.fixture
def copy(project: Path, tmp_path: Path) -> Path:
    """A copy of the example that may be edited, beside its environment."""
    shutil.copytree(project.parents[1] / "environments", tmp_path / "environments")
    folder = tmp_path / "examples/penguins"
    shutil.copytree(project, folder)
    (folder / "out/model").mkdir(parents=True)
    (folder / "out/model/model.joblib").write_bytes(b"\x80\x04N.")
    return folder


@pytest.fixture
def run(with_shared_store: Any, reference: str) -> Callable[..., Any]:
    """The command with the store in which the example was built."""
    return with_shared_store


def spec_with(folder: Path, text: str) -> None:
    spec = folder / "envbuild.yaml"
    spec.write_text(spec.read_text("utf-8") + text, "utf-8")


def changed_spec(folder: Path, old: str, new: str) -> None:
    spec = folder / "envbuild.yaml"
    text = spec.read_text("utf-8")
    assert text.count(old) == 1
    spec.write_text(text.replace(old, new), "utf-8")


def test_bundle_json_names_every_document_with_its_digest(copy: Path, run: Any, tmp_path: Path) -> None:
    run("bundle", copy, HOST, "-o", tmp_path / "b.tar")
    found = opened(tmp_path / "b.tar")
    listed = {entry["path"]: entry for entry in found.document["records"]}
    assert {path: entry["digest"] for path, entry in listed.items()} == {
        path: str(Digest.of(data)) for path, data in found.files.items() if path != "bundle.json"
    }
    assert {entry["role"] for entry in listed.values()} >= {
        "readme", "diagram", "launcher", "spec", "lock", "model-card", "dataset", "licenses", "license-text", "sbom",
    }  # fmt: skip
    readme = found.files["README.md"].decode()
    told = dict(re.findall(r"^\| `(\S+)` \| (.+) \|$", readme.partition("## Records")[2], re.MULTILINE))
    assert told.keys() == {path for path, entry in listed.items() if entry["role"] != "license-text"}
    assert [path for path, meaning in told.items() if meaning == listed[path]["role"]] == []
    shown = run("inspect", tmp_path / "b.tar", "--records").stdout
    assert all(f"  {path}  " in shown for path in told)
    assert shown.count("license-text") == 1


def test_the_same_project_in_another_folder_at_another_time_is_the_same_file(
    copy: Path, run: Any, tmp_path: Path
) -> None:
    run("bundle", copy, HOST, "-o", tmp_path / "one.tar")
    other = shutil.copytree(tmp_path / "examples", tmp_path / "others/examples") / "penguins"
    shutil.copytree(tmp_path / "environments", tmp_path / "others/environments")
    for path in other.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    run("bundle", other, HOST, "-o", tmp_path / "two.tar")
    assert filecmp.cmp(tmp_path / "one.tar", tmp_path / "two.tar", shallow=False)


def test_records_tell_what_the_image_holds(copy: Path, run: Any, tmp_path: Path) -> None:
    run("bundle", copy, HOST, "-o", tmp_path / "b.tar")
    found = opened(tmp_path / "b.tar")
    bill = json.loads(found.files["sbom.cdx.json"])
    purls = {component.get("purl", "").partition("?")[0]: component for component in bill["components"]}
    assert purls[next(name for name in purls if name.startswith("pkg:pypi/scikit-learn@"))]["licenses"]
    assert "arch=amd64" in next(one["purl"] for one in bill["components"] if one["name"] == "libc6")
    model = next(one for one in bill["components"] if one["type"] == "machine-learning-model")
    assert model["hashes"] == [{"alg": "SHA-256", "content": Digest.of(b"\x80\x04N.").hex}]
    table = json.loads(found.files["croissant.json"])["recordSet"][0]
    assert "species" in [field["name"] for field in table["field"]]


def test_every_package_has_its_licence_or_its_text(copy: Path, run: Any, tmp_path: Path) -> None:
    run("bundle", copy, HOST, "-o", tmp_path / "b.tar")
    found = opened(tmp_path / "b.tar")
    packages = json.loads(found.files["licenses.json"])["packages"]
    assert len(packages) > 60
    assert [one["name"] for one in packages if one["license"] == "NOASSERTION" and not one["texts"]] == []
    texts = {text["path"] for one in packages for text in one["texts"]}
    assert {path for path in found.files if path.startswith("licenses/")} == texts
    known = [one for one in packages if one["license"] != "NOASSERTION"]
    assert len(known) > 0.6 * len(packages)


def test_an_edited_line_moves_neither_licences_nor_what_lies_below(copy: Path, run: Any, tmp_path: Path) -> None:
    run("bundle", copy, HOST, "-o", tmp_path / "a.tar")
    (copy / "params.yaml").write_text((copy / "params.yaml").read_text() + "# another\n")
    run("bundle", copy, HOST, "-o", tmp_path / "b.tar")
    before, after = (opened(tmp_path / name).layers for name in ("a.tar", "b.tar"))
    assert {name for name in before if before[name] != after[name]} == {"code", DOCUMENTS_LAYER}


def test_what_was_read_once_is_not_needed_again(copy: Path, envbuild: Any, artifacts: tuple[str, ...]) -> None:
    first = envbuild.digest(copy)
    for digest in artifacts:
        (envbuild.store / "blobs/sha256" / digest).unlink()
    (copy / "params.yaml").write_text((copy / "params.yaml").read_text() + "# another\n")
    assert envbuild.digest(copy, "--offline") != first


def test_a_denied_licence_stops_the_bundle(copy: Path, run: Any, tmp_path: Path) -> None:
    file = tmp_path / "b.tar"
    done = run("bundle", copy, "-o", file, "--deny-license", "gpl-3*", code=3)
    assert not file.exists()
    assert re.search(r"readline-common \S+ on linux/amd64, linux/arm64: GPL-3\.0", done.stderr)
    assert "hint: Replace it, or name it under `licenses.ignore`" in done.stderr


def test_a_denied_licence_that_no_package_needs_stops_nothing_and_unknown_ones_are_told(
    copy: Path, run: Any, tmp_path: Path
) -> None:
    done = run("bundle", copy, HOST, "-o", tmp_path / "b.tar", "--deny-license", "AGPL-*")
    assert "not known" in done.stderr
    plain = run("bundle", copy, HOST, "-o", tmp_path / "c.tar")
    assert plain.stdout == done.stdout, "a rule that holds changes nothing in the bundle"


def test_the_rules_of_the_spec_hold_for_build_too(copy: Path, run: Any) -> None:
    spec_with(copy, "\nlicenses: {allow: ['*']}\n")
    done = run("build", copy, HOST, code=6)
    assert "it is not known whether the licence of a package is allowed" in done.stderr
    names = re.findall(r"Caused by: (\S+) \S+ does not say it", done.stderr)
    reasons = "".join(f"    {name}: looked at\n" for name in names)
    spec = (copy / "envbuild.yaml").read_text().replace("{allow: ['*']}", f"\n  allow: ['*']\n  ignore:\n{reasons}")
    (copy / "envbuild.yaml").write_text(spec)
    assert run("build", copy, HOST).stdout.startswith("penguins@sha256:")


def test_a_card_that_cannot_be_loaded_is_told_before_anything_is_packed(copy: Path, run: Any, tmp_path: Path) -> None:
    (copy / "MODEL_CARD.md").write_text("---\nlicense: [\n---\n")
    done = run("bundle", copy, HOST, "-o", tmp_path / "b.tar", code=1)
    assert "`MODEL_CARD.md` has front matter that is not YAML" in done.stderr


def test_a_model_without_a_card_is_given_one(copy: Path, run: Any, tmp_path: Path) -> None:
    spec = copy / "envbuild.yaml"
    spec.write_text(spec.read_text().replace("card: MODEL_CARD.md", "").replace("out/model, ", "out/model"))
    run("bundle", copy, HOST, "-o", tmp_path / "b.tar")
    card = ModelCard(opened(tmp_path / "b.tar").files["MODEL_CARD.md"].decode())
    assert "joblib" in card.data.to_dict()["tags"] or "envbuild" in card.data.to_dict()["tags"]
    assert Digest.of(b"\x80\x04N.").hex in card.text


def test_licence_contacts_and_limits_are_told_to_people_and_engines(copy: Path, run: Any, tmp_path: Path) -> None:
    limits = "limits:\n  - Not for <b>gulls</b>."
    changed_spec(copy, "license: Apache-2.0", "license: MIT")
    changed_spec(copy, "[The maintainers of envbuild]", "[a@example.com, The team]")
    changed_spec(copy, "limits:", limits)
    run("bundle", copy, HOST, "-o", tmp_path / "b.tar")
    found = opened(tmp_path / "b.tar")
    labels = found.image.config.labels
    assert labels["org.opencontainers.image.licenses"] == "MIT"
    assert labels["org.opencontainers.image.authors"] == "a@example.com, The team"
    readme = found.files["README.md"].decode()
    for text in ("Code and model: MIT.", "- a@example.com", "- Not for \\<b\\>gulls\\</b\\>.", "](diagram.svg)"):
        assert text in readme
    bill = json.loads(found.files["sbom.cdx.json"])
    assert bill["metadata"]["component"]["authors"] == [{"name": "a@example.com"}, {"name": "The team"}]
