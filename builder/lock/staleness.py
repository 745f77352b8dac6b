"""Whether a lock still belongs to its spec, and if not, why: in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def differences(locked: Any, wanted: Any, path: str = "") -> Iterator[str]:
    """What changed in a spec since it was locked, a sentence each."""
    if isinstance(locked, Mapping) and isinstance(wanted, Mapping):
        for name in sorted({*locked, *wanted}):
            yield from differences(locked.get(name), wanted.get(name), f"{path}.{name}" if path else name)
    elif isinstance(locked, list) and isinstance(wanted, list):
        yield from (f"`{element}` was added to `{path}`" for element in wanted if element not in locked)
        yield from (f"`{element}` was removed from `{path}`" for element in locked if element not in wanted)
        if locked != wanted and sorted(map(str, locked)) == sorted(map(str, wanted)):
            yield f"`{path}` was put in another order"
    elif isinstance(locked, (list, Mapping)) or isinstance(wanted, (list, Mapping)):
        yield from _whole(locked, wanted, path)
    elif locked == wanted:
        return
    elif locked is None:
        yield f"`{path}` was set to `{_written(wanted)}`"
    elif wanted is None:
        yield f"`{path}` was removed; it was `{_written(locked)}`"
    else:
        yield f"`{path}` was changed from `{_written(locked)}` to `{_written(wanted)}`"


def changed_inputs(locked: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """What changed in the files that a spec names (see `Sources.inputs`), a sentence each."""
    for name in sorted({*locked, *wanted}):
        before, after = locked.get(name), wanted.get(name)
        if isinstance(before, list) and isinstance(after, list):
            yield from differences(before, after, name)
        elif before != after:
            what = "is read now" if before is None else "is not read any more" if after is None else "was changed"
            yield f"`{name}` {what}"


def _written(value: Any) -> str:
    """A scalar as YAML has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _whole(locked: Any, wanted: Any, path: str) -> Iterator[str]:
    if locked is None and isinstance(wanted, list):
        yield from differences([], wanted, path)
    elif wanted is None and isinstance(locked, list):
        yield from differences(locked, [], path)
    elif locked is None or wanted is None:
        yield from differences(locked or {}, wanted or {}, path)
    else:
        yield f"`{path}` was changed"
