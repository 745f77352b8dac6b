"""The documents inside a bundle: `bundle.json` (what the launcher reads), README, diagram, spec, lock. Pure."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from builder.bundle.form import BUNDLE_FORMAT
from builder.bundle.inside.pages import pages
from builder.bundle.inside.promised import Promise, data_fields, promises_by_data
from builder.bundle.inside.recipe import Recipe, make_recipe
from builder.bundle.inside.recorded import RUN_ROLE
from builder.bundle.parts.data import PackedData, packed_names
from builder.image.skeleton import BUNDLE, DATA, MODEL
from builder.layers.files import FileEntry
from builder.lineage.portable import LINEAGE_ROLE
from builder.lock.data.document import DATA_LOCK_FILE, DataLock
from builder.lock.data.download import base_url
from builder.lock.data.entry import DataEntry
from builder.lock.document import Lock
from builder.oci.canonical import readable_json
from builder.oci.digest import Digest
from builder.records.model_formats import ModelFile
from builder.records.record import JSON, MARKDOWN, TEXT, YAML, Record
from builder.resources import read_template
from builder.spec import Command, Project
from builder.spec.data_url import hub_web_url, is_path

LOGGER = "python/envbuild_run.py"
"""Below the bundle's folder, by which a command logs metrics; its folder alone is where Python finds modules."""
_LOCK_TYPES = {".json": JSON, ".toml": "application/toml", ".yml": YAML}


@dataclass(frozen=True, slots=True)
class Contents:
    """What goes into a bundle besides the environment."""

    code: tuple[FileEntry, ...]
    model: tuple[FileEntry, ...]
    parameters: Mapping[str, Mapping[str, Any]]
    """The parameters of each command that has some, with their defaults."""
    code_digest: Digest
    model_digest: Digest | None
    """None where there is no model yet."""
    card: bytes | None
    """The model card, if there is one."""
    spec: bytes
    """The project's `envbuild.yaml`."""
    environment: bytes | None
    """The `environment.yaml` of a shared environment."""
    data: DataLock = field(default_factory=DataLock)
    """What data and model are, by spec and data lock."""
    packed: tuple[PackedData, ...] = ()
    """Data that are in the image; sorted by name."""
    data_lock: bytes | None = None
    """The project's data lock, if it has one."""
    inputs: Mapping[str, bytes] = field(default_factory=dict)
    """The files that the environment's spec names, by their path from its folder."""
    records: tuple[Record, ...] = ()
    """What was written down of packages, data and model."""
    model_files: tuple[ModelFile, ...] = ()
    """What the files of the model are; in the order of `model`."""
    promises: tuple[Promise, ...] = ()
    """The contracts of its data, and what came of them."""
    notes: tuple[str, ...] = ()
    """What whoever packs it should be told."""
    run: Mapping[str, Any] | None = None
    """What is told of the run that the model is of."""


def bundle_json(
    project: Project, name: str, lock: Lock, contents: Contents, records: Sequence[Record] = ()
) -> dict[str, Any]:
    """What the launcher and other tools read: commands, data, and digests of what the bundle is made of.

    `records` are the other documents of the bundle's folder.
    """
    packed = {one.name for one in contents.packed}
    promises = promises_by_data(contents.promises)
    return {
        "format": BUNDLE_FORMAT,
        "name": name,
        "version": project.version,
        "description": project.description,
        "lock": str(lock.digest),
        "code": str(contents.code_digest),
        "model": _model(contents),
        "data": {
            name: data_reference(name, contents.data.data[name], packed=name in packed)
            | data_fields(name, promises.get(name))
            for name in project.data
        },
        "commands": {
            name: _command(command, contents.parameters.get(name, {})) for name, command in project.commands.items()
        },
        "recreate": _recipe(project, name, contents).to_dict(),
        "records": [record.to_dict() for record in records],
    }


def _recipe(project: Project, name: str, contents: Contents) -> Recipe:
    return make_recipe(
        _recreation(project, name, contents),
        has_code=bool(contents.code),
        has_model=bool(contents.model),
        has_run=_has_run(contents),
    )


def _has_run(contents: Contents) -> bool:
    return any(record.role == RUN_ROLE for record in contents.records)


def _model(contents: Contents) -> dict[str, Any] | None:
    """Where the model is, its digest, and what its files tell of themselves."""
    if contents.model_digest is None:
        return None
    digests = {entry.path: {"digest": str(entry.digest)} for entry in contents.model if entry.digest}
    files = [{**file.to_dict(), **digests.get(file.path, {})} for file in contents.model_files]
    return {"path": f"/{MODEL}", "digest": str(contents.model_digest), "files": files}


def bundle_files(project: Project, name: str, lock: Lock, contents: Contents) -> tuple[FileEntry, ...]:
    """The files of `/bundle`: the launcher and the documents."""
    launcher = FileEntry(f"{BUNDLE}/launcher.py", read_template("launcher.py"), mode=0o755)
    records = [
        Record("launcher.py", "launcher", "text/x-python", launcher.data),
        Record(LOGGER, "logger", "text/x-python", read_template("envbuild_run.py")),
        *_given(lock, contents),
        *contents.records,
    ]
    own = {
        "code": [entry.path for entry in contents.code],
        "model": [entry.path for entry in contents.model],
        "packed": [one.name for one in contents.packed],
        "recreate": _recreation(project, name, contents),
        "run": contents.run,
    }
    records += pages(project, bundle_json(project, name, lock, contents), lock, own, records)
    records.sort(key=lambda record: record.path)
    index = readable_json(bundle_json(project, name, lock, contents, records))
    files = {record.path: record.data for record in records if record.path != "launcher.py"}
    return (
        launcher,
        *(FileEntry(f"{BUNDLE}/{path}", data) for path, data in ({"bundle.json": index} | files).items()),
    )


