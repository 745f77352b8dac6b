"""Why a stage is stale, in words: its parts when it was last made, and now. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from builder.history.content import Content
from builder.history.leaves import leaves
from builder.pipeline.key import Parts

_SHORT = 8
"""Digits of a digest that are shown."""
_LONGEST = 60
"""Letters of a value that are shown."""


def differences(before: Parts, now: Parts, found: str, paths: Mapping[str, str]) -> Iterator[str]:
    """What changed, a clause each. `found` says who chose the code; `paths` are the project's, by target."""
    if before["format"] != now["format"]:
        yield "this envbuild runs stages in another way"
    if before["arguments"] != now["arguments"]:
        yield "command"
    yield from _named(before["inputs"], now["inputs"], lambda name: f"input {_shown(name, paths)}", _digests)
    yield from _code(before["code"], now["code"], found)
    yield from _parameters(before, now)
    if before["seed"] != now["seed"]:
        yield f"seed {_value(before['seed'])} → {_value(now['seed'])}"
    if before["platform"] != now["platform"]:
        yield f"platform {before['platform']} → {now['platform']}"
    elif before["environment"] != now["environment"]:
        yield "environment changed"
    yield from _named(before["variables"], now["variables"], lambda name: f"variable {name}", lambda *_: "")
    if before["network"] != now["network"]:
        yield "network is open" if now["network"] else "network is closed"
    yield from (f"output {_shown(one, paths)} is new" for one in now["outputs"] if one not in before["outputs"])
    yield from (
        f"output {_shown(one, paths)} is no longer declared" for one in before["outputs"] if one not in now["outputs"]
    )


def missing_or_changed(outputs: Mapping[str, Content], found: Mapping[str, Content | None]) -> Iterator[str]:
    """How outputs in the project differ from those that were made, both by path."""
    for path, made in sorted(outputs.items()):
        here = found.get(path)
        if here is None:
            yield f"output {path} is missing"
        elif (here.kind, here.sha256) != (made.kind, made.sha256):
            yield f"output {path} is not what was made last"


def _named(
    before: Mapping[str, Any], now: Mapping[str, Any], name: Callable[[str], str], detail: Callable[[Any, Any], str]
) -> Iterator[str]:
    for one in sorted({*before, *now}):
        if one not in before:
            yield f"{name(one)} is new"
        elif one not in now:
            yield f"{name(one)} is gone"
        elif before[one] != now[one]:
            yield f"{name(one)} changed{detail(before[one], now[one])}"


def _digests(before: Any, now: Any) -> str:
    if before["kind"] != now["kind"]:
        return f" (from a {before['kind']} to a {now['kind']})"
    return f" (sha256 {before['sha256'][:_SHORT]}… → {now['sha256'][:_SHORT]}…)"


def _code(before: Mapping[str, Any], now: Mapping[str, Any], found: str) -> Iterator[str]:
    label = "code found by imports:" if found == "imports" else "code"
    for path in sorted({*before, *now}):
        if path not in before:
            yield f"{label} {path} is new"
        elif path not in now:
            yield f"{label} {path} is gone"
        elif before[path] != now[path]:
            yield f"code {path} changed"


def _parameters(before: Parts, now: Parts) -> Iterator[str]:
    old, new = dict(leaves(before["parameters"])), dict(leaves(now["parameters"]))
    for name in sorted({*old, *new}):
        if name not in old:
            yield f"params {name} is new: {_value(new[name])}"
        elif name not in new:
            yield f"params {name} is gone"
        elif not _same(old[name], new[name]):
            yield f"params {name} {_value(old[name])} → {_value(new[name])}"
    if before["parameter-files"] != now["parameter-files"] and before["parameters"] == now["parameters"]:
        yield "params are in other files"


def _same(before: Any, now: Any) -> bool:
    """Whether they are the same in a key: 1, 1.0 and true are not."""
    return json.dumps(before, sort_keys=True) == json.dumps(now, sort_keys=True)


def _value(value: Any) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _shown(target: str, paths: Mapping[str, str]) -> str:
    """A port as the user knows it: its path in the project, of data its name."""
    return paths.get(target) or target.removeprefix("/app/").removeprefix("/data/")
