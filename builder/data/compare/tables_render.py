"""What differs between two tables, for people: as text, and as Markdown. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from builder.data.compare.tables_change import TableComparison
from builder.records.markdown import plain


def text_of(found: TableComparison) -> str:
    """Lines for a terminal."""
    lines = [f"{found.before} → {found.after}: {_rows(found)}"]
    for title, entries in _sections(found):
        lines += ["", title, *(f"  {'  '.join(_cells(entry))}" for entry in entries)]
    if len(lines) == 1:
        lines.append("nothing differs")
    return "\n".join(lines) + "\n"


def markdown_of(found: TableComparison) -> str:
    """A document with a table for each part."""
    lines = [f"# {plain(found.before)} → {plain(found.after)}", "", _rows(found)]
    for title, entries in _sections(found):
        width = max(len(entry) for entry in entries)
        lines += ["", f"## {title.capitalize()}", "", "|" + " |" * width, "|" + "---|" * width]
        lines += [f"| {' | '.join(map(plain, [*entry, *[''] * (width - len(entry))]))} |" for entry in entries]
    if not list(_sections(found)):
        lines += ["", "Nothing differs."]
    return "\n".join(lines) + "\n"


def _rows(found: TableComparison) -> str:
    return f"{found.rows_before} rows before, {found.rows_after} after"


def _sections(found: TableComparison) -> Iterator[tuple[str, list[list[str]]]]:
    columns = [["added", name, type_] for name, type_ in found.columns_added]
    columns += [["removed", name, type_] for name, type_ in found.columns_removed]
    columns += [["retyped", each.name, f"{each.before} → {each.after}"] for each in found.columns_retyped]
    if columns:
        yield "columns", columns
    rows = found.rows
    counts = {"added": rows.added, "removed": rows.removed, "changed": rows.changed}
    if any(counts.values()):
        title = f"rows by {', '.join(rows.key)}" if rows.key else "rows as wholes"
        yield title, [[kind, str(count), _samples(found, kind)] for kind, count in counts.items() if count]
    if rows.columns:
        yield "changed values", [[name, str(count)] for name, count in rows.columns.items()]
    if found.measures:
        yield (
            "distributions",
            [[m.column, m.name, f"{m.before or 'none'} → {m.after or 'none'}"] for m in found.measures],
        )


def _samples(found: TableComparison, kind: str) -> str:
    keys = found.rows.samples.get(kind, ())
    return ", ".join("/".join(key) for key in keys)


def _cells(entry: list[str]) -> list[str]:
    return [f"{cell:<9}" if not number else cell for number, cell in enumerate(entry) if cell]
