"""How the difference between two locks is written: as a table, as Markdown, as JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from builder.cli.output import printable, size_text, writable
from builder.lock.diff import STATUSES, Change, LockDiff, Status
from builder.lock.document import Lock
from builder.oci.documents import Platform

_SIGNS: dict[Status, tuple[str, str]] = {
    "added": ("+", "+"),
    "removed": ("-", "-"),
    "upgraded": ("↑", "^"),
    "downgraded": ("↓", "v"),
    "changed": ("~", "~"),
    "file": ("~", "~"),
}
"""Of each status, also for an output that has letters alone."""
_LONGEST = 120
"""Characters of one value in Markdown."""


def to_json(diff: LockDiff, before: tuple[str, Lock], after: tuple[str, Lock]) -> dict[str, Any]:
    """Everything; an empty license is one that the lock does not tell."""
    return {
        "differs": bool(diff),
        "before": {"what": before[0], "digest": str(before[1].digest)},
        "after": {"what": after[0], "digest": str(after[1].digest)},
        **changes_to_json(diff),
    }


def changes_to_json(diff: LockDiff) -> dict[str, Any]:
    """What differs, apart from what the locks are called."""
    return {
        "platforms": {
            "both": [*map(str, diff.platforms)],
            "added": [*map(str, diff.added)],
            "removed": [*map(str, diff.removed)],
        },
        "spec": list(diff.spec),
        "settings": [
            {"name": one.name, "before": one.before, "after": one.after, "platforms": [*map(str, one.platforms)]}
            for one in diff.settings
        ],
        "packages": [_package_to_json(change) for change in diff.changes],
        "sizes": {str(platform): {"before": old, "after": new} for platform, (old, new) in diff.sizes.items()},
    }


def as_table(diff: LockDiff, before: str, after: str) -> Iterator[str]:
    """Lines for a terminal."""
    arrow = writable("→", "->")
    lines = [f"{before} {arrow} {after}", *_sentences(diff, arrow, str)]
    rows = [_row(change, diff, arrow) for change in diff.changes]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return (printable(line.replace("\n", " ")).rstrip() for line in [*lines, summary(diff, arrow)])


def as_markdown(diff: LockDiff, before: str, after: str) -> Iterator[str]:
    """Lines for a pull request; nothing that comes from a lock is taken for Markdown."""
    yield f"### Lock: {code(before)} → {code(after)}"
    yield ""
    sentences = list(_sentences(diff, "→", code))
    yield from (f"- {sentence}" for sentence in sentences)
    yield from [""] if sentences else []
    if diff.changes:
        columns = ["", "package", "kind", "before", "after", "license", "platforms"]
        rows = [_cells(change, diff) for change in diff.changes]
        used = [number for number in range(len(columns)) if number < 5 or any(row[number] for row in rows)]
        for row in (columns, ["---"] * len(columns), *rows):
            yield f"| {' | '.join(row[number] for number in used)} |"
        yield ""
    yield f"**{summary(diff, '→')}**"


def summary(diff: LockDiff, arrow: str) -> str:
    """One line: how many packages have become what, and how much there is to download."""
    words = {"file": "with another file", "changed": "with another version"}
    counts = [(diff.count(status), words.get(status, status)) for status in STATUSES]
    told = ", ".join(f"{count} {word}" for count, word in counts if count)
    if not diff:
        return "no difference"
    sizes: dict[str, list[str]] = {}
    for platform, (old, new) in diff.sizes.items():
        sign = "+" if new >= old else "-"
        text = size_text(new) if old == new else f"{size_text(old)} {arrow} {size_text(new)}"
        text += f" ({sign}{size_text(abs(new - old))})" if old != new else ""
        sizes.setdefault(text, []).append(str(platform))
    downloads = "; ".join(f"{text} for {' and '.join(names)}" for text, names in sizes.items())
    return f"{told or 'the same packages'}; download {downloads}"


def code(text: str, table: bool = False) -> str:
    """Text as a code span of Markdown, in which no other markup holds (GFM 6.3, 4.10)."""
    plain = printable(text.replace("\n", " "))
    plain = plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + "…"
    if not plain.strip():
        return ""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", plain)), default=0))
    pad = " " if plain[0] in "` " or plain[-1] in "` " else ""
    return f"{fence}{pad}{plain.replace('|', chr(92) + '|') if table else plain}{pad}{fence}"


def _package_to_json(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "name": change.name,
        "status": change.status,
        "before": change.before,
        "after": change.after,
        "licenses": {"before": change.licenses[0], "after": change.licenses[1]},
        "platforms": [*map(str, change.platforms)],
    }


def _sentences(diff: LockDiff, arrow: str, quoted: Callable[[str], str]) -> Iterator[str]:
    for name, platforms in (("added", diff.added), ("removed", diff.removed)):
        if platforms:
            yield f"platform {name}: {', '.join(map(str, platforms))}"
    for sentence in diff.spec:
        yield f"spec: {quoted(sentence)}"
    for one in diff.settings:
        where = _where(one.platforms, diff)
        values = f"{quoted(one.before or 'none')} {arrow} {quoted(one.after or 'none')}"
        yield f"{one.name}: {values}" + (f" ({where})" if where else "")


def _row(change: Change, diff: LockDiff, arrow: str) -> tuple[str, ...]:
    old, new = change.before or "", change.after or ""
    versions = old or new if change.status in ("added", "removed", "file") else f"{old} {arrow} {new}"
    return (
        writable(*_SIGNS[change.status]),
        change.name,
        change.kind,
        versions,
        "; ".join(note for note in (*_notes(change, arrow, str), _where(change.platforms, diff)) if note),
    )


def _cells(change: Change, diff: LockDiff) -> list[str]:
    def quoted(text: str) -> str:
        return code(text, table=True)

    license_ = f"{quoted(change.licenses[0])} → {quoted(change.licenses[1])}" if change.relicensed else ""
    if change.status == "added":
        license_ = quoted(change.licenses[1])
    after = "another file" if change.status == "file" else quoted(change.after or "")
    return [
        _SIGNS[change.status][0],
        quoted(change.name),
        change.kind,
        quoted(change.before or ""),
        after,
        license_,
        _where(change.platforms, diff),
    ]


def _notes(change: Change, arrow: str, quoted: Callable[[str], str]) -> Iterator[str]:
    if change.status == "file":
        yield "another file"
    if change.relicensed:
        yield f"license {quoted(change.licenses[0])} {arrow} {quoted(change.licenses[1])}"
    elif change.status == "added" and change.licenses[1]:
        yield quoted(change.licenses[1])


def _where(platforms: Sequence[Platform], diff: LockDiff) -> str:
    """The platforms, where they are not all."""
    return "" if len(platforms) == len(diff.platforms) else ", ".join(map(str, platforms))
