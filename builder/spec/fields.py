"""Declaring a document: a dataclass whose fields say their key, meaning and form. Read by `reader` and `schema`.

A document with the class variable `ONE_OF`, names of keys, needs at least one of them. One with `CAMEL_CASE` has keys
such as `logicalType`; else they are such as `exclude-newer`.
Supported types: str, int, float, bool, a Literal, a dataclass declared likewise, `X | None`, `tuple[X, ...]`,
`Mapping[str, X]`, unions of those that differ in their YAML kind (scalar, sequence, mapping), and Any, as plain JSON
data; in a union, Any is any scalar.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Form:
    """What a scalar must look like."""

    pattern: str
    """A regular expression for the whole text; also in the JSON Schema."""
    description: str
    """What the text should be, for messages: `a name of lower-case letters and digits`."""
    check: Callable[[str], object] | None = None
    """Raises ValueError, with the reason, for what the pattern cannot tell."""
    missing_file: Callable[[Path, str], str | None] | None = None
    """Says, given the document's folder, that the file which the text names is not there."""
    confidential: bool = False
    """Whether the text may hold a credential, so that no message may repeat it."""


def missing_file(folder: Path, path: str) -> str | None:
    """Says that there is no file of this path, for a Form."""
    place = folder / path
    if place.is_file():
        return None
    return f"`{path}` is a folder, not a file" if place.is_dir() else f"the file `{path}` is not there"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a document."""

    name: str
    field: str
    type: Any
    doc: str
    form: Form | None
    """Of the scalar, or of each element."""
    key_form: Form | None
    """Of the keys of a mapping."""
    required: bool


def key(doc: str, *, default: Any = MISSING, form: Form | None = None, key_form: Form | None = None) -> Any:
    """A dataclass field for a key of a document; `default` may be a type, for an empty one of it."""
    metadata = {"doc": doc, "form": form, "key_form": key_form}
    if isinstance(default, type):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def default_of(field: dataclasses.Field[Any]) -> Any:
    """The default of a field, MISSING if it has none."""
    return field.default if field.default_factory is MISSING else field.default_factory()


@functools.cache
def keys(document: type) -> dict[str, Key]:
    """The keys of a document, by name, in the order of its fields."""
    hints = typing.get_type_hints(document)
    result = {}
    for field in dataclasses.fields(document):
        name = _written(field.name, camel_case=getattr(document, "CAMEL_CASE", False))
        result[name] = Key(
            name,
            field.name,
            hints[field.name],
            field.metadata["doc"],
            field.metadata["form"],
            field.metadata["key_form"],
            default_of(field) is MISSING,
        )
    return result


def _written(name: str, *, camel_case: bool) -> str:
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(map(str.capitalize, rest)) if camel_case else "-".join((first, *rest))


def alternatives(declared: Any) -> tuple[Any, ...]:
    """The members of a union without None; a type that is no union is its only member."""
    if isinstance(declared, types.UnionType) or typing.get_origin(declared) is typing.Union:
        return tuple(member for member in typing.get_args(declared) if member is not type(None))
    return (declared,)


def kind(declared: Any) -> str:
    """Which YAML kind a type is written as: `scalar`, `sequence` or `mapping`."""
    origin = typing.get_origin(declared)
    if origin is tuple:
        return "sequence"
    return "mapping" if origin is Mapping or dataclasses.is_dataclass(declared) else "scalar"


def as_document(value: Any) -> Any:
    """A value as plain JSON data: only what differs from the defaults, so that a new optional key changes nothing."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        defaults = {field.name: default_of(field) for field in dataclasses.fields(value)}
        return {
            name: as_document(getattr(value, key.field))
            for name, key in keys(type(value)).items()
            if getattr(value, key.field) != defaults[key.field]
        }
    if isinstance(value, Mapping):
        return {name: as_document(element) for name, element in value.items()}
    return [as_document(element) for element in value] if isinstance(value, tuple) else value
