from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder.bundle.form import DOCUMENTS_LAYER, LICENSES_LAYER
from builder.bundle.reading.reader import open_bundle, read_document, read_documents
from builder.bundle.reading.summary import summarise
from builder.errors import EnvbuildError
from builder.image.kept import Image, write_image
from builder.layers.files import FileEntry, FileTree
from builder.layers.interface import Directory
from builder.layers.join import Fresh, write_layer
from builder.oci.archive import DockerEntry, write_archive
from builder.oci.documents import MEDIA_TYPE_INDEX, Descriptor, ImageConfig, Index, Platform, name_annotations
from builder.oci.store import Store

COMMAND = {
    "run": ["python"], "inputs": [], "outputs": [], "parameters": {}, "environment": {}, "seed": None, "port": None,
    "ready": None, "params": None,
}  # fmt: skip
DATA_ENTRY = {"path": "/data/a", "urls": [], "sha256": "a" * 64, "size": 1, "local": None, "packed": True}
DOCUMENT: dict[str, Any] = {"format": 1, "commands": {"train": COMMAND}, "data": {}, "model": None}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.create()
    return store


def make_image(store: Store, data: bytes, name: str = "bundle/bundle.json") -> Image:
    layer = write_layer(store, [Directory("bundle")], [Fresh(FileTree([FileEntry(name, data)]))])
    config = ImageConfig(Platform("amd64"), "1980-01-02T00:00:00Z", (layer.diff_id,), (DOCUMENTS_LAYER,))
    return write_image(store, [layer], config)


def make_bundle(store: Store, images: list[Image], docker: Image) -> Path:
    data = Index(tuple(image.descriptor for image in images)).to_bytes()
    top = Descriptor(MEDIA_TYPE_INDEX, store.write(data), len(data), name_annotations("a:1"))
    path = store.root.parent / "a.tar"
    write_archive(path, store, top, DockerEntry(docker.manifest, ("a:1",)))
    return path


def test_a_bundle_is_read_and_keeps_its_promises(store: Store) -> None:
    image = make_image(store, json.dumps(DOCUMENT).encode())
    bundle = open_bundle(make_bundle(store, [image], image))
    assert summarise(bundle)["commands"] == {"train": COMMAND}
    assert bundle.name == "a:1"


def test_a_bundle_without_images_is_refused(store: Store) -> None:
    image = make_image(store, b"{}")
    with pytest.raises(EnvbuildError, match="holds no image"):
        open_bundle(make_bundle(store, [], image))


def test_two_images_for_one_platform_are_refused(store: Store) -> None:
    images = [make_image(store, b"{}"), make_image(store, b"{ }")]
    with pytest.raises(EnvbuildError, match="several images for one platform"):
        open_bundle(make_bundle(store, images, images[0]))


def test_a_document_of_data_is_read(store: Store) -> None:
    document = DOCUMENT | {"data": {"a": DATA_ENTRY}, "commands": {"a": COMMAND | {"inputs": ["a"]}}}
    assert read_document(store, make_image(store, json.dumps(document).encode())) == document


@pytest.mark.parametrize(
    "document",
    [
        [], {}, {"format": 2}, {"format": 1}, DOCUMENT | {"commands": []}, DOCUMENT | {"data": None},
        DOCUMENT | {"commands": {"a": []}}, DOCUMENT | {"commands": {"a": {}}},
        DOCUMENT | {"commands": {"a": COMMAND | {"run": "python"}}},
        DOCUMENT | {"commands": {"a": COMMAND | {"run": [1]}}},
        DOCUMENT | {"commands": {"a": COMMAND | {"port": "80"}}},
        DOCUMENT | {"data": {"a": {"path": "/data/a", "urls": "x", "sha256": "y"}}},
        DOCUMENT | {"commands": {"a": COMMAND | {"inputs": ["b"]}}},
        *(
            DOCUMENT | {"data": {"a": DATA_ENTRY | change}}
            for change in (
                {"path": "/etc/passwd"}, {"path": "/data/../a"}, {"path": "/data/b"}, {"sha256": "y"}, {"size": -1},
                {"kind": "device"}, {"packed": 1}, {"urls": [1]},
            )
        ),
        DOCUMENT | {"data": {"../a": DATA_ENTRY | {"path": "/data/../a"}}},
    ],
    ids=repr,
)  # fmt: skip
def test_a_document_of_another_form_is_refused(document: Any, store: Store) -> None:
    image = make_image(store, json.dumps(document).encode())
    with pytest.raises(EnvbuildError):
        read_document(store, image)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[" * 100_000, b"\xff", b'{"format": NaN}'], ids=lambda data: repr(data[:9])
)
def test_a_document_that_is_no_json_is_refused(data: bytes, store: Store) -> None:
    with pytest.raises(EnvbuildError):
        read_document(store, make_image(store, data))


def test_a_bundle_without_its_document_is_refused(store: Store) -> None:
    with pytest.raises(EnvbuildError, match=r"has no `/bundle/bundle\.json`"):
        read_document(store, make_image(store, b"{}", "bundle/other.json"))


def test_a_history_that_promises_more_layers_than_there_are_is_refused(store: Store) -> None:
    image = make_image(store, b"{}")
    config = replace(image.config, history=("a", "b", DOCUMENTS_LAYER))
    with pytest.raises(EnvbuildError, match="is not complete"):
        read_document(store, replace(image, config=config))


def test_documents_are_found_in_an_image_that_an_engine_made_of_a_dockerfile(store: Store) -> None:
    image = make_image(store, json.dumps(DOCUMENT).encode())
    above = write_layer(store, [Directory("tmp")], [Fresh(FileTree([FileEntry("tmp/later", b"x")]))])
    config = replace(
        image.config,
        diff_ids=(*image.config.diff_ids, above.diff_id),
        history=("COPY bundle/ /bundle/", "RUN touch /tmp/later"),
        entrypoint=("/opt/env/bin/python", "-I", "/bundle/launcher.py"),
    )
    made = write_image(store, [*image.layers, above], config)
    assert read_document(store, made) == DOCUMENT
    with pytest.raises(EnvbuildError, match=r"has no `/bundle/bundle\.json`"):
        read_document(store, write_image(store, [above], replace(config, diff_ids=(above.diff_id,))))


def test_an_image_of_another_tool_is_summarised(store: Store) -> None:
    image = make_image(store, b"{}")
    foreign = write_image(store, image.layers, replace(image.config, history=()))
    summary = summarise(open_bundle(make_bundle(store, [foreign], foreign)))
    assert [layer["name"] for layer in summary["platforms"]["linux/amd64"]["layers"]] == [""]


def test_texts_of_licences_are_documents_too(store: Store) -> None:
    """They have a layer of their own, as they change with the packages alone."""
    named = {DOCUMENTS_LAYER: "bundle/bundle.json", LICENSES_LAYER: "bundle/licenses/a.txt"}
    trees = [FileTree([FileEntry(path, b"x")]) for path in named.values()]
    layers = [write_layer(store, [Directory("bundle")], [Fresh(tree)]) for tree in trees]
    config = ImageConfig(
        Platform("amd64"), "1980-01-02T00:00:00Z", tuple(layer.diff_id for layer in layers), tuple(named)
    )
    image = write_image(store, layers, config)
    bundle = open_bundle(make_bundle(store, [image], image))
    assert read_documents(bundle) == {"bundle.json": b"x", "licenses/a.txt": b"x"}