def _given(lock: Lock, contents: Contents) -> Iterator[Record]:
    """What is in the bundle as it is in the project."""
    yield Record("envbuild.yaml", "spec", YAML, contents.spec)
    if contents.environment is not None:
        yield Record("environment.yaml", "spec", YAML, contents.environment)
    if contents.card is not None:
        yield Record("MODEL_CARD.md", "model-card", MARKDOWN, contents.card)
    if contents.data_lock is not None:
        yield Record(DATA_LOCK_FILE, "data-lock", JSON, contents.data_lock)
    for file, data in lock.files.items():
        yield Record(f"lock/{file}", "lock", _LOCK_TYPES.get(posixpath.splitext(file)[1], TEXT), data)
    for path, data in contents.inputs.items():
        yield Record(_input_name(path), "input", TEXT, data)


def _recreation(project: Project, name: str, contents: Contents) -> dict[str, Any]:
    """Where each file goes, so that building gives the same digest: a shared environment keeps its relative place."""
    shared = project.environment if isinstance(project.environment, str) else ""
    places = [posixpath.normpath(posixpath.join(shared, path)) for path in ("", *contents.inputs)]
    ups = max(place.split("/").count("..") for place in places)
    folder = "/".join(["recreated", *["project"] * (ups - 1), name])
    card = project.model.card if project.model else None
    path = project.model.path if project.model else None
    model = f"{folder}/{path}" if path else folder
    is_file = len(contents.model) == 1 and contents.model[0].path == posixpath.basename(model)
    return {
        "project": folder,
        "environment": posixpath.normpath(f"{folder}/{shared}"),
        "shared": bool(shared),
        "card": f"{folder}/{card}" if card else None,
        "card_folder": posixpath.dirname(f"{folder}/{card}"),
        "model_folder": (posixpath.dirname(model) if is_file else model) if path else None,
        "data_lock": contents.data_lock is not None,
        "data": list(_placed_data(contents, folder)),
        "packing": _packing_option(contents),
        "checks": " --no-check" if any(one.evidence is None for one in contents.promises) else "",
        "contracts": [
            {"name": one.place, "path": place, "folder": posixpath.dirname(place)}
            for one in contents.promises
            if (place := f"{folder}/{one.source}")
        ],
        "run": _has_run(contents),
        "lineage": any(record.role == LINEAGE_ROLE for record in contents.records),
        "inputs": [
            {"name": _input_name(path), "path": place, "folder": posixpath.dirname(place)}
            for path in sorted(contents.inputs)
            if (place := posixpath.normpath(f"{folder}/{shared}/{path}"))
        ],
    }


def _placed_data(contents: Contents, folder: str) -> Iterator[dict[str, Any]]:
    """Where packed data are in the project, if they are of it."""
    for one in contents.packed:
        local = _local(one.entry)
        if local is not None:
            place, is_file = posixpath.normpath(f"{folder}/{local}"), one.entry.kind == "file"
            yield {
                "source": one.path if is_file else f"{one.path}/.",
                "place": place,
                "folder": posixpath.dirname(place) if is_file else place,
            }


def _packing_option(contents: Contents) -> str:
    """What `build` is to be told, so that the same data are in the image."""
    packed = tuple(one.name for one in contents.packed)
    if packed == packed_names(contents.data.data, "default"):
        return ""
    return " --full" if packed else " --thin"


def _input_name(path: str) -> str:
    """Where in the bundle's folder a file is that the environment's spec names."""
    return f"inputs/{hashlib.sha256(path.encode()).hexdigest()[:8]}-{posixpath.basename(path)}"


def data_reference(name: str, entry: DataEntry, *, packed: bool = False) -> dict[str, Any]:
    """What is said of an entry of data: where it is in the image and elsewhere, and which bytes it has."""
    kind = {} if entry.kind == "file" else {"kind": entry.kind}
    return {
        "path": f"/{DATA}/{name}",
        "local": _local(entry),
        "urls": _urls(entry),
        "sha256": entry.digest.hex,
        "size": entry.size,
        "packed": packed,
        **kind,
    }


def _local(entry: DataEntry) -> str | None:
    """Where it is in the project: a file, or the folder that the files of its manifest are below."""
    if entry.pointer:
        return entry.pointer.path
    if not is_path(entry.url):
        return None
    return entry.url if entry.kind == "file" else base_url(entry.url).lstrip("/") or "."


def data_place(entry: DataEntry) -> str:
    """Where it is had, empty where only the project has it."""
    return next(iter(_urls(entry)), "")


def _urls(entry: DataEntry) -> list[str]:
    """Where it is had: a file, or a folder's files below it. What a web client understands is among them."""
    if is_path(entry.source):
        return []
    url = entry.source if entry.kind == "file" else base_url(entry.source)
    return [url, *filter(None, [hub_web_url(url)])]


def _command(command: Command, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "run": list(command.arguments),
        "inputs": list(command.inputs),
        "outputs": list(command.outputs),
        "params": command.params,
        "parameters": dict(parameters),
        "seed": command.seed,
        "port": command.port,
        "ready": command.ready,
        "environment": dict(command.env),
        "deterministic": command.deterministic,
        "tolerances": dict(command.tolerances),
    }
