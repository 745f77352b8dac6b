from __future__ import annotations

import gzip
from dataclasses import replace
from typing import Any

import pytest

from builder.errors import DigestMismatchError
from builder.oci.digest import Digest
from builder.oci.documents import (
    MEDIA_TYPE_INDEX,
    MEDIA_TYPE_LAYER,
    MEDIA_TYPE_LAYER_GZIP,
    MEDIA_TYPE_MANIFEST,
    Descriptor,
    ImageConfig,
    Index,
    Manifest,
    Platform,
)
from builder.oci.layout import Layout
from builder.oci.store import Store
from builder.oci.validate import Report, checked_stream
from builder.oci.validate import validate as validated


def validate(layout: Layout, top: Descriptor) -> tuple[str, ...]:
    return messages(validated(layout, top))


def messages(report: Report) -> tuple[str, ...]:
    return tuple(problem.message for problem in report.problems)


def flip(store: Store, descriptor: Descriptor, position: int | None = None) -> None:
    path = store.path(descriptor.digest)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if position is None else position] ^= 1
    path.write_bytes(data)


def keep(store: Store, top: Descriptor, document: Any) -> Descriptor:
    data = document.to_bytes()
    return replace(top, digest=store.write(data), size=len(data))


def test_a_sound_index_has_no_problems(samples: Any, store: Store) -> None:
    top, _ = samples.index()
    assert validate(store, top) == ()


@pytest.mark.parametrize("kind", ["index", "manifest", "config", "layer"])
@pytest.mark.parametrize("position", [0, 3, 9, 15, None, -1])
def test_a_flipped_bit_in_any_blob_is_found_and_named(
    kind: str, position: int | None, samples: Any, store: Store
) -> None:
    index, manifest = samples.index()
    image = store.index(index).manifests[0]
    blob = {"index": index, "manifest": image, "config": manifest.config, "layer": manifest.layers[1]}[kind]
    flip(store, blob, position)
    (problem,) = validate(store, index)
    assert str(blob.digest) in problem


@pytest.mark.parametrize("kind", ["manifest", "config", "layer"])
@pytest.mark.parametrize("change", ["missing", "cut short", "longer"])
def test_a_blob_that_is_missing_or_of_another_size_is_found(kind: str, change: str, samples: Any, store: Store) -> None:
    index, manifest = samples.index()
    image = store.index(index).manifests[0]
    blob = {"manifest": image, "config": manifest.config, "layer": manifest.layers[1]}[kind]
    path = store.path(blob.digest)
    data = path.read_bytes()
    path.unlink()
    if change != "missing":
        path.write_bytes(data[:-1] if change == "cut short" else data + b"\0")
    (problem,) = validate(store, index)
    assert str(blob.digest) in problem


def test_every_problem_is_reported_at_once(samples: Any, store: Store) -> None:
    index, manifest = samples.index()
    for blob in (manifest.config, *manifest.layers):
        flip(store, blob)
    problems = validate(store, index)
    assert {str(blob.digest) for blob in (manifest.config, *manifest.layers)} == {
        word for problem in problems for word in problem.split() if word.startswith("sha256:") and word.strip() in map(
            str, [manifest.config.digest, *[layer.digest for layer in manifest.layers]])
    }  # fmt: skip
    assert len(problems) == 3, "the layer that both images share is read once"


def test_a_wrong_diff_id_is_found(samples: Any, store: Store) -> None:
    top, manifest = samples.image()
    config = ImageConfig.from_bytes(store.read(manifest.config))
    wrong = replace(config, diff_ids=config.diff_ids[::-1])
    changed = replace(manifest, config=keep(store, manifest.config, wrong))
    problems = validate(store, keep(store, top, changed))
    assert len(problems) == 2
    assert all("not to its diff_id" in problem for problem in problems)


def plain_image(samples: Any, store: Store) -> tuple[Descriptor, Manifest]:
    """An image whose layers are not compressed."""
    top, manifest = samples.image()
    tars = [gzip.decompress(store.path(layer.digest).read_bytes()) for layer in manifest.layers]
    layers = tuple(Descriptor(MEDIA_TYPE_LAYER, store.write(tar), len(tar)) for tar in tars)
    changed = replace(manifest, layers=layers)
    return keep(store, top, changed), changed


def test_plain_layers_have_no_problems_and_their_files_are_seen(samples: Any, store: Store) -> None:
    top, _ = plain_image(samples, store)
    report = validated(store, top)
    assert (report.problems, report.notes) == ((), ())
    found = report.images[0].files.find(b"file")
    assert found is not None
    assert found.layer == 1


@pytest.mark.parametrize("position", [0, 600, None, -1])
def test_a_flipped_bit_in_a_plain_layer_is_found_and_named(position: int | None, samples: Any, store: Store) -> None:
    top, manifest = plain_image(samples, store)
    flip(store, manifest.layers[1], position)
    assert any(str(manifest.layers[1].digest) in problem and "digest" in problem for problem in validate(store, top))


