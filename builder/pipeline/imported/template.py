"""DVC's templates: `${…}` with a value from the files of variables, `foreach` and `matrix`. Pure.

https://doc.dvc.org/user-guide/project-structure/dvcyaml-files#templating
"""

from __future__ import annotations

import itertools
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

_REFERENCE = re.compile(r"(?<!\\)\$\{\s*([^{}\s][^{}]*?)\s*\}")
_PART = re.compile(r"\.?([^.\[\]]+)|\[([^\[\]]+)\]")
MOST_STAGES = 10_000


class UnresolvedError(ValueError):
    """A reference to something that is not there."""


def resolved(value: Any, variables: Mapping[str, Any], *, command: bool = False) -> Any:
    """A value of a document with all references in it replaced.

    Raises: UnresolvedError.
    """
    if isinstance(value, Mapping):
        return {resolved(key, variables): resolved(one, variables, command=command) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [resolved(one, variables, command=command) for one in value]
    if not isinstance(value, str):
        return value
    whole = _REFERENCE.fullmatch(value)
    if whole and not command:
        return lookup(whole[1], variables)
    text = _REFERENCE.sub(lambda match: _text(lookup(match[1], variables), match[1], command=command), value)
    return text.replace(r"\${", "${")


def has_references(value: Any) -> bool:
    """Whether there is a reference in a value."""
    if isinstance(value, Mapping):
        return any(has_references(one) for pair in value.items() for one in pair)
    if isinstance(value, (list, tuple)):
        return any(map(has_references, value))
    return isinstance(value, str) and _REFERENCE.search(value) is not None


def lookup(reference: str, variables: Mapping[str, Any]) -> Any:
    """What `a.b[0]` is. Raises: UnresolvedError."""
    value: Any = variables
    for dotted, indexed in _PART.findall(reference):
        part = dotted or indexed
        try:
            value = value[int(part)] if isinstance(value, (list, tuple)) else value[part]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise UnresolvedError(f"`${{{reference}}}` is not known") from error
    return value


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Two groups of variables; the second goes before the first."""
    result = dict(one)
    for name, value in other.items():
        mine = result.get(name)
        result[name] = merged(mine, value) if isinstance(mine, Mapping) and isinstance(value, Mapping) else value
    return result


def loops(name: str, stage: Mapping[str, Any], variables: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """The stages that a `foreach` or a `matrix` stands for: the name, what is declared, and its own variables.

    Raises: UnresolvedError, ValueError, if it is no such thing, or too much.
    """
    if "foreach" in stage:
        items, body = resolved(stage["foreach"], variables), stage.get("do")
        if not isinstance(body, Mapping) or not isinstance(items, (list, Mapping)):
            raise ValueError("`foreach` is of a list or a mapping, and `do` says what")
        for key, item in items.items() if isinstance(items, Mapping) else enumerate(items):
            simple = not isinstance(items, Mapping) and not isinstance(item, (list, Mapping))
            yield f"{name}@{_text(item, name) if simple else key}", body, {"item": item, "key": key}
    elif "matrix" in stage:
        axes = resolved(stage["matrix"], variables)
        body = {key: value for key, value in stage.items() if key != "matrix"}
        if not isinstance(axes, Mapping) or not all(isinstance(axis, list) for axis in axes.values()):
            raise ValueError("`matrix` is a mapping of names to lists")
        labelled = ([(axis, *one) for one in _labels(axis, values)] for axis, values in axes.items())
        for chosen in itertools.islice(itertools.product(*labelled), MOST_STAGES + 1):
            label = "-".join(label for _, label, _ in chosen)
            yield f"{name}@{label}", body, {"item": {axis: value for axis, _, value in chosen}, "key": label}
    else:
        yield name, stage, {}


def _labels(axis: str, values: list[Any]) -> Iterator[tuple[str, Any]]:
    for number, value in enumerate(values):
        yield f"{axis}{number}" if isinstance(value, (list, Mapping)) else _text(value, axis), value


def _text(value: Any, reference: str, *, command: bool = False) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, Mapping) and command:
        return " ".join(_options(value))
    if isinstance(value, (list, Mapping)):
        raise UnresolvedError(f"`${{{reference}}}` is no single value")
    return value if isinstance(value, str) else json.dumps(value)


def _options(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """A group of values as options of a command, as DVC writes it."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _options(value, f"{prefix}{name}.")
        elif isinstance(value, bool):
            if value:
                yield f"--{prefix}{name}"
        elif isinstance(value, (list, tuple)):
            yield from (f"--{prefix}{name}", *(shlex.quote(_text(one, name)) for one in value))
        else:
            yield from (f"--{prefix}{name}", shlex.quote(_text(value, name)))
