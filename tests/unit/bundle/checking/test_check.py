"""Checking whole files: what `docker load` would take, the lock inside, and what `bundle.json` says of the code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder.bundle.checking.check import NO_LOCK, check
from builder.bundle.checking.subject import open_file
from builder.bundle.form import DOCUMENTS_LAYER
from builder.bundle.parts.code import content_digest
from builder.errors import EnvbuildError
from builder.image.config import LOCK_LABEL
from builder.image.kept import Image, write_image
from builder.layers.files import FileEntry, FileTree
from builder.layers.interface import Directory
from builder.layers.join import Fresh, write_layer
from builder.oci.archive import DockerEntry, write_archive
from builder.oci.documents import MEDIA_TYPE_INDEX, Descriptor, ImageConfig, Index, Platform, name_annotations
from builder.oci.store import Store

CODE = [FileEntry("train.py", b"print(1)"), FileEntry("run", b"#!", mode=0o755), FileEntry("é.txt", b"")]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.create()
    return store


def make_image(store: Store, document: Any, code: list[FileEntry]) -> Image:
    below = [FileEntry(f"app/{entry.path}", entry.data, mode=entry.mode) for entry in code]
    layers = [
        write_layer(store, [Directory("app")], [Fresh(FileTree(below))]),
        write_layer(store, [Directory("bundle")], [Fresh(FileTree([FileEntry("bundle/bundle.json", document)]))]),
    ]
    config = ImageConfig(
        Platform("amd64"),
        "1980-01-02T00:00:00Z",
        tuple(layer.diff_id for layer in layers),
        ("code", DOCUMENTS_LAYER),
        labels={LOCK_LABEL: "sha256:0"},
    )
    return write_image(store, layers, config)


def pack(store: Store, image: Image, docker: Image) -> Path:
    data = Index((image.descriptor,)).to_bytes()
    top = Descriptor(MEDIA_TYPE_INDEX, store.write(data), len(data), name_annotations("a:1"))
    write_archive(store.root.parent / "a.tar", store, top, DockerEntry(docker.manifest, ("a:1",)))
    return store.root.parent / "a.tar"


def document(code: list[FileEntry]) -> bytes:
    return json.dumps({"lock": "sha256:0", "code": str(content_digest(code)), "model": None}).encode()


def told(store: Store, image: Image, docker: Image | None = None) -> list[str]:
    verdict = check(open_file(pack(store, image, docker or image)))
    assert verdict.not_compared or verdict.problems
    return [problem.message for problem in verdict.problems]


def test_a_bundle_without_a_lock_is_sound_and_said_not_to_be_compared(store: Store) -> None:
    image = make_image(store, document(CODE), CODE)
    verdict = check(open_file(pack(store, image, image)))
    assert verdict.problems == ()
    assert verdict.not_compared == NO_LOCK


def test_docker_is_not_told_of_another_image(store: Store) -> None:
    image, other = make_image(store, document(CODE), CODE), make_image(store, document([]), [CODE[0]])
    assert told(store, image, other) == ["`manifest.json` names another image than `index.json`"]


@pytest.mark.parametrize("changed", [
    [*CODE[:2]], [*CODE, FileEntry("more.py")], [FileEntry("train.py", b"print(2)"), *CODE[1:]],
    [CODE[0], FileEntry("run", b"#!"), CODE[2]],
], ids=["less", "more", "other bytes", "another mode"])  # fmt: skip
def test_code_that_is_not_what_the_bundle_says_is_named(changed: list[FileEntry], store: Store) -> None:
    (problem,) = told(store, make_image(store, document(CODE), changed))
    assert problem == (
        f"`/bundle/bundle.json` says that `/app` is {content_digest(CODE)}, and it is {content_digest(changed)}"
    )


def test_code_that_an_engine_copied_into_a_layer_of_its_own_is_what_the_bundle_says(store: Store) -> None:
    image = make_image(store, document(CODE), CODE)
    made = write_image(store, image.layers, replace(image.config, history=("COPY app/ /app/", "COPY bundle/ /bundle/")))
    assert told(store, made) == []


@pytest.mark.parametrize("data", [b"[]", b"nothing", b'{"code": [1]}'])
def test_a_malformed_document_is_a_problem_and_no_failure(data: bytes, store: Store) -> None:
    assert told(store, make_image(store, data, CODE))


def test_a_layout_without_images_is_refused(tmp_path: Path) -> None:
    Store(tmp_path).create()
    with pytest.raises(EnvbuildError, match="holds no image"):
        open_file(tmp_path)
