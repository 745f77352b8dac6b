"""A command's parameter file (YAML, JSON or TOML) as plain JSON data. Pure but for reading the file."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError

_SIZE_LIMIT = 1 << 20
_VALUE_LIMIT = 100_000
_DEPTH_LIMIT = 100


def _read_yaml(text: str) -> Any:
    from builder.spec.yaml_events import yaml_events, yaml_loader

    for _ in yaml_events(text, _DEPTH_LIMIT):
        pass
    loader = yaml_loader()(text)
    root = loader.get_single_node()  # merges are not yet carried out, which can take all memory
    _written_out(root, {})
    return None if root is None else loader.construct_document(root)


def _written_out(node: Any, known: dict[int, int]) -> int:
    """How many values a node is with its aliases written out. Raises: ValueError, if that is too much."""
    if node is None or node.id == "scalar":
        return 1
    if id(node) not in known:
        known[id(node)] = _VALUE_LIMIT + 1  # what it is, if it holds itself
        children = itertools.chain.from_iterable(node.value) if node.id == "mapping" else node.value
        known[id(node)] = 1 + sum(_written_out(child, known) for child in children)
    if known[id(node)] > _VALUE_LIMIT:
        raise ValueError(f"it has more than {_VALUE_LIMIT} values")
    return known[id(node)]


def _read_toml(text: str) -> Any:
    import tomllib

    return tomllib.loads(text)


_READERS: Mapping[str, Callable[[str], Any]] = {
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
    ".json": json.loads,
    ".toml": _read_toml,
}


def _refuse_repetition(value: Any) -> None:
    """Refuse what is small in its file and immense when its aliases are written out."""
    waiting, count = [value], 0
    while waiting:
        one = waiting.pop()
        waiting += list(one.values()) if isinstance(one, dict) else one if isinstance(one, list) else ()
        count += 1
        if count > _VALUE_LIMIT:
            raise ValueError(f"it has more than {_VALUE_LIMIT} values")


def read_parameters(path: Path) -> dict[str, Any]:
    """The parameters and their defaults.

    Raises: EnvbuildError, if the file is of another kind, cannot be read, or is not a mapping of JSON values.
    """
    reader = _READERS.get(path.suffix)
    if reader is None:
        raise EnvbuildError(f"`{path}` is no file of parameters", f"its name ends in none of {', '.join(_READERS)}")
    try:
        if path.stat().st_size > _SIZE_LIMIT:
            raise ValueError(f"it is larger than {_SIZE_LIMIT} bytes")
        value = reader(path.read_text("utf-8"))
        _refuse_repetition(value)
        value = json.loads(json.dumps(value, allow_nan=False, sort_keys=True))
        json.dumps(value, ensure_ascii=False).encode()
    except Exception as error:
        raise EnvbuildError(f"the parameters in `{path}` cannot be read", str(error)) from error
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise EnvbuildError(f"the parameters in `{path}` are no mapping", "a name and a value for each is expected")
    return value
