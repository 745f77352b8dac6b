"""The one way in which documents that have a digest are written, and strict reading of foreign JSON."""

from __future__ import annotations

import json
import math
from typing import Any

from builder.errors import EnvbuildError


def canonical_json(value: Any) -> bytes:
    """`value` as compact UTF-8 JSON with sorted keys: equal values give equal bytes."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode()


def readable_json(value: Any) -> bytes:
    """`value` as indented UTF-8 JSON with sorted keys and a final newline, one scalar a line (merges well in git)."""
    return (json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, indent=2) + "\n").encode()


def parse_json(data: bytes, what: str) -> Any:
    """Read JSON that came from outside.

    Raises: EnvbuildError, naming `what`, if it is not JSON, nests too deep, or repeats a key.
    """
    try:
        value = json.loads(
            data, object_pairs_hook=_no_duplicate_keys, parse_constant=_no_such_number, parse_float=_finite
        )
        if b"\\u" in data:
            json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise EnvbuildError(f"{what} is not valid JSON", str(error)) from error
    return value


def _no_such_number(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_such_number(text)


def _no_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return result