def test_a_plain_layer_with_another_diff_id_is_found(samples: Any, store: Store) -> None:
    top, manifest = plain_image(samples, store)
    config = ImageConfig.from_bytes(store.read(manifest.config))
    wrong = replace(config, diff_ids=(Digest("5" * 64), config.diff_ids[1]))
    (problem,) = validate(store, keep(store, top, replace(manifest, config=keep(store, manifest.config, wrong))))
    assert "not to its diff_id" in problem


@pytest.mark.parametrize("said", ["plain", "gzip"])
def test_a_layer_that_is_compressed_in_another_way_than_it_says_is_found(said: str, samples: Any, store: Store) -> None:
    top, manifest = samples.image() if said == "plain" else plain_image(samples, store)
    types = {"plain": MEDIA_TYPE_LAYER, "gzip": MEDIA_TYPE_LAYER_GZIP}
    layers = tuple(replace(layer, media_type=types[said]) for layer in manifest.layers)
    problems = validate(store, keep(store, top, replace(manifest, layers=layers)))
    assert len(problems) == 2
    assert all("and compressed:" in problem for problem in problems)


def test_an_artifact_for_a_platform_that_engines_run_is_found(samples: Any, store: Store) -> None:
    image, _ = samples.image()
    index = Index((replace(image, artifact_type="application/x"),))
    problems = validate(store, keep(store, Descriptor(MEDIA_TYPE_INDEX, image.digest, 0), index))
    assert any("is one that engines run" in problem for problem in problems)


@pytest.mark.parametrize("plain", [True, False])
def test_a_layer_is_read_as_a_tar_and_checked_behind_it(plain: bool, samples: Any, store: Store) -> None:
    manifest = (plain_image(samples, store) if plain else samples.image())[1]
    diff_id = ImageConfig.from_bytes(store.read(manifest.config)).diff_ids[0]

    def read(diff_id: Digest, limit: int = 1 << 20) -> bytes:
        with checked_stream(store, manifest.layers[0], diff_id, limit) as stream:
            return stream.read()

    assert Digest.of(read(diff_id)) == diff_id
    with pytest.raises(DigestMismatchError, match="is larger than"):
        read(diff_id, 1000)
    with pytest.raises(DigestMismatchError, match="not to its diff_id"):
        read(Digest("0" * 64))
    flip(store, manifest.layers[0])
    with pytest.raises(DigestMismatchError):
        read(diff_id)


def test_a_wrong_number_of_diff_ids_is_found(samples: Any, store: Store) -> None:
    top, manifest = samples.image()
    config = ImageConfig.from_bytes(store.read(manifest.config))
    changed = replace(manifest, config=keep(store, manifest.config, replace(config, diff_ids=config.diff_ids[:1])))
    problems = validate(store, keep(store, top, changed))
    assert any("2 layers and 1 diff_ids" in problem for problem in problems)
    assert any("tells of 2 layers, where there are 1 diff_ids" in problem for problem in problems)


def test_an_index_that_names_another_platform_is_found(samples: Any, store: Store) -> None:
    top, _ = samples.image("amd64")
    index = keep(store, Descriptor(MEDIA_TYPE_INDEX, top.digest, 0), Index((replace(top, platform=Platform("arm64")),)))
    (problem,) = validate(store, index)
    assert "is for linux/amd64, not for linux/arm64" in problem


def test_a_layer_of_another_type_is_found_and_still_checked(samples: Any, store: Store) -> None:
    top, manifest = samples.image()
    layers = tuple(replace(layer, media_type="application/zip") for layer in manifest.layers)
    flip(store, layers[0])
    problems = validate(store, keep(store, top, replace(manifest, layers=layers)))
    assert [problem.split()[0] for problem in problems] == ["image", "image", "layer"]


def test_a_layer_that_is_no_gzip_is_found(samples: Any, store: Store) -> None:
    top, manifest = samples.image()
    layer = keep(store, manifest.layers[0], Manifest(manifest.config, ()))
    problems = validate(store, keep(store, top, replace(manifest, layers=(layer, manifest.layers[1]))))
    assert any("not to its diff_id" in problem for problem in problems)
    assert any("and compressed: no" in problem for problem in problems)


def test_indexes_that_repeat_each_other_are_read_once(samples: Any, store: Store) -> None:
    top, _ = samples.image()
    for _ in range(2000):
        data = Index((top, replace(top, annotations={"again": "x"}))).to_bytes()
        top = Descriptor(MEDIA_TYPE_INDEX, store.write(data), len(data))
    assert validate(store, top) == ()


def test_an_index_called_a_manifest_is_found(samples: Any, store: Store) -> None:
    top, _ = samples.index()
    (problem,) = validate(store, replace(top, media_type=MEDIA_TYPE_MANIFEST))
    assert "not an OCI image manifest" in problem
