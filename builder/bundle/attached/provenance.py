"""The provenance of a bundle that was built: from what is in it, from its lock, and from where its project is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from builder.bundle.attached.checkout import checkout_of
from builder.bundle.build import Built
from builder.bundle.parts.code import code_files
from builder.bundle.reading.reader import read_document
from builder.lock.document import Lock
from builder.oci.attachments import write_attachment, write_list
from builder.oci.digest import Digest
from builder.oci.store import Store
from builder.records.in_toto import unsigned
from builder.records.provenance import Builder, Made, Material, provenance
from builder.spec import LoadedProject


def with_provenance(built: Built, loaded: LoadedProject, lock: Lock, builder: Builder, store: Store) -> Built:
    """The same images with their provenance, which is attached to the index over them.

    Raises: EnvbuildError, DigestMismatchError, if what was built cannot be read.
    """
    document = read_document(store, built.images[0])
    params = frozenset(command.params for command in loaded.project.commands.values() if command.params)
    packed = [loaded.file.name, *(entry.path for entry in code_files(loaded.folder, loaded.project.code, params))]
    made = Made(
        {built.name: built.index.digest} | _listed(built, store),
        lock,
        tuple(image.config.platform for image in built.images),
        Digest.of(loaded.file.read_bytes()),
        tuple(name for name, entry in sorted(document["data"].items()) if entry.get("packed")),
        tuple(_materials(document)),
        checkout_of(loaded.folder, packed),
        builder,
    )
    record = write_attachment(store, built.index, unsigned(provenance(made)))
    return replace(built, attached=write_list(store, [record]))


def _listed(built: Built, store: Store) -> dict[str, Digest]:
    """What the bundle's index lists, by names of its own: images, and the model as an artifact."""
    entries = store.index(built.index).manifests
    return {f"{built.name} {'model' if one.is_artifact else one.platform}": one.digest for one in entries}


def _materials(document: Mapping[str, Any]) -> Iterator[Material]:
    """Code, model and data, as `bundle.json` has them."""
    yield Material("code", Digest.parse(document["code"]))
    if document.get("model"):
        yield Material("model", Digest.parse(document["model"]["digest"]))
    for name, entry in sorted(document["data"].items()):
        yield Material(f"data {name}", Digest(entry["sha256"]), next(iter(entry["urls"]), ""))
