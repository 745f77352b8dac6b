"""README and pictures of a bundle, from what it is made of. Pure.

All text that others wrote is made plain before it stands in Markdown, Mermaid or SVG.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from builder.bundle.inside.lineage import lineage_graph
from builder.bundle.inside.recorded import told_run
from builder.image.skeleton import BUNDLE, CODE, DATA, MODEL, OUTPUT
from builder.lineage.portable import LINEAGE_FILE, LINEAGE_ROLE, read_lineage
from builder.lock.document import Lock
from builder.oci.documents import Platform
from builder.records.diagram import Flow, Step, diagram
from builder.records.graph_text import graph_mermaid
from builder.records.markdown import code, mermaid, plain
from builder.records.record import MARKDOWN, Record
from builder.resources import render
from builder.spec import Project

_FOLDERS = {"code": CODE, "model": MODEL, "data": DATA, "bundle": BUNDLE, "output": OUTPUT}
_MEANINGS = {
    "contract": "what is promised of data, as an ODCS contract",
    "data-card": "the card of a data set",
    "data-check": "what came of holding data to their contract, as an in-toto test result",
    "data-lock": "which bytes data and model are",
    "dataset": "the data, as Croissant",
    "diagram": "data, commands and layers, as a picture",
    "input": "a file that the environment's spec names",
    "launcher": "what starts the commands, and fetches data",
    "licenses": "the licences of all packages",
    "lineage": "how the model was made, back to the data that nothing here made",
    "lock": "the lock: every package by hash",
    "model-card": "the model card",
    "profile": "what the values of data are like, without their rows",
    "readme": "this page",
    "run": "the run that made the model",
    "sbom": "the bill of materials, as CycloneDX",
    "scan": "what was found of secrets, unsafe pickles and personal data, and what was not looked at",
    "spec": "what it was made of, as a person wrote it",
}
"""What records are, by their role."""
_NOT_LISTED = "license-text"


def pages(
    project: Project, document: Mapping[str, Any], lock: Lock, own: Mapping[str, Any], records: Sequence[Record]
) -> Iterator[Record]:
    """README, Mermaid and SVG; `document` is `bundle.json`, `records` all other documents of the bundle.

    `own` has the project's files: `code`, `model`, `packed`, and how it is laid out again, `recreate`.
    """
    shown = {
        "bundle": document,
        "lock": lock.document,
        "wheels": lock.wheels,
        "conda": lock.conda,
        "recreate": own["recreate"],
        "code_files": own["code"],
        "model_files": own["model"],
        "folders": _FOLDERS,
        "label": mermaid,
    }
    made = next((one for one in records if one.role == LINEAGE_ROLE), None)
    lineage = read_lineage(made.data, LINEAGE_FILE) if made else None
    drawing = lineage_graph(lineage) if lineage else None
    picture = diagram(replace(_flow(document, lock, own), made=drawing))
    mermaid_text = render("bundle/diagram.mmd.j2", shown)
    drawn = (picture, Record("diagram.mmd", "diagram", "text/vnd.mermaid", mermaid_text.encode()))
    readme = Record("README.md", "readme", MARKDOWN, b"")
    listed = sorted((one for one in (*records, *drawn, readme) if one.role != _NOT_LISTED), key=lambda one: one.path)
    values = {
        **shown,
        "project": project,
        "described": project.data,
        "records": listed,
        "run": told_run(own["run"]) if own.get("run") else None,
        "meanings": _MEANINGS,
        "has_licenses": any(one.role == "licenses" for one in records),
        "plain": plain,
        "code": code,
        "files": _files,
        "lineage": lineage,
        "lineage_mermaid": graph_mermaid(drawing) if drawing else "",
        "places": lambda urls: ", ".join(map(code, urls)),
    }
    yield from drawn
    yield Record(readme.path, readme.role, readme.media_type, render("bundle/README.md.j2", values).encode())


def _flow(document: Mapping[str, Any], lock: Lock, own: Mapping[str, Any]) -> Flow:
    model = f"/{MODEL}"
    sources = [
        (f"/{DATA}/{name}", "inside" if data["packed"] else "fetched or mounted")
        for name, data in document["data"].items()
    ]
    if own["model"]:
        sources.append((model, _files(own["model"])))
    steps = [
        Step(
            name,
            " ".join(command["run"]),
            (
                *(f"/{DATA}/{data}" for data in command["inputs"]),
                *((model,) if command["port"] and own["model"] else ()),
            ),
            (*(f"/{OUTPUT}/{output}" for output in command["outputs"]), *_port(command)),
        )
        for name, command in document["commands"].items()
    ]
    title = f"{document['name']} {document['version']}"
    return Flow(title, tuple(sources), tuple(steps), tuple(_layers(lock, own)))


def _port(command: Mapping[str, Any]) -> tuple[str, ...]:
    return (f"port {command['port']}",) if command["port"] else ()


def _layers(lock: Lock, own: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What lies on what, the lowest first."""
    for platform, locked in lock.document.platforms.items():
        parts = [f"Debian {locked.suite}" if locked.suite else locked.base_name, f"Python {locked.interpreter.version}"]
        parts += _packages(lock, platform)
        yield f"{platform}", ", ".join(parts)
    if own["model"]:
        yield f"/{MODEL}", _files(own["model"])
    if own["packed"]:
        yield f"/{DATA}", ", ".join(own["packed"])
    if own["code"]:
        yield f"/{CODE}", _files(own["code"])
    yield f"/{BUNDLE}", "launcher, spec, lock, README, licences, bill of materials"


def _packages(lock: Lock, platform: Platform) -> Iterator[str]:
    counts = {
        "debs": len(lock.document.platforms[platform].debian),
        "conda packages": len(lock.conda.get(platform, ())),
        "wheels": len(lock.wheels[platform]),
    }
    return (f"{number} {what}" for what, number in counts.items() if number)


def _files(files: Sequence[str]) -> str:
    return f"{len(files)} file{'' if len(files) == 1 else 's'}"
