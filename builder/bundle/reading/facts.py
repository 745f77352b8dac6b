"""What a bundle says of itself: of each part, names with what is told of them in a line, so that two are compared."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from builder.bundle.reading.reader import Bundle
from builder.image.contents.layers import kinds_of
from builder.image.skeleton import CODE
from builder.oci.canonical import canonical_json
from builder.oci.documents import ImageConfig
from builder.oci.layer_index import in_order, layer_stream, pieces, read_index
from builder.oci.layer_rules import FILE

Section = Literal["bundle", "data", "model", "code", "commands", "image", "records", "attached"]
SECTIONS: tuple[Section, ...] = ("bundle", "data", "model", "code", "commands", "image", "records", "attached")
TOLD: tuple[Section, ...] = ("bundle", "data", "model", "commands", "records")
"""Those that a `bundle.json` tells of."""

Facts = Mapping[str, str]


def document_facts(section: Section, document: Mapping[str, Any]) -> Facts:
    """What a `bundle.json` says of a section that it tells of."""
    return dict(_SECTIONS[section](document))


def code_facts(bundle: Bundle) -> Facts | None:
    """Digest, size and mode of each file of the layer of code; None where it cannot be told which that is."""
    image = bundle.images[min(bundle.images)]
    kinds = kinds_of(image.config, len(image.manifest.layers))
    if not any(kinds):
        return None
    found: dict[str, str] = {}
    for kind, layer in zip(kinds, image.layers, strict=False):
        if kind == "code":
            index = read_index(bundle.layout, layer.descriptor, layer.diff_id)
            files = {path: item for path, item in index.items.items() if item.kind == FILE}
            sums = {item.offset: hashlib.sha256() for item in files.values()}
            with layer_stream(bundle.layout, layer.descriptor, layer.diff_id) as stream:
                for item, data in pieces(stream, in_order(files.values())):
                    sums[item.offset].update(data)
            for path, item in files.items():
                name = path.decode(errors="backslashreplace").removeprefix(f"{CODE}/")
                mode = ", executable" if item.mode & 0o100 else ""
                found[name] = _file_text(f"sha256:{sums[item.offset].hexdigest()}", item.size) + mode
    return found


def image_facts(config: ImageConfig) -> Facts:
    """What an engine is told of an image."""
    single = {
        "user": config.user, "working folder": config.working_dir, "entry point": _text(list(config.entrypoint)),
        "command": _text(list(config.cmd)), "stop signal": config.stop_signal, "created": config.created,
    }  # fmt: skip
    found = {name: text for name, text in single.items() if text and text != "[]"}
    found |= {f"variable {name}": value for name, _, value in (text.partition("=") for text in config.env)}
    found |= {f"label {name}": value for name, value in config.labels.items()}
    found |= {f"port {port}": "exposed" for port in config.exposed_ports}
    return found | {f"volume {path}": "declared" for path in config.volumes}


def attached_facts(bundle: Bundle) -> Facts:
    """What is attached, by type and digest."""
    return {f"{entry.artifact_type or entry.media_type} {entry.digest}": "attached" for entry in bundle.referrers()}


def _head(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ("name", "version", "description"):
        if document.get(key):
            yield key, _text(document[key])


def _data(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, entry in document.get("data", {}).items():
        inside = ", inside" if entry.get("packed") else ""
        checks = f", contract {entry['checks']}" if isinstance(entry.get("checks"), str) else ""
        yield name, _file_text(f"sha256:{entry['sha256']}", entry["size"]) + inside + checks


def _model(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each file, where the bundle lists them; else all as one."""
    model = document.get("model")
    if not isinstance(model, dict):
        return
    files = [file for file in _list(model.get("files")) if isinstance(file, dict) and "path" in file]
    for file in files:
        digest = file.get("digest") or f"sha256:{file.get('sha256', '')}"
        yield str(file["path"]), _file_text(str(digest), file.get("size"), str(file.get("format") or ""))
    if not files:
        yield str(model.get("path", "/model")), str(model.get("digest", ""))


def _commands(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What each command runs, and its settings one by one: `train: seed`."""
    for name, command in document.get("commands", {}).items():
        yield name, " ".join(command["run"])
        for key in sorted(command.keys() - {"run", "params"}):
            value = command[key]
            if isinstance(value, dict):
                yield from ((f"{name}: {key}.{inner}", _text(given)) for inner, given in value.items())
            elif isinstance(value, list):
                yield from ((f"{name}: {key} {_text(given)}", "yes") for given in value)
            elif value is not None and value is not False:
                yield f"{name}: {key}", _text(value)


def _records(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for record in _list(document.get("records")):
        if isinstance(record, dict) and isinstance(record.get("path"), str):
            yield record["path"], _file_text(str(record.get("digest", "")), record.get("size"))


_SECTIONS: Mapping[Section, Callable[[Mapping[str, Any]], Iterator[tuple[str, str]]]] = {
    "bundle": _head, "data": _data, "model": _model, "commands": _commands, "records": _records,
}  # fmt: skip


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else canonical_json(value).decode()


def _file_text(digest: str, size: Any, kind: str = "") -> str:
    told = f"{digest}, {size} bytes" if isinstance(size, int) else digest
    return f"{told}, {kind}" if kind else told
