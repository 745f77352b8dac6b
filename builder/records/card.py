"""A model card for a model that has none of its own: what is declared and locked, in Hugging Face's form. Pure.

A card that somebody wrote is never changed; this one says nothing that nobody said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from builder.errors import EnvbuildError
from builder.records.licenses.expression import spdx
from builder.records.markdown import code, plain
from builder.records.record import MARKDOWN, Record
from builder.records.subject import Subject

CARD_FILE = "MODEL_CARD.md"
_FRONT = re.compile(rb"\A\s*---(?:\r\n|\r|\n)(.*?)(?:\r\n|\r|\n)---[ \t]*(?:\r\n|\r|\n|\Z)", re.DOTALL)
"""What the Hub takes for front matter."""
_MOST_METRICS = 100
_DEEPEST = 50
"""Levels of front matter."""
_LIBRARIES = {"scikit-learn": "sklearn", "torch": "pytorch", "tensorflow": "tensorflow", "transformers": "transformers"}
_FORMATS = ("safetensors", "gguf", "onnx", "joblib")
"""Those that the Hub has a tag for."""


def check_card(card: bytes, name: str) -> None:
    """Make sure that others can load a card that somebody wrote: UTF-8, with front matter that is a YAML mapping.

    Raises: EnvbuildError, naming the file `name`.
    """
    import yaml

    from builder.spec.yaml_events import yaml_events, yaml_loader

    try:
        card.decode()
    except UnicodeDecodeError as error:
        raise EnvbuildError(f"`{name}` cannot be read", "it is not UTF-8", "Save the model card as UTF-8") from error
    front = _FRONT.match(card)
    if front is None:
        return
    try:
        for _ in yaml_events(front[1], _DEEPEST):
            pass
        document = yaml.load(front[1], Loader=yaml_loader())  # noqa: S506 - it is the safe one
    except (yaml.YAMLError, ValueError) as error:
        why = str(error).replace("\n", " ")
        raise EnvbuildError(
            f"`{name}` has front matter that is not YAML", why, "Correct what is between `---`"
        ) from error
    if document is not None and not isinstance(document, dict):
        hint = "Write `license: mit` and the like between `---`, or leave it out"
        raise EnvbuildError(f"`{name}` has front matter that is no mapping", hint=hint)


def made_card(subject: Subject, packages: Collection[str]) -> Record | None:
    """The card of a model that has none, None where there is no model; `packages` are the names of all packages."""
    if not subject.model or subject.has_card:
        return None
    front = "\n".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in _front(subject, packages))
    body = "\n".join(_body(subject))
    return Record(CARD_FILE, "model-card", MARKDOWN, f"---\n{front}\n---\n\n{body}\n".encode())


def _front(subject: Subject, packages: Collection[str]) -> Iterator[tuple[str, Any]]:
    """JSON values, which YAML reads the same."""
    expression = spdx(subject.license)
    if expression:
        yield "license", expression.lower() if " " not in expression else "other"
        if " " in expression:
            yield "license_name", expression
    library = next((name for package, name in _LIBRARIES.items() if package in packages), None)
    if library:
        yield "library_name", library
    formats = {part.file.format for part in subject.model}
    yield "tags", ["envbuild", *(name for name in _FORMATS if name in formats)]
    if subject.metrics and subject.measured_on:
        yield "model-index", [_results(subject)]


def _results(subject: Subject) -> dict[str, Any]:
    """What was measured, in the form of the Hub's model index; of which task it is, nobody has said."""
    data = ", ".join(subject.measured_on)
    metrics = [{"type": name, "value": value} for name, value in sorted(subject.metrics.items())]
    result = {"task": {"type": "other"}, "dataset": {"name": data, "type": data}, "metrics": metrics[:_MOST_METRICS]}
    return {"name": subject.name, "results": [result]}


def _body(subject: Subject) -> Iterator[str]:
    yield f"# {plain(subject.name)} {plain(subject.version)}"
    yield ""
    if subject.description:
        yield from (plain(subject.description), "")
    yield from ("Made of what the project declares; nobody has written a card for this model yet.", "")
    yield from ("## Files", "", "| file | format | size | parameters | SHA-256 |", "|---|---|---|---|---|")
    for part in subject.model:
        file = part.file
        parameters = f"{file.parameters}" + (f" ({plain(file.precision)})" if file.precision else "")
        told = parameters if file.parameters is not None else ""
        yield f"| {code(file.path)} | {file.format} | {file.size} | {told} | `{part.digest.hex}` |"
    yield ""
    if any(part.file.runs_code for part in subject.model):
        yield from ("Loading a pickle runs code of whoever made it: load these files only if you trust them.", "")
    if subject.datasets:
        yield from ("## Data", "")
        for dataset in subject.datasets:
            licence = f" Licence: {plain(dataset.license)}." if dataset.license else ""
            about = f": {plain(dataset.description)}" if dataset.description else ""
            yield f"- {plain(dataset.name)}{about}{licence}"
        yield ""
    if subject.metrics:
        yield from ("## Metrics", "", "Of the run that made it.", "", "| metric | value |", "|---|---|")
        for name, value in sorted(subject.metrics.items())[:_MOST_METRICS]:
            yield f"| {code(name)} | {value} |"
        yield ""
    yield from _listed("Limits", subject.limits)
    yield from _listed("Contacts", subject.contacts)


def _listed(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield from (f"## {title}", "", *(f"- {plain(line)}" for line in lines), "")
