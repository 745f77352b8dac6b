"""The model of a bundle as an artifact of its own, in CNCF's ModelPack form (modelpack/model-spec).

It is listed beside the images, for a platform that no engine runs, and shares their layers of weights: readers of
models find it, and engines pass it over. For readers that take files alone, the files are blobs of their own.
"""

from __future__ import annotations

import io
import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

from builder.bundle.build import Built
from builder.bundle.parts.model import packed_model, recognised
from builder.bundle.reading.reader import Bundle
from builder.image.contents.layers import kinds_of
from builder.image.kept import Image
from builder.image.skeleton import MODEL
from builder.image.workshop import Workshop
from builder.layers.files import FileEntry
from builder.layers.interface import PACKAGE_MTIME
from builder.layers.join import LARGE, keep
from builder.lock.data.locking import entries
from builder.oci.canonical import canonical_json
from builder.oci.documents import (
    MEDIA_TYPE_LAYER,
    MEDIA_TYPE_MANIFEST,
    Descriptor,
    Index,
    Manifest,
    Platform,
    name_annotations,
)
from builder.oci.sourced import Part, Sourced
from builder.oci.store import Store
from builder.oci.tar_entries import SeekingTarReader
from builder.records.model_formats import UNKNOWN, ModelFile
from builder.spec import LoadedProject

Form = Literal["shared", "raw", "none"]
"""`shared` lists the image's own layers, which are tars; `raw` each file as a blob of its own; `none` no artifact."""

