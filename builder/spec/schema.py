"""JSON Schemas (draft 2020-12) of the documents, made from the same declarations that they are read by."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Mapping
from typing import Any

from builder.spec.fields import Key, alternatives, keys

_BASE = "https://envbuild.dev/schema"


def json_schema(document: type, name: str) -> dict[str, Any]:
    """The schema of a document, which is served under `name`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{_BASE}/{name}",
        "title": name.removesuffix(".schema.json"),
        **_schema(document, None),
    }


def _schema(declared: Any, key: Key | None) -> dict[str, Any]:
    if declared is Any:
        return {}
    members = alternatives(declared)
    if len(members) > 1:
        return {
            "oneOf": [_schema(str if member is Any else member, None if member is Any else key) for member in members]
        }
    member = members[0]
    if dataclasses.is_dataclass(member):
        return _document(typing.cast("type", member))
    origin = typing.get_origin(member)
    if origin is typing.Literal:
        return {"enum": list(typing.get_args(member))}
    if origin is tuple:
        return {"type": "array", "items": _schema(typing.get_args(member)[0], key)}
    if origin is Mapping:
        names = {"propertyNames": {"pattern": f"^(?:{key.key_form.pattern})$"}} if key and key.key_form else {}
        return {"type": "object", "additionalProperties": _schema(typing.get_args(member)[1], key), **names}
    return _scalar(member, key)


def _scalar(member: type, key: Key | None) -> dict[str, Any]:
    if member is not str:
        return {"type": {bool: "boolean", int: "integer", float: "number"}[member]}
    form = key.form if key else None
    if form is None:
        return {"type": ["string", "number", "boolean"]}
    # YAML reads an unquoted 3.11 or true as another type than the text that is meant, and so it is taken.
    others = [name for name, text in (("number", "3.11"), ("boolean", "true")) if re.fullmatch(form.pattern, text)]
    return {"type": ["string", *others], "pattern": f"^(?:{form.pattern})$"}


def _document(document: type) -> dict[str, Any]:
    declared = keys(document)
    return {
        "type": "object",
        "description": (document.__doc__ or "").strip(),
        "additionalProperties": False,
        "properties": {name: {"description": key.doc, **_schema(key.type, key)} for name, key in declared.items()},
        "required": [name for name, key in declared.items() if key.required],
        **({"anyOf": [{"required": [name]} for name in document.ONE_OF]} if hasattr(document, "ONE_OF") else {}),
    }
