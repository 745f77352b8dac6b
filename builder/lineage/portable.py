"""The lineage of a model as it goes along in its bundle, `lineage.json`: steps back to what nothing here made. Pure.

No days, people, machines or names of runs are in it, so that the same work gives the same bytes. What a stage's lock
tells counts more than records of runs, which other machines need not have; what was changed by hand does not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from builder.errors import EnvbuildError
from builder.history.content import Content
from builder.lineage.graph import Lineage
from builder.lineage.things import Activity, Part
from builder.oci.canonical import canonical_json, parse_json, readable_json
from builder.oci.digest import Digest

LINEAGE_FILE = "lineage.json"
LINEAGE_ROLE = "lineage"
LINEAGE_FORMAT = 1
_LISTED = 100
"""Files of a folder that are listed at most."""
_MOST_STEPS = 1000
_KEPT = ("run", "params", "seed", "owner", "why", "platform")
_KINDS = ("command", "stage")


def lineage_document(lineage: Lineage, model: Sequence[str]) -> dict[str, Any] | None:
    """What the files of a model came from, by their digests; None where nothing is known of it.

    Of several runs that wrote the same bytes the first one counts, as `lineage` has them.
    """
    steps = _steps_back(lineage, model)
    if not steps:
        return None
    made = {sha256 for step in steps for part in step.made for sha256 in part.digests()}
    sources: dict[str, Part] = {}
    for part in (part for step in steps for part in step.used if part.kind != "code"):
        if part.sha256 not in made:
            sources.setdefault(part.sha256, part)
    return {
        "format": LINEAGE_FORMAT,
        "model": sorted(set(model)),
        "steps": [_step(step) for step in steps],
        "sources": [_part(part) | {"name": part.name} for part in sorted(sources.values(), key=lambda one: one.name)],
    }


def lineage_bytes(document: Mapping[str, Any]) -> bytes:
    """The file."""
    return readable_json(document)


def read_lineage(data: bytes, what: str) -> dict[str, Any]:
    """The file, from anywhere. Raises: EnvbuildError, naming `what`, if it is none."""
    document = parse_json(data, what)
    try:
        if document["format"] != LINEAGE_FORMAT or len(document["steps"]) > _MOST_STEPS:
            raise ValueError("it is of another format")
        for _ in activities_of(document, "", strict=True):
            pass
    except (KeyError, TypeError, ValueError, AttributeError, EnvbuildError) as error:
        raise EnvbuildError(f"{what} is no lineage", str(error)) from error
    return dict(document)


def activities_of(document: Mapping[str, Any], project: str, *, strict: bool = False) -> Iterator[Activity]:
    """The steps of a document as activities, the last one first; those without the right form are left out.

    Raises: KeyError, TypeError, ValueError, AttributeError, EnvbuildError, if `strict`.
    """
    for step in reversed(document["steps"]):
        with suppress(*(() if strict else (KeyError, TypeError, ValueError, AttributeError, EnvbuildError))):
            yield _activity(step, project)


def _steps_back(lineage: Lineage, model: Sequence[str]) -> list[Activity]:
    """What was done, each behind what made what it used."""
    chosen: dict[str, Activity | None] = {}
    order: dict[str, Activity] = {}
    waiting = [(sha256, False) for sha256 in reversed(model)]
    open_: set[str] = set()
    while waiting:
        sha256, done = waiting.pop()
        if done:
            maker = chosen[sha256]
            if maker:
                order.setdefault(maker.id, maker)
            continue
        if sha256 in chosen:
            continue
        maker = chosen[sha256] = _maker(lineage, sha256)
        if maker is None or maker.id in open_:
            continue
        open_.add(maker.id)
        waiting.append((sha256, True))
        needed = [each for part in maker.used for each in part.digests() if part.kind != "code"]
        waiting += [(each, False) for each in reversed(needed)]
    return list(order.values())[-_MOST_STEPS:]


def _maker(lineage: Lineage, sha256: str) -> Activity | None:
    """The first one that is to be trusted, ended well, and did not find it there already."""
    for name, _ in lineage.makers.get(sha256, ()):
        activity = lineage.activities[name]
        found = any(sha256 in part.digests() for part in activity.used)
        if activity.kind in _KINDS and activity.doubt is None and activity.outcome in ("ok", "") and not found:
            return activity
    return None


def _step(activity: Activity) -> dict[str, Any]:
    code = next((part.sha256 for part in activity.used if part.kind == "code"), None)
    files = activity.beside if len(activity.beside) <= _LISTED else None
    told = {key: activity.details.get(key) for key in _KEPT}
    return {
        "kind": activity.kind,
        "name": activity.name,
        **told,
        "code": {"sha256": code, "files": dict(files) if files is not None else None},
        "inputs": {part.name: _part(part) for part in activity.used if part.kind != "code"},
        "outputs": {part.name: _part(part) for part in activity.made},
    }


def _part(part: Part) -> dict[str, Any]:
    files = [list(row) for row in part.files] if part.kind == "folder" and 0 < len(part.files) <= _LISTED else None
    return {"kind": part.kind, "sha256": part.sha256, "size": part.size, **({"files": files} if files else {})}


def _activity(step: Mapping[str, Any], project: str) -> Activity:
    kind, name = step["kind"], step["name"]
    if kind not in _KINDS or not isinstance(name, str):
        raise ValueError("a step has no kind, or no name")
    code = step["code"]["sha256"]
    used = [*_read_parts(step["inputs"]), *([Part("code", Digest(code).hex, "code")] if code else [])]
    beside = {str(path): Digest(sha256).hex for path, sha256 in (step["code"].get("files") or {}).items()}
    return Activity(
        f"step:{Digest.of(canonical_json(step)).hex}",
        kind,
        name,
        project,
        tuple(used),
        tuple(_read_parts(step["outputs"])),
        beside,
        details={key: step[key] for key in _KEPT if step.get(key) not in (None, "", {})},
    )


def _read_parts(parts: Mapping[str, Any]) -> Iterable[Part]:
    for name, value in parts.items():
        size = value["size"]
        content = Content.from_dict({**value, "size": size or 0, "files": value.get("files")})
        part = Part.of(str(name), content)
        yield part if size is not None else Part(part.name, part.sha256, part.kind, None, part.files)
