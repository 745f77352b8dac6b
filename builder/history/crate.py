"""A run as a Process Run Crate 0.5, on RO-Crate 1.1: what other tools read of it. Pure but for the folder's own files.

https://www.researchobject.org/workflow-run-crate/profiles/process_run_crate/ . Data and outputs are not in the crate:
they are named by their digests, and found by them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from builder.history.content import Content
from builder.history.layout import RECORD_FILE
from builder.history.leaves import leaves
from builder.history.record import RunRecord

CRATE_FILE = "ro-crate-metadata.json"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_SPECIFICATION = "https://w3id.org/ro/crate/1.1"
_TERMS = "https://w3id.org/ro/terms/workflow-run#"
_PROV = "http://www.w3.org/ns/prov#"
_CONTEXT = [
    f"{_SPECIFICATION}/context",
    {
        "sha256": f"{_TERMS}sha256",
        "containerImage": f"{_TERMS}containerImage",
        "ContainerImage": f"{_TERMS}ContainerImage",
        "DockerImage": f"{_TERMS}DockerImage",
        "registry": f"{_TERMS}registry",
        "environment": f"{_TERMS}environment",
        "resourceUsage": f"{_TERMS}resourceUsage",
        "prov": _PROV,
    },
]
_STATES = {
    "running": "http://schema.org/ActiveActionStatus",
    "ok": "http://schema.org/CompletedActionStatus",
    "failed": "http://schema.org/FailedActionStatus",
    "killed": "http://schema.org/FailedActionStatus",
}
_SOFTWARE = "https://pypi.org/project/envbuild/"
_LISTED = 200
"""Parameters and metrics that the crate has as entities at most; the record has all."""
_PARTS = {
    RECORD_FILE: ("The record of the run", "application/json"),
    "log.txt": ("What was printed", "text/plain"),
    "metrics.jsonl": ("Metrics by step", "application/jsonl"),
    "changes.patch": ("What differed from the commit", "text/x-patch"),
}

Entity = dict[str, Any]


def crate_json(record: RunRecord, folder: Path, data: bytes) -> bytes:
    """The crate of a run whose `run.json` has these bytes; of the files of `folder`, those that are there."""
    graph = [*_frame(record), *_parts(record, folder, data), _action(record), *_things(record)]
    root = next(one for one in graph if one["@id"] == "./")
    root["hasPart"] = [_link(one) for one in graph if _is_data(one) and one["@id"] != "./"]
    graph.sort(key=lambda one: str(one["@id"]))
    document = {"@context": _CONTEXT, "@graph": graph}
    return (json.dumps(document, ensure_ascii=False, allow_nan=False, sort_keys=True, indent=2) + "\n").encode()


def record_digest(crate: bytes) -> str | None:
    """The hexadecimal SHA-256 of `run.json` that a crate from anywhere tells, if it does."""
    try:
        graph = json.loads(crate)["@graph"]
        found = [one.get("sha256") for one in graph if one.get("@id") == RECORD_FILE]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return found[0] if len(found) == 1 and isinstance(found[0], str) else None


def content_id(content: Content) -> str:
    """What a file or a folder is called in a crate: by its digest, so that it is the same in all crates."""
    return f"urn:sha256:{content.sha256}"


def _frame(record: RunRecord) -> Iterator[Entity]:
    yield {
        "@id": CRATE_FILE,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": {"@id": _SPECIFICATION},
    }
    yield {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Run {record.id}",
        "description": record.why or f"A run of {record.command}" + (f" of {record.project}" if record.project else ""),
        "datePublished": _time(record.end or record.start),
        "license": "The licence of the project it is of",
        "conformsTo": {"@id": PROFILE},
        "mentions": {"@id": f"#{record.id}"},
    }
    yield {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}


def _parts(record: RunRecord, folder: Path, data: bytes) -> Iterator[Entity]:
    """The files in the folder. The digest of the record is what tells whether it was changed by hand."""
    for name, (title, media_type) in _PARTS.items():
        one: Entity = {"@id": name, "@type": "File", "name": title, "encodingFormat": media_type}
        if name == RECORD_FILE:
            yield one | {"sha256": hashlib.sha256(data).hexdigest(), "contentSize": str(len(data))}
        elif (folder / name).is_file():
            done = record.state != "running"
            yield one | ({"contentSize": str((folder / name).stat().st_size)} if done else {})


def _action(record: RunRecord) -> Entity:
    objects = [{"@id": content_id(one)} for one in record.data.values()]
    objects += [{"@id": one["@id"]} for one in _values("param", _given(record))]
    results = [{"@id": content_id(one)} for one in record.outputs.values()]
    results += [{"@id": one["@id"]} for one in _values("metric", dict(record.metrics))]
    results += [{"@id": record.log.file}] if record.log else []
    action: Entity = {
        "@id": f"#{record.id}",
        "@type": ["CreateAction", "prov:Activity"],
        "name": f"{record.kind} {record.command}",
        "description": record.why or f"What came of running {record.command}",
        "startTime": _time(record.start),
        "actionStatus": _STATES[record.outcome],
        "instrument": {"@id": _instrument(record)},
        "object": _unique(objects),
        "result": _unique(results),
        "prov:used": _unique({"@id": content_id(one)} for one in record.data.values()),
    }
    if record.end:
        action["endTime"] = _time(record.end)
    if record.who:
        action["agent"] = {"@id": "#who"}
    if record.image:
        action["containerImage"] = {"@id": f"urn:{record.image}"}
    if record.peak_memory is not None:
        action["resourceUsage"] = {"@id": "#peak-memory"}
    if record.outcome in ("failed", "killed"):
        action["error"] = _failure(record)
    return action


def _things(record: RunRecord) -> Iterator[Entity]:
    """What the action tells of: program, people, image, data, outputs, values."""
    yield {
        "@id": _instrument(record),
        "@type": ["SoftwareApplication", "prov:Plan"],
        "name": record.command,
        "description": " ".join(record.run) or record.command,
        "url": _SOFTWARE,
        "version": record.code.digest or (record.commit.id if record.commit else record.version) or "unknown",
    }
    if record.who:
        yield {"@id": "#who", "@type": "Person", **{key: text for key, text in record.who.items() if text}}
    if record.image:
        yield {
            "@id": f"urn:{record.image}",
            "@type": "ContainerImage",
            "additionalType": {"@id": f"{_TERMS}DockerImage"},
            "name": record.environment or record.project or "image",
            "sha256": record.image.removeprefix("sha256:"),
        }
    yield from _contents(record)
    yield from _values("param", _given(record))
    yield from _values("metric", dict(record.metrics))
    if record.peak_memory is not None:
        yield {
            "@id": "#peak-memory",
            "@type": "PropertyValue",
            "name": "peak memory",
            "unitText": "bytes",
            "value": record.peak_memory,
        }


def _contents(record: RunRecord) -> Iterator[Entity]:
    """Data and outputs: those of one digest are one thing, whatever they are called."""
    found: dict[str, Entity] = {}
    sources = _unique({"@id": content_id(one)} for one in record.data.values())
    for group in (record.data, record.outputs):
        for name, content in sorted(group.items()):
            kind = "File" if content.kind == "file" else "Dataset"
            one = found.setdefault(content_id(content), {"@id": content_id(content), "@type": [kind, "prov:Entity"]})
            if one.setdefault("name", name) != name:
                one["alternateName"] = sorted({name, *one.get("alternateName", ())})
            one |= {"sha256": content.sha256, "contentSize": str(content.size)}
            if kind == "Dataset":
                one["description"] = "A folder; the SHA-256 is that of its list of files"
            if group is record.outputs:
                one["prov:wasGeneratedBy"] = {"@id": f"#{record.id}"}
                one["prov:wasDerivedFrom"] = [other for other in sources if other["@id"] != one["@id"]]
    yield from found.values()


def _given(record: RunRecord) -> dict[str, Any]:
    seed = {} if record.seed is None else {"seed": record.seed}
    return dict(leaves(record.params)) | seed


def _values(kind: str, group: Mapping[str, Any]) -> Iterator[Entity]:
    for number, (name, value) in enumerate(sorted(group.items())[:_LISTED]):
        plain = value if isinstance(value, (str, int, float)) else json.dumps(value, sort_keys=True)
        yield {"@id": f"#{kind}-{number}", "@type": "PropertyValue", "name": name, "value": plain}


def _instrument(record: RunRecord) -> str:
    return f"#{record.kind}-{record.command}"


def _failure(record: RunRecord) -> str:
    if record.outcome == "killed":
        return "It was killed"
    signal = f", by {record.signal}" if record.signal else ""
    return f"It ended with exit code {record.exit_code}{signal}"


def _time(text: str) -> str:
    return text.removesuffix("Z") + "+00:00" if text.endswith("Z") else text


def _is_data(entity: Entity) -> bool:
    kinds = entity["@type"] if isinstance(entity["@type"], list) else [entity["@type"]]
    return bool({"File", "Dataset"}.intersection(kinds))


def _link(entity: Entity) -> Entity:
    return {"@id": entity["@id"]}


def _unique(links: Iterable[Entity]) -> list[Entity]:
    return list({link["@id"]: link for link in links}.values())
