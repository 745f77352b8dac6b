"""Notebooks of Jupyter (nbformat 4, and 3): sources and outputs, cell by cell. Pictures are not looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder.errors import EnvbuildError
from builder.oci.canonical import parse_json

LARGEST = 16 << 20
"""Bytes of a notebook that is read as one; a larger one is read as any text."""


@dataclass(frozen=True, slots=True)
class Part:
    """A text of a notebook."""

    place: str
    """`cell 3`, `cell 3, output 1`."""
    text: bytes
    is_output: bool


def notebook_parts(data: bytes) -> list[Part] | None:
    """The texts of a notebook; None of what is none, which is to be read as any text."""
    try:
        document = parse_json(data, "the notebook")
    except EnvbuildError:
        return None
    cells = _cells(document)
    if cells is None:
        return None
    return [part for number, cell in enumerate(cells, 1) if isinstance(cell, dict) for part in _parts(number, cell)]


def _cells(document: Any) -> list[Any] | None:
    if not isinstance(document, dict):
        return None
    cells = document.get("cells")
    sheets = document.get("worksheets")
    if cells is None and isinstance(sheets, list) and sheets and isinstance(sheets[0], dict):
        cells = sheets[0].get("cells")
    return cells if isinstance(cells, list) else None


def _parts(number: int, cell: dict[str, Any]) -> Iterator[Part]:
    place = f"cell {number}"
    for key in ("source", "input"):
        if text := _text(cell.get(key)):
            yield Part(place, text, False)
    outputs = cell.get("outputs")
    for count, output in enumerate(outputs if isinstance(outputs, list) else [], 1):
        if isinstance(output, dict):
            for text in _output_texts(output):
                yield Part(f"{place}, output {count}", text, True)


def _output_texts(output: dict[str, Any]) -> Iterator[bytes]:
    """What an output shows: streams, errors, and each form of a result but pictures; one form, where they are equal."""
    for key in ("text", "traceback", "evalue"):
        if text := _text(output.get(key)):
            yield text
    forms = output.get("data")
    for kind, value in forms.items() if isinstance(forms, dict) else ():
        if not kind.startswith(("image/", "audio/", "video/")) and (text := _text(value)):
            yield text


def _text(value: Any) -> bytes:
    """A text of a notebook: a string, a list of lines, or a JSON value."""
    import json

    if value is None:
        return b""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        value = "".join(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
    return text.encode("utf-8", "replace")
