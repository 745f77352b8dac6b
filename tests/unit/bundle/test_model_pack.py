"""The model as a ModelPack artifact, beside images that were put together in a store."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from data_projects import DataProject

from builder.bundle.build import Built, index_images
from builder.bundle.inside.documents import Contents
from builder.bundle.model_pack import Form, model_config, parameter_size, with_model
from builder.bundle.parts.code import below
from builder.bundle.parts.data import PackedData
from builder.bundle.parts.layers import MOST_WEIGHTS, files_layer, model_groups, own_layers
from builder.bundle.parts.model import packed_model
from builder.image.config import LOCK_LABEL
from builder.image.kept import write_image
from builder.image.skeleton import LICENSES
from builder.image.workshop import Workshop
from builder.layers.files import FileEntry
from builder.layers.interface import Directory
from builder.layers.join import LARGE
from builder.lock.data.entry import DataEntry
from builder.lock.data.locking import entries
from builder.oci.digest import Digest
from builder.oci.documents import MOUNTED_LAYERS, Descriptor, ImageConfig, Manifest, Platform
from builder.oci.layout import copy_blob
from builder.oci.store import Store
from builder.oci.validate import validate
from builder.records.model_formats import ModelFile

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas/modelpack-config.schema.json").read_bytes())


def safetensors(count: int) -> bytes:
    header = json.dumps({"w": {"dtype": "BF16", "shape": [count], "data_offsets": [0, 2 * count]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(2 * count)


@dataclass
class Made:
    """A project with a model, and its images."""

    project: DataProject
    built: Built

    @property
    def store(self) -> Store:
        return self.project.store

    def listed(self, form: Form = "shared") -> tuple[Built, Descriptor, Manifest, dict[str, Any]]:
        built = with_model(self.built, self.project.loaded, Workshop(self.store, self.project.fetcher), form)
        *images, artifact = self.store.index(built.index).manifests
        assert images == [image.descriptor for image in self.built.images]
        manifest = self.store.manifest(artifact)
        config = json.loads(self.store.read(manifest.config))
        jsonschema.validate(config, SCHEMA)
        return built, artifact, manifest, config


@pytest.fixture
def make(tmp_path: Path) -> Callable[[dict[str, bytes]], Made]:
    def made(files: dict[str, bytes]) -> Made:
        project = DataProject(tmp_path / "project", tmp_path / "store")
        project.spec(
            model={"path": "out/model"}, name="birds", version="2.0", license="Apache-2.0", contacts=["a@example.org"]
        )
        for path, content in files.items():
            project.file(f"out/model/{path}", content)
        entries_ = packed_model(project.loaded, entries(project.loaded).model, project.fetcher)
        layers = [
            (f"model {group[0].path}" if group[0].size >= LARGE else "model",
             files_layer(project.store, below("model", group), Directory("model"), compress=False))
            for group in model_groups(entries_)
        ]  # fmt: skip
        config = ImageConfig(
            Platform("amd64"),
            "1980-01-02T00:00:00Z",
            tuple(layer.diff_id for _, layer in layers if layer),
            tuple(name for name, _ in layers),
            labels={LOCK_LABEL: "sha256:0"},
        )
        image = write_image(project.store, [layer for _, layer in layers if layer], config)
        return Made(project, index_images(project.store, "birds:2.0", [image]))

    return made


FILES = {"model.safetensors": safetensors(1 << 20), "config.json": b"{}", "README.md": b"# Birds"}


def test_the_artifact_shares_the_layers_of_the_image(make: Callable[..., Made]) -> None:
    made = make(FILES)
    _, artifact, manifest, config = made.listed()
    assert (str(artifact.platform), artifact.is_artifact) == ("unknown/unknown", True)
    assert manifest.artifact_type == "application/vnd.cncf.model.manifest.v1+json"
    assert manifest.config.media_type == "application/vnd.cncf.model.config.v1+json"
    image = made.built.images[0].manifest
    assert [layer.digest for layer in manifest.layers] == [layer.digest for layer in image.layers]
    assert [layer.media_type.removeprefix("application/vnd.cncf.model.") for layer in manifest.layers] == [
        "weight.v1.tar", "weight.config.v1.tar",
    ]  # fmt: skip
    assert config["modelfs"]["diffIds"] == [str(diff_id) for diff_id in made.built.images[0].config.diff_ids]
    assert config["config"] == {"format": "safetensors", "paramSize": "1M", "precision": "bfloat16"}
    assert config["descriptor"] == {
        "name": "birds", "version": "2.0", "licenses": ["Apache-2.0"], "authors": ["a@example.org"],
    }  # fmt: skip


def test_a_layer_says_where_its_file_is_and_what_it_was(make: Callable[..., Made]) -> None:
    weights, rest = make(FILES).listed()[2].layers
    assert weights.annotations["org.cncf.model.filepath"] == "model/model.safetensors"
    assert json.loads(weights.annotations["org.cncf.model.file.metadata+json"]) == {
        "name": "model.safetensors", "mode": 0o644, "uid": 0, "gid": 0, "size": len(FILES["model.safetensors"]),
        "mtime": "1980-01-02T00:00:00Z", "typeflag": 48,
    }  # fmt: skip
    assert weights.annotations["org.cncf.model.file.mediatype.untested"] == "false"
    assert rest.annotations["org.cncf.model.filepath"] == "model"


def test_raw_gives_each_file_a_blob_and_no_second_copy(make: Callable[..., Made]) -> None:
    made = make(FILES)
    _, _, manifest, config = made.listed("raw")
    found = {layer.annotations["org.cncf.model.filepath"]: layer for layer in manifest.layers}
    assert set(found) == set(FILES)
    assert {path: layer.media_type.split(".model.")[1] for path, layer in found.items()} == {
        "model.safetensors": "weight.v1.raw", "config.json": "weight.config.v1.raw", "README.md": "doc.v1.raw",
    }  # fmt: skip
    for path, layer in found.items():
        with made.store.open(layer.digest) as file:
            assert file.read() == FILES[path]
    assert config["modelfs"]["diffIds"] == [str(layer.digest) for layer in manifest.layers]
    assert not made.store.path(found["model.safetensors"].digest).exists()


@pytest.mark.parametrize("form", ["shared", "raw"])
def test_everything_below_the_index_is_valid(make: Callable[..., Made], form: Form) -> None:
    made = make(FILES)
    built, *_ = made.listed(form)
    report = validate(made.store, built.index)
    assert report.problems == ()
    assert len(report.images) == 1


def test_a_flipped_byte_of_the_model_alone_is_found(make: Callable[..., Made], tmp_path: Path) -> None:
    made = make(FILES)
    built, _, manifest, _ = made.listed("raw")
    other = Store(tmp_path / "other")
    other.create()
    for layer in (*manifest.layers, manifest.config, *made.built.images[0].manifest.layers):
        copy_blob(made.store, other, layer)
    for entry in (*made.store.index(built.index).manifests, built.index, made.built.images[0].manifest.config):
        copy_blob(made.store, other, entry)
    assert validate(other, built.index).problems == ()
    path = other.path(manifest.layers[0].digest)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert [problem.is_digest for problem in validate(other, built.index).problems] == [True]


def test_without_a_model_or_a_wish_nothing_is_listed(make: Callable[..., Made]) -> None:
    made = make(FILES)
    workshop = Workshop(made.store, made.project.fetcher)
    assert with_model(made.built, made.project.loaded, workshop, "none") == made.built
    assert with_model(made.built, made.project.spec(), workshop) == made.built


def test_equal_models_are_equal_artifacts_whatever_their_times(make: Callable[..., Made]) -> None:
    made = make(FILES)
    first = made.listed()[1]
    made.project.file("out/model/model.safetensors", FILES["model.safetensors"])
    assert made.listed()[1] == first


def file(size: int, kind: str = "safetensors", **more: Any) -> ModelFile:
    return ModelFile("m", kind, size, **more)


def test_a_model_is_told_by_the_format_of_most_of_its_bytes() -> None:
    files = [
        file(10, "onnx"),
        file(90, parameters=7_000_000_000),
        file(5, parameters=500_000_000),
        file(200, "unknown"),
    ]
    assert model_config(files) == {"format": "safetensors", "paramSize": "7.5B"}


def test_quantised_types_are_no_precision() -> None:
    told = file(9, "gguf", precision="q4_k,float32", parameters=8_000_000_000, details={"architecture": "llama"})
    assert model_config([told]) == {
        "format": "gguf", "architecture": "llama", "paramSize": "8B", "precision": "float32", "quantization": "q4_k",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, ""), (40, ""), (60, "0.1K"), (999, "1K"), (1_000_000, "1M"), (6_740_000_000, "6.7B"), (10**12, "1T"),
     (100_000, "100K"), (999_960_000, "1B")],
)  # fmt: skip
def test_numbers_of_parameters_are_written_with_one_decimal(count: int, text: str) -> None:
    assert parameter_size(count) == text


LOCKED = DataEntry("data/a", "file", Digest("0" * 64), 1)


def entry(path: str, size: int) -> FileEntry:
    return FileEntry(path, source=Path("none"), size=size)


def test_large_files_are_alone_and_small_ones_together() -> None:
    files = [entry("a/2.bin", LARGE), entry("b.json", LARGE - 1), entry("a/1.bin", 5 * LARGE), entry("c", 0)]
    groups = [[one.path for one in group] for group in model_groups(files)]
    assert groups == [["a/1.bin"], ["a/2.bin"], ["b.json", "c"]]


def test_of_many_large_files_the_smallest_share_layers() -> None:
    files = [entry(f"{number:03}.bin", (number + 1) * LARGE) for number in range(100)]
    groups = model_groups([*files, entry("config.json", 1)])
    assert len(groups) == MOST_WEIGHTS + 1
    assert sorted(one.path for group in groups for one in group) == [*(one.path for one in files), "config.json"]
    assert groups == model_groups([entry("config.json", 1), *reversed(files)])
    assert max(sum(one.size for one in group) for group in groups) < 400 * LARGE


def test_on_a_base_of_many_layers_an_image_still_has_no_more_than_engines_mount(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.create()
    model = []
    for number in range(12):
        (tmp_path / str(number)).write_bytes(bytes(LARGE))
        model.append(FileEntry.on_disk(f"{number}.bin", tmp_path / str(number)))
    one = FileEntry("a", b"x")
    data = [PackedData(f"d{number}", LOCKED, (FileEntry(f"data/d{number}", b"1"),)) for number in range(12)]
    contents = Contents((one,), (*model, one), {}, Digest("0" * 64), None, None, b"", None, packed=tuple(data))
    documents = [FileEntry("bundle/a", b""), FileEntry(LICENSES[1], b"")]

    def kinds(below_them: int) -> list[str]:
        made = own_layers(store, contents, documents, {}, below_them)
        return [name.split()[0] for name, _ in made]

    assert len([kind for kind in kinds(60) if kind == "model"]) == 13
    tight = kinds(118)
    assert 118 + len(tight) <= MOUNTED_LAYERS
    assert {"model", "data", "code", "bundle"} <= set(tight)


def test_a_small_file_that_changes_moves_no_large_one(make: Callable[..., Made]) -> None:
    before = make(FILES).built.images[0].manifest.layers
    after = make({**FILES, "config.json": b'{"a": 1}'}).built.images[0].manifest.layers
    assert before[0] == after[0]
    assert before[1] != after[1]
