"""How the difference between two bundles is written: as a table, as Markdown, as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

from builder.bundle.reading.diff import BundleDiff, Cause, Change, LayerName, LayersDiff
from builder.cli import lock_diff_text
from builder.cli.lock_diff_text import code
from builder.cli.output import count, printable, size_text, writable

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_LONGEST = 100
"""Characters of one value in a table."""


def to_json(diff: BundleDiff, before: str, after: str) -> dict[str, Any]:
    """Everything."""
    return {
        "differs": bool(diff),
        "before": {"what": before, "digest": str(diff.before)},
        "after": {"what": after, "digest": str(diff.after)},
        "packages": lock_diff_text.changes_to_json(diff.packages) if diff.packages is not None else None,
        "changes": [
            {
                "section": change.section, "name": change.name, "status": change.status, "before": change.before,
                "after": change.after, "platforms": [*map(str, change.platforms)],
            }
            for change in diff.changes
        ],
        "layers": {str(platform): _layers_to_json(layers) for platform, layers in diff.layers.items()},
        "move": diff.moved,
        "digest": {
            "differs": diff.before != diff.after,
            "because": [
                {"part": cause.part, "changes": list(cause.sections), "layers": [*map(_layer_to_json, cause.layers)]}
                for cause in diff.causes
            ],
        },
    }  # fmt: skip


def as_table(diff: BundleDiff, before: str, after: str) -> Iterator[str]:
    """Lines for a terminal."""
    arrow = writable("→", "->")
    yield printable(f"{before} {arrow} {after}")
    for title, lines in _parts(diff, arrow):
        yield ""
        yield title
        yield from (f"  {line}" for line in lines)
    yield ""
    yield from _verdict(diff, arrow, str)


def as_markdown(diff: BundleDiff, before: str, after: str) -> Iterator[str]:
    """Lines for a pull request; nothing that comes from a bundle is taken for Markdown."""
    yield f"### Bundle: {code(before)} → {code(after)}"
    yield ""
    yield from (f"- {line}" for line in _verdict(diff, "→", code))
    if diff.packages:
        yield ""
        yield from list(lock_diff_text.as_markdown(diff.packages, before, after))[2:]
    if diff.changes:
        yield ""
        yield "| | what | name | before | after |"
        yield "| --- | --- | --- | --- | --- |"
        for change in diff.changes:
            cells = (code(_where(change), table=True), *(code(text or "", table=True) for text in _values(change)))
            yield f"| {_SIGNS[change.status]} | {change.section} | {' | '.join(cells)} |"


def _parts(diff: BundleDiff, arrow: str) -> Iterator[tuple[str, list[str]]]:
    if diff.packages:
        yield "packages", list(lock_diff_text.as_table(diff.packages, "", ""))[1:]
    for section, changes in groupby(diff.changes, key=lambda change: change.section):
        yield section, [_line(change, arrow) for change in changes]
    if diff.before != diff.after:
        yield "layers", [f"{platform}: {_layers_text(layers)}" for platform, layers in diff.layers.items()]


def _line(change: Change, arrow: str) -> str:
    before, after = _values(change)
    values = before or after if change.status != "changed" else f"{before} {arrow} {after}"
    name = _cut(_where(change))
    return printable(f"{_SIGNS[change.status]} {name}  {values}".replace("\n", " "))


def _values(change: Change) -> tuple[str | None, str | None]:
    """Before and after; of equal lengths of a digest, what tells them apart is at its beginning."""
    return _shortened(change.before), _shortened(change.after)


def _shortened(text: str | None) -> str | None:
    if text is None:
        return None
    if text.startswith("sha256:"):
        return text[:19] + text[71:]
    return _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _where(change: Change) -> str:
    where = f" ({', '.join(map(str, change.platforms))})" if change.platforms else ""
    return change.name + where


def _layers_text(layers: LayersDiff) -> str:
    told = f"{count(len(layers.shared), 'layer')} shared ({size_text(sum(one.size for one in layers.shared))})"
    names = [f"{_cut(printable(one.name)) or 'without a name'} ({size_text(one.size)})" for one in layers.after]
    return f"{told}; to get: {', '.join(names)}" if names else f"{told}; nothing to get"


def _verdict(diff: BundleDiff, arrow: str, quoted: Callable[[str], str]) -> Iterator[str]:
    if diff.before == diff.after:
        told = "what is attached differs, which is not part of it" if diff else "no difference"
        yield f"the same digest {quoted(str(diff.before))}: {told}"
        return
    yield f"digest {quoted(str(diff.before))} {arrow} {quoted(str(diff.after))}"
    yield f"it changed by {'; '.join(map(_cause_text, diff.causes)) or 'nothing that is told here'}"
    yield f"whoever has the one before gets {size_text(diff.moved)} of layers"


def _cause_text(cause: Cause) -> str:
    size = f", {size_text(sum(layer.size for layer in cause.layers))}" if cause.layers else ""
    told = ", ".join(cause.sections) if cause.sections else "nothing that is told explains it"
    return f"{cause.part}{size}" if cause.sections == (cause.part,) else f"{cause.part}{size} ({told})"


def _layers_to_json(layers: LayersDiff) -> dict[str, Any]:
    return {
        "shared": {"count": len(layers.shared), "size": sum(layer.size for layer in layers.shared)},
        "before": [*map(_layer_to_json, layers.before)],
        "after": [*map(_layer_to_json, layers.after)],
    }


def _layer_to_json(layer: LayerName) -> dict[str, Any]:
    return {"name": layer.name, "part": layer.part, "digest": str(layer.digest), "size": layer.size}
