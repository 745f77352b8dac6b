"""JSON into declared documents, strictly: every key known, every value of its type, numbers finite. Pure.

A profile may be large, and its lines tell nobody anything: it is not read as what people write (`spec.reader`).
"""

from __future__ import annotations

import dataclasses
import math
import typing
from typing import Any

from builder.spec.fields import alternatives, keys

_MOST_ELEMENTS = 10_000
_MOST_CHARACTERS = 10_000


class ShapeError(ValueError):
    """A document is not as it was declared."""


def read_value(value: Any, declared: Any, place: str) -> Any:
    """A value of a declared type. Raises: ShapeError."""
    declared = alternatives(declared)[0]
    if dataclasses.is_dataclass(declared):
        return _document(value, typing.cast("type", declared), place)
    if typing.get_origin(declared) is tuple:
        if not isinstance(value, list) or len(value) > _MOST_ELEMENTS:
            raise ShapeError(f"`{place}` is no list of at most {_MOST_ELEMENTS}")
        element = typing.get_args(declared)[0]
        return tuple(read_value(each, element, f"{place}[{number}]") for number, each in enumerate(value))
    if typing.get_origin(declared) is typing.Literal:
        choices = typing.get_args(declared)
        if not isinstance(value, str) or value not in choices:
            raise ShapeError(f"`{place}` is none of {', '.join(choices)}")
        return value
    return _scalar(value, declared, place)


def _document(value: Any, declared: type, place: str) -> Any:
    if not isinstance(value, dict):
        raise ShapeError(f"`{place}` is no object" if place else "it is no object")
    known = keys(declared)
    prefix = f"{place}." if place else ""
    unknown = sorted(map(str, value.keys() - known.keys()))
    absent = [name for name, key in known.items() if key.required and name not in value]
    if unknown or absent:
        raise ShapeError(f"`{prefix}{(unknown or absent)[0][:100]}` is {'not known' if unknown else 'missing'}")
    given = {known[name].field: read_value(each, known[name].type, prefix + name) for name, each in value.items()}
    return declared(**given)


def _scalar(value: Any, declared: type, place: str) -> Any:
    if declared is float and type(value) in (int, float) and abs(value) < 1e308 and math.isfinite(value):
        return float(value)
    if type(value) is declared and declared is not float:
        if isinstance(value, str) and len(value) > _MOST_CHARACTERS:
            raise ShapeError(f"`{place}` is longer than {_MOST_CHARACTERS} characters")
        if isinstance(value, int) and abs(value) >= 1 << 63:
            raise ShapeError(f"`{place}` is too large")
        return value
    words = {str: "text", int: "whole number", float: "finite number", bool: "`true` or `false`"}
    raise ShapeError(f"`{place}` is no {words[declared]}")