MODEL_MANIFEST = "application/vnd.cncf.model.manifest.v1+json"
MODEL_CONFIG = "application/vnd.cncf.model.config.v1+json"
NOWHERE = Platform("unknown", "unknown")
"""The platform of what an index lists and no engine runs."""
_LAYER = "application/vnd.cncf.model.{kind}.v1.{form}"
_FILE_PATH = "org.cncf.model.filepath"
_FILE_METADATA = "org.cncf.model.file.metadata+json"
_UNTESTED = "org.cncf.model.file.mediatype.untested"
_KINDS = ("weight", "weight.config", "doc")
_SETTINGS = frozenset(
    {
        ".json", ".txt", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".jinja", ".model", ".vocab", ".merges", ".py",
        ".csv", ".tsv", ".xml",
    }
)  # fmt: skip
_TEXTS = frozenset({".md", ".rst", ".pdf", ".html"})
_TEXT_NAMES = ("readme", "license", "licence", "notice", "copying")
_PRECISIONS = frozenset(
    {
        "float32", "float64", "float16", "bfloat16", "float8_e4m3", "float8_e5m2", "complex32", "complex64",
        "complex128", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool",
    }
)  # fmt: skip
"""The words that ModelPack knows; others are ways of quantisation."""
_SCALES = ((10**15, "Q"), (10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K"))


def with_model(
    built: Built, loaded: LoadedProject, workshop: Workshop, form: Form = "shared", place: Path | None = None
) -> Built:
    """The images with the project's model beside them in their index; as they are, if it has none yet.

    Digests of images do not depend on it. The model is in `place`, if not at its path.

    Raises: EnvbuildError, DigestMismatchError, if the model cannot be read or changed meanwhile.
    """
    files = packed_model(loaded, entries(loaded).model, workshop.fetcher, place) if form != "none" else ()
    if not files:
        return built
    store = workshop.store
    known = {file.path: file for file in recognised(files)}
    layers = _raw(store, files, known) if form == "raw" else tuple(_shared(store, built.images[0], known))
    config = canonical_json(
        {
            "descriptor": _descriptor(loaded),
            "config": model_config(tuple(known.values())),
            "modelfs": {"type": "layers", "diffIds": [str(layer.digest) for layer in layers]},
        }
    )
    manifest = Manifest(
        Descriptor(MODEL_CONFIG, store.write(config), len(config)), layers, artifact_type=MODEL_MANIFEST
    ).to_bytes()
    # without the artifact's type: skopeo of Debian 12 drops it where it copies an index, which changes the digest
    artifact = Descriptor(MEDIA_TYPE_MANIFEST, store.write(manifest), len(manifest), platform=NOWHERE)
    data = Index((*(image.descriptor for image in built.images), artifact)).to_bytes()
    index = replace(built.index, digest=store.write(data), size=len(data), annotations=name_annotations(built.name))
    return replace(built, index=index)


def form_in(bundle: Bundle) -> Form:
    """In which form the model is listed in a bundle. Raises: EnvbuildError, DigestMismatchError."""
    manifests = map(bundle.layout.manifest, bundle.artifacts)
    layers = next((manifest.layers for manifest in manifests if manifest.artifact_type == MODEL_MANIFEST), None)
    if layers is None:
        return "none"
    return "raw" if any(layer.media_type.endswith(".raw") for layer in layers) else "shared"


def model_config(files: Sequence[ModelFile]) -> dict[str, str]:
    """What ModelPack tells of a model in a few words: by the format that most bytes of its files have."""
    sizes: Counter[str] = Counter()
    for file in files:
        sizes[file.format] += file.size
    del sizes[UNKNOWN]
    if not sizes:
        return {}
    kind = max(sizes, key=lambda name: (sizes[name], name))
    main = sorted((file for file in files if file.format == kind), key=lambda file: (-file.size, file.path))
    words = dict.fromkeys(word for file in main for word in file.precision.split(",") if word)
    known, other = (
        [word for word in words if word in _PRECISIONS],
        [word for word in words if word not in _PRECISIONS],
    )
    told = {
        "format": kind,
        "architecture": str(main[0].details.get("architecture", "")),
        "paramSize": parameter_size(sum(file.parameters or 0 for file in main)),
        "precision": ",".join(known),
        "quantization": other[0] if other else "",
    }
    return {key: text for key, text in told.items() if text}


def parameter_size(count: int) -> str:
    """A number of parameters as ModelPack writes it, `6.7B`; empty for so few that there is no word for it."""
    for scale, letter in _SCALES:
        tenths = round(count * 10 / scale)
        if tenths >= 10 or (letter == "K" and tenths):
            return f"{tenths // 10}.{tenths % 10}{letter}".replace(".0", "")
    return ""


def _descriptor(loaded: LoadedProject) -> dict[str, Any]:
    project = loaded.project
    told = {
        "name": loaded.name, "version": project.version, "description": project.description,
        "licenses": [project.license] if project.license else [], "authors": list(project.contacts),
    }  # fmt: skip
    return {key: value for key, value in told.items() if value}


def _shared(store: Store, image: Image, known: Mapping[str, ModelFile]) -> Iterator[Descriptor]:
    """The layers of an image that hold the model."""
    kinds = kinds_of(image.config, len(image.manifest.layers))
    for layer, kind in zip(image.manifest.layers, kinds, strict=True):
        if kind == "model" and layer.media_type == MEDIA_TYPE_LAYER:
            yield _layer(layer, [(path, mode, known[path]) for path, mode in _listing(store, layer) if path in known])


def _listing(store: Store, layer: Descriptor) -> Iterator[tuple[str, int]]:
    """The files of a plain layer below the model's folder, and their modes."""
    with io.BufferedReader(cast("Any", store.open(layer.digest))) as file:
        for entry in SeekingTarReader(file, layer.size):
            if entry.kind == b"0":
                yield entry.path.decode().removeprefix(f"{MODEL}/"), entry.mode


def _layer(layer: Descriptor, files: Sequence[tuple[str, int, ModelFile]]) -> Descriptor:
    """A layer as ModelPack lists it: its path is the one that a reader finds what is in it at."""
    kind = min((_kind(file) for _, _, file in files), key=_KINDS.index, default="weight")
    if len(files) == 1 and files[0][2].size >= LARGE:
        path, mode, file = files[0]
        annotations = _annotations(f"{MODEL}/{path}", mode, file)
    else:
        annotations = {_FILE_PATH: MODEL, _UNTESTED: "true"}
    return Descriptor(_LAYER.format(kind=kind, form="tar"), layer.digest, layer.size, annotations)


def _raw(store: Store, files: Sequence[FileEntry], known: Mapping[str, ModelFile]) -> tuple[Descriptor, ...]:
    """Each file as a blob, under its path below the model's folder; large ones are not copied."""
    layers = []
    for entry in files:
        content = Sourced((Part.of_file(entry.source) if entry.source else Part(entry.data),))
        file = known[entry.path]
        media_type = _LAYER.format(kind=_kind(file), form="raw")
        annotations = _annotations(entry.path, entry.mode, file)
        layers.append(Descriptor(media_type, keep(store, content), content.size, annotations))
    return tuple(layers)


def _annotations(path: str, mode: int, file: ModelFile) -> dict[str, str]:
    metadata = {
        "name": posixpath.basename(path), "mode": mode, "uid": 0, "gid": 0, "size": file.size,
        "mtime": _time(PACKAGE_MTIME), "typeflag": ord("0"),
    }  # fmt: skip
    return {
        _FILE_PATH: path,
        _FILE_METADATA: canonical_json(metadata).decode(),
        _UNTESTED: "true" if file.format == UNKNOWN else "false",
    }


def _time(seconds: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _kind(file: ModelFile) -> str:
    """What a file of a model is for: by its format, else by its name."""
    name = posixpath.basename(file.path).lower()
    if file.format != UNKNOWN:
        return "weight"
    if name.startswith(_TEXT_NAMES) or posixpath.splitext(name)[1] in _TEXTS:
        return "doc"
    return "weight.config" if posixpath.splitext(name)[1] in _SETTINGS else "weight"
