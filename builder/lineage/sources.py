"""What records that are there tell of lineage: of runs, of stages, of bundles, of the audit trail. Pure.

All of it may come from anywhere: what has not the form of such a record is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from builder.errors import EnvbuildError
from builder.history.content import Content, Row
from builder.history.record import outcome_of
from builder.lineage.things import Activity, Part, PartKind, Reading
from builder.oci.canonical import canonical_json
from builder.oci.digest import Digest
from builder.records.audit.event import Event

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_WRONG = (KeyError, TypeError, ValueError, AttributeError, EnvbuildError)
_TOLD = ("params", "seed", "lock", "environment", "platform", "owner", "why", "stage_key", "parent", "metrics")

_MOST_HELD = 300

Rows = Callable[[Content], Sequence[Row] | None]
"""The files of a folder whose list is not in a record, if they are known elsewhere."""


def no_rows(content: Content) -> None:
    """Nothing is known elsewhere."""


def hex_of(digest: object) -> str | None:
    """The hexadecimal part of `sha256:…`."""
    found = _DIGEST.fullmatch(digest) if isinstance(digest, str) else None
    return found[1] if found else None


def of_run(told: Mapping[str, Any], project: str = "", changed: str | None = None, rows: Rows = no_rows) -> Activity:
    """What the record of a run tells, as its document has it; `changed` says that it is not as it was written.

    The document was read as one (`RunRecord.from_dict`) before.
    """
    code, commit, who = told["code"], told["commit"], told["who"]
    digest = hex_of(code["digest"])
    details = {name: told[name] for name in _TOLD if told[name] not in (None, "", {})}
    if commit:
        details["commit"] = {"id": commit["id"], "dirty": commit["dirty"]}
    details["run"] = [*told["run"], *told["arguments"]]
    return Activity(
        f"run:{told['id']}",
        told["kind"],
        told["command"],
        told["project"] or project,
        (*_parts(told["data"], rows), *([Part("code", digest, "code")] if digest else [])),
        tuple(_parts(told["outputs"], rows)),
        code["files"] or {},
        told["id"],
        told["image"],
        told["start"],
        outcome_of(told["state"], told["exit_code"]),
        _person(who.get("name"), who.get("email")),
        changed,
        details,
    )


def of_stages(document: object, project: str, rows: Rows = no_rows) -> Iterator[Activity]:
    """What `lock/stages.lock.json` tells of each stage."""
    stages = document.get("stages") if isinstance(document, dict) else None
    for name, entry in stages.items() if isinstance(stages, dict) else ():
        with suppress(*_WRONG):
            yield _of_stage(str(name), entry, project, rows)


def _of_stage(name: str, entry: Mapping[str, Any], project: str, rows: Rows) -> Activity:
    parts, key = entry["parts"], str(entry["key"])
    changed = None if Digest.of(canonical_json(parts)).hex == key else "its key in the lock is not that of its parts"
    used = {target.removeprefix("/app/"): _checked(one, sized=False) for target, one in parts["inputs"].items()}
    made = {path: _checked(one) for path, one in entry["outputs"].items()}
    beside = {str(path): str(digest) for path, digest in parts["code"].items()}
    code = Digest.of(canonical_json(sorted(map(list, beside.items())))).hex
    details = {
        "params": parts["parameters"],
        "seed": parts["seed"],
        "platform": parts["platform"],
        "environment_key": parts["environment"],
        "run": list(parts["arguments"]),
        "stage_key": key,
    }
    contracts = {str(path): str(digest) for path, digest in entry.get("contracts", {}).items()}
    return Activity(
        f"stage:{key}",
        "stage",
        name,
        project,
        (*_parts(used, rows), Part("code", code, "code")),
        tuple(_parts(made, rows)),
        beside | contracts,
        entry.get("run"),
        doubt=changed,
        details=details,
    )


def _checked(value: Mapping[str, Any], *, sized: bool = True) -> dict[str, Any]:
    """A file or a folder as records have it. Raises: EnvbuildError, KeyError, TypeError."""
    content = Content.from_dict(value if sized else {**value, "size": 0})
    return content.to_dict() | ({} if sized else {"size": None})


def of_bundle(document: Mapping[str, Any], digest: str, name: str) -> Activity:
    """What the `bundle.json` of an image tells that is inside of it, the digest of the image given."""
    used = []
    model = document.get("model")
    listed = model.get("files") if isinstance(model, dict) else None
    for file in listed if isinstance(listed, list) else ():
        found = hex_of(file.get("digest")) if isinstance(file, dict) else None
        if found:
            used.append(Part(f"model/{file.get('path')}", found, "file", _size(file.get("size"))))
    data = document.get("data")
    for key, one in data.items() if isinstance(data, dict) else ():
        found = hex_of(f"sha256:{one.get('sha256')}") if isinstance(one, dict) else None
        if found:
            kind: PartKind = "folder" if one.get("kind", "file") != "file" else "file"
            used.append(Part(str(key), found, kind, _size(one.get("size"))))
    code = hex_of(document.get("code"))
    if code:
        used.append(Part("code", code, "code"))
    details = {key: document[key] for key in ("lock", "version") if isinstance(document.get(key), str)}
    return image_activity(name, digest, used, details)


def image_activity(name: str, digest: str, used: Iterable[Part], details: Mapping[str, Any] | None = None) -> Activity:
    """An image of these parts. Raises: EnvbuildError, if `digest` is none."""
    sha256 = Digest.parse(digest).hex
    return Activity(
        f"image:{sha256}", "image", name, "", tuple(used), (Part(name, sha256, "image"),), details=details or {}
    )


def bundle_activity(name: str, digest: str, images: Mapping[str, str]) -> Activity:
    """A bundle, or an index, of images: their digests by platform. Raises: EnvbuildError, if one is none."""
    parts = [Part(platform, Digest.parse(image).hex, "image") for platform, image in sorted(images.items())]
    made = image_activity(name, digest, parts)
    return replace(made, id=f"bundle:{made.made[0].sha256}", kind="bundle")


def holdings(activity: Activity) -> list[list[str]]:
    """What is inside of an image, for an event of the audit trail: kind, name and digest of each part, not too many."""
    return [[part.kind, part.name[:200], f"sha256:{part.sha256}"] for part in activity.used[:_MOST_HELD]]


def of_events(events: Iterable[Event]) -> Iterator[Activity]:
    """The images and bundles that events tell of, by what they say is inside."""
    for event in events:
        holds = event.details.get("holds")
        if event.digest is None or not isinstance(holds, list):
            continue
        with suppress(*_WRONG):
            parts = [Part(str(name), Digest.parse(value).hex, _kind(kind)) for kind, name, value in holds]
            image = image_activity(event.name, event.digest, parts)
            is_bundle = event.action == "bundled"
            yield replace(
                image,
                id=image.id.replace("image:", "bundle:") if is_bundle else image.id,
                kind="bundle" if is_bundle else "image",
                start=event.time,
                who=str(event.actor),
            )


def _kind(text: object) -> PartKind:
    if text not in ("file", "folder", "code", "image"):
        raise ValueError("it is no kind of a part")
    return text


def references(events: Iterable[Event]) -> Iterator[tuple[str, str]]:
    """The places that images were pushed to, with their hexadecimal digests."""
    for event in events:
        place, digest = event.details.get("reference"), hex_of(event.digest)
        if event.action == "pushed" and isinstance(place, str) and digest:
            yield place, digest


def readings_of_run(activity: Activity, things: Container[str]) -> Iterator[Reading]:
    """What a run read of things, by their nodes (`sha256:…`), and who ran it."""
    for part in activity.used:
        read = next((one for one in part.digests() if f"sha256:{one}" in things), None)
        if read and part.kind in ("file", "folder"):
            yield Reading(
                read, part.name, activity.who, activity.start, activity.name, activity.project, activity.run,
                activity.outcome, activity.doubt,
            )  # fmt: skip


def readings_of_events(events: Iterable[Event], project: str) -> Iterator[Reading]:
    """What events say was read, by the digests of data in their details."""
    for event in events:
        data = event.details.get("data")
        for name, digest in data.items() if isinstance(data, dict) else ():
            found = hex_of(digest)
            if found:
                by = str(event.details.get("command") or event.action)
                yield Reading(found, str(name), str(event.actor), event.time, by, project)


def _parts(contents: Mapping[str, Mapping[str, Any]], rows: Rows) -> Iterator[Part]:
    for name, one in contents.items():
        files = one.get("files") if one["kind"] == "folder" else ()
        if files is None:
            files = rows(Content("folder", one["sha256"], one["size"] or 0)) or ()
        yield Part(name, one["sha256"], one["kind"], one["size"], tuple(map(tuple, files)))


def _person(name: object, email: object) -> str:
    return f"{name or ''} <{email}>".strip() if email else str(name or "")


def _size(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
