"""The events of a YAML text, up to a depth: what composes them recurses, and in C without a limit of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class NestsTooDeepError(ValueError):
    """The text has more levels than are read."""

    def __init__(self, limit: int, mark: Any) -> None:
        super().__init__(f"it nests deeper than {limit} levels")
        self.mark = mark


def yaml_loader() -> Any:
    """The safe loader, in C where it is there."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def yaml_events(text: str | bytes, limit: int) -> Iterator[Any]:
    """The events of a text of at most `limit` levels.

    Raises: NestsTooDeepError; yaml.YAMLError.
    """
    import yaml

    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml_loader()):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > limit:
                raise NestsTooDeepError(limit, event.start_mark)
            yield event
    except yaml.MarkedYAMLError as error:
        # libyaml from 0.2.6 on has a limit of 1,000, and looks so far ahead before it gives the first event.
        if limit < 1000 and "maximum nesting depth" in (error.problem or ""):
            raise NestsTooDeepError(limit, error.problem_mark) from error
        raise
