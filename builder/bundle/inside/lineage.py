"""How the model of a bundle was made, for its documents; and what its images hold, for who asks for it later."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from builder.bundle.inside.origin import Origin
from builder.bundle.inside.recorded import OUTPUTS
from builder.bundle.parts.code import file_digest
from builder.errors import EnvbuildError
from builder.history.content import Content
from builder.history.index import index_file
from builder.history.layout import RECORD_LIMIT, RUNS
from builder.image.kept import Image
from builder.layers.files import FileEntry, Kind
from builder.lineage.gathered import STAGES_LOCK_FILE, Place, read_project
from builder.lineage.graph import Lineage
from builder.lineage.images import keep_bundle, keep_image
from builder.lineage.portable import (
    LINEAGE_FILE,
    LINEAGE_ROLE,
    activities_of,
    lineage_bytes,
    lineage_document,
    read_lineage,
)
from builder.lineage.shown import graph_of, ways
from builder.lineage.sources import holdings, of_bundle
from builder.lineage.things import Activity
from builder.lock.data.document import DataLock
from builder.oci.store import Store
from builder.records.graph import Graph
from builder.records.record import JSON, Record
from builder.spec import LoadedProject


def lineage_record(
    loaded: LoadedProject, model: Sequence[FileEntry], origin: Origin | None, store: Store
) -> Record | None:
    """What was done for the model of a project, back to what nothing of it made; None where nothing is known.

    Raises: EnvbuildError, if the runs of the project cannot be read.
    """
    place = Place(loaded.folder, loaded.name, index_file(store.root, loaded.folder))
    if not model:
        return None
    if not ((place.folder / RUNS).is_dir() or (place.lock / STAGES_LOCK_FILE).is_file()):
        return _taken_along(loaded, model)
    known = read_project(place, store)
    run = origin.id if origin else None
    # the same work is told by the lock, which others have too, and by the record of the run
    order = sorted((*known.stages, *known.runs), key=lambda one: run is not None and one.run != run)
    document = lineage_document(Lineage.of(_told_once(order)), list(_digests(model)))
    if document is None:
        return None
    return Record(LINEAGE_FILE, LINEAGE_ROLE, JSON, lineage_bytes(document))


def _taken_along(loaded: LoadedProject, model: Sequence[FileEntry]) -> Record | None:
    """The record in a project that was laid out from a bundle, if it is of this model."""
    try:
        place = loaded.folder / OUTPUTS / LINEAGE_FILE
        with open(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            data = file.read(RECORD_LIMIT)
        document = read_lineage(data, LINEAGE_FILE)
    except (OSError, EnvbuildError):  # nothing, or of another tool
        return None
    if not set(document["model"]) <= set(_digests(model)):
        return None
    return Record(LINEAGE_FILE, LINEAGE_ROLE, JSON, data)


def lineage_graph(document: Mapping[str, Any]) -> Graph:
    """How a model was made, as it is drawn."""
    lineage = Lineage.of(activities_of(document, ""))
    starts = {f"sha256:{sha256}": f"sha256:{sha256}" for sha256 in document["model"] if sha256 in lineage.makers}
    links = [link for link in lineage.backward(starts).links if link.part.kind not in ("code", "beside")]
    inner = {node: node for node in starts if any(link.whole and link.end == node for link in links)}
    shown = inner or starts  # of a part of an output, files alone are known
    return graph_of(lineage, ways(links, shown), list(shown), "How the model was made")


def remember(store: Store, name: str, images: Sequence[Image], document: Mapping[str, Any], data: DataLock) -> None:
    """Keep what the images of a project hold, by what their `bundle.json` says and the files of locked folders."""
    rows = {key: tuple((one.path, one.digest.hex, one.size) for one in entry.files) for key, entry in data.data.items()}
    for image in images:
        activity = of_bundle(document, str(image.descriptor.digest), name)
        used = tuple(replace(part, files=rows.get(part.name, ())) for part in activity.used)
        keep_image(store, replace(activity, used=used))


def remember_bundle(store: Store, name: str, digest: str, images: Sequence[Image]) -> list[list[str]]:
    """Keep of which images a bundle is; what it holds, for the audit trail."""
    digests = {str(image.config.platform): str(image.descriptor.digest) for image in images}
    return holdings(keep_bundle(store, name, digest, digests))


def _told_once(activities: Sequence[Activity]) -> Iterator[Activity]:
    """Without runs that a lock tells of, too."""
    locked = {one.run for one in activities if not one.id.startswith("run:") and one.doubt is None}
    return (one for one in activities if not (one.id.startswith("run:") and one.run in locked))


def _digests(model: Sequence[FileEntry]) -> Iterator[str]:
    """The model as a whole, and each of its files."""
    rows = [(one.path, file_digest(one).hex, one.size) for one in model if one.kind is Kind.FILE]
    if len(rows) > 1:
        yield Content.of_folder(rows).sha256
    yield from (row[1] for row in rows)
