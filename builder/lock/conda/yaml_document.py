"""YAML of others, composed within bounds: size, depth, and number of nodes; nodes keep their lines. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from builder.spec.yaml_events import NestsTooDeepError, yaml_events, yaml_loader

DEPTH_LIMIT = 20
SIZE_LIMIT = 64 << 20
"""Bytes; a lock of 3,000 packages has 2 million."""
_NODE_LIMIT = 3_000_000


class YamlRefusedError(ValueError):
    """Why a document is not read, and on which line."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


def compose(text: str) -> Any:
    """The root node of a document, without aliases; None if it is empty.

    Raises: YamlRefusedError.
    """
    import yaml

    try:
        _check(text)
        return yaml.compose(text, Loader=yaml_loader())
    except yaml.YAMLError as error:
        raise _not_yaml(error) from error


def load(text: str) -> Any:
    """The plain values of a document, without aliases.

    Raises: YamlRefusedError.
    """
    import yaml

    try:
        _check(text)
        return yaml.load(text, Loader=yaml_loader())  # noqa: S506 (it is a safe one)
    except yaml.YAMLError as error:
        raise _not_yaml(error) from error
    except YamlRefusedError:
        raise
    except (ValueError, OverflowError) as error:  # a time or number that is none
        raise YamlRefusedError(f"a value cannot be read: {error}") from error


def _check(text: str) -> None:
    """Look at the events before anything is built of them."""
    import yaml

    if len(text) > SIZE_LIMIT:
        raise YamlRefusedError(f"it is larger than {SIZE_LIMIT} bytes")
    try:
        for number, event in enumerate(yaml_events(text, DEPTH_LIMIT)):
            if isinstance(event, yaml.AliasEvent):
                raise YamlRefusedError("an alias (`*name`) is not taken", _line(event.start_mark))
            if number > _NODE_LIMIT:
                raise YamlRefusedError(f"it has more than {_NODE_LIMIT} values")
    except NestsTooDeepError as error:
        raise YamlRefusedError(str(error), _line(error.mark)) from error


def _not_yaml(error: Exception) -> YamlRefusedError:
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
    return YamlRefusedError(f"this is not YAML: {problem}", _line(getattr(error, "problem_mark", None)))


def pairs(node: Any) -> Iterator[tuple[str, Any, int]]:
    """Key, value and line of a mapping's entries; keys that are no single values as an empty text."""
    for key, value in node.value:
        yield (str(key.value) if key.id == "scalar" else ""), value, key.start_mark.line + 1


def line_of(node: Any) -> int:
    """Where a node begins, from 1."""
    return _line(node.start_mark)


def _line(mark: Any) -> int:
    return int(mark.line) + 1 if mark else 1
