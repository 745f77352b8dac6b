"""What a stage reads of files of parameters: the declared keys alone, so that no other changes it. Pure.

A key is dotted (`train.rate`) and names a value or a group. A name that has a dot itself is found too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from builder.history.leaves import leaves
from builder.pipeline.step import Report
from builder.spec.reader import nearest

Documents = Mapping[str, Mapping[str, Any]]
"""Values by the path of their file."""


def wanted_keys(declared: str | Mapping[str, Any], report: Report) -> dict[str, tuple[str, ...] | None]:
    """For each file the keys that are asked for; None for all. What is no list of keys is reported."""
    if isinstance(declared, str):
        return {declared: None}
    wanted: dict[str, tuple[str, ...] | None] = {}
    for path, keys in declared.items():
        if keys is None:
            wanted[path] = None
        elif isinstance(keys, (list, tuple)) and keys and all(isinstance(one, str) and one for one in keys):
            wanted[path] = tuple(keys)
        else:
            report(f"params.{path}", "a list of the keys that it reads is expected", "without a value, it reads all")
    return wanted


def select(document: Mapping[str, Any], keys: Sequence[str], report: Report, place: str) -> dict[str, Any]:
    """What a document has of these keys, nested as in it; those that it lacks are reported at `place`."""
    selected: dict[str, Any] = {}
    for number, key in enumerate(keys):
        way = _way(document, key)
        if way is None:
            known = (*dict(leaves(document)), *_groups(document))
            report(f"{place}[{number}]", f"the parameter `{key}` is not there", nearest(key, known))
        else:
            _copy(document, way, selected)
    return selected


def merge(documents: Documents, report: Report) -> dict[str, Any]:
    """The values of all files together; a name that two of them have is reported."""
    merged: dict[str, Any] = {}
    for path in documents:
        for name in _shared(merged, documents[path]):
            report(f"params.{path}", f"the parameter `{name}` is in another file too", "A stage reads it of one")
        _overlay(merged, documents[path])
    return merged


def _way(document: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
    """The names on the way to a key; those with dots first."""
    if key in document:
        return (key,)
    for name, value in document.items():
        if isinstance(value, Mapping) and key.startswith(f"{name}."):
            way = _way(value, key[len(name) + 1 :])
            if way:
                return (name, *way)
    return None


def _copy(document: Mapping[str, Any], way: Sequence[str], selected: dict[str, Any]) -> None:
    for name in way[:-1]:
        document = document[name]
        selected = selected.setdefault(name, {})
    value = document[way[-1]]
    if isinstance(value, Mapping) and isinstance(selected.get(way[-1]), dict):
        _overlay(selected[way[-1]], value)
    else:
        selected[way[-1]] = _own(value)


def _own(value: Any) -> Any:
    """A value whose groups may be added to."""
    return {name: _own(one) for name, one in value.items()} if isinstance(value, Mapping) else value


def _overlay(values: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, Mapping) and isinstance(values.get(name), dict):
            _overlay(values[name], value)
        else:
            values[name] = _own(value)


def _shared(one: Mapping[str, Any], other: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name in other:
        if name in one:
            first, second = one[name], other[name]
            if isinstance(first, Mapping) and isinstance(second, Mapping):
                yield from _shared(first, second, f"{prefix}{name}.")
            else:
                yield prefix + name


def _groups(document: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in document.items():
        if isinstance(value, Mapping) and value:
            yield prefix + name
            yield from _groups(value, f"{prefix}{name}.")
