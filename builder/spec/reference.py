"""The reference of a document for people, as Markdown, made from the same declarations that it is read by."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from builder.spec.fields import Key, alternatives, as_document, default_of, keys


def markdown_reference(document: type, file_name: str) -> str:
    """Every key of a document and of the documents in it: type, default, meaning."""
    lines = [f"## `{file_name}`", ""]
    for part in _documents(document):
        if part is not document:
            lines += [f"### {part.__name__}", ""]
        lines += [_purpose(part), "", "| key | type | default | meaning |", "|---|---|---|---|"]
        defaults = {field.name: default_of(field) for field in dataclasses.fields(part)}
        lines += [_row(key, defaults[key.field]) for key in keys(part).values()]
        lines.append("")
    return "\n".join(lines)


def _documents(document: type) -> Iterator[type]:
    """The document and those in it, each once, outermost first."""
    found = [document]
    for part in found:
        inner = dict.fromkeys(each for key in keys(part).values() for each in _inner(key.type))
        found += [each for each in inner if each not in found]
    yield from found


def _inner(declared: Any) -> Iterator[type]:
    for member in alternatives(declared):
        if dataclasses.is_dataclass(member):
            yield typing.cast("type", member)
        elif typing.get_origin(member) is Mapping:
            yield from _inner(typing.get_args(member)[1])
        elif typing.get_origin(member) is tuple:
            yield from _inner(typing.get_args(member)[0])


def _purpose(part: type) -> str:
    """What it is, and which of its keys cannot all be left out."""
    needed = [f"`{name}`" for name in getattr(part, "ONE_OF", ())]
    more = f" One of {', '.join(needed[:-1])} and {needed[-1]} is needed." if needed else ""
    return (part.__doc__ or "").strip() + more


def _row(key: Key, default: Any) -> str:
    shown = "required" if key.required else _default(as_document(default))
    return f"| `{key.name}` | {_type(key.type, key)} | {shown} | {key.doc} |"


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if value in (None, "", [], {}):
        return "none"
    return "`" + (", ".join(map(str, value)) if isinstance(value, list) else str(value)) + "`"


def _type(declared: Any, key: Key) -> str:
    return " or ".join(_member(member, key) for member in alternatives(declared))


def _member(member: Any, key: Key) -> str:
    origin, arguments = typing.get_origin(member), typing.get_args(member)
    if dataclasses.is_dataclass(member):
        return f"[{member.__name__}](#{member.__name__.lower()})"  # type: ignore[union-attr]
    if origin is typing.Literal:
        return " or ".join(f"`{choice}`" for choice in arguments)
    if origin is tuple:
        return f"list of {_type(arguments[0], key)}"
    if origin is Mapping:
        names = f"from {key.key_form.description}" if key.key_form else "of names"
        return f"mapping {names} to {_type(arguments[1], key)}"
    if member is str and key.form:
        return f"text ({key.form.description})"
    return {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "any value"}[member]
