"""Differences between two contracts, for people. Pure."""

from __future__ import annotations

from builder.data.compare.contracts import ContractDiff
from builder.data.compare.contracts_change import Change
from builder.records.markdown import code, plain


def as_table(diff: ContractDiff) -> str:
    """One line a change, in columns."""
    if not diff.changes:
        return "no difference\n"
    rows = [(_kind(each), each.place or "contract", f"{each.what} ({each.reason})") for each in diff.changes]
    widths = [max(len(row[number]) for row in rows) for number in (0, 1)]
    return "".join(f"{kind:<{widths[0]}}  {place:<{widths[1]}}  {what}\n" for kind, place, what in rows)


def as_markdown(diff: ContractDiff) -> str:
    """A table of Markdown, for a review."""
    head = f"## Contract {plain(diff.old_version)} → {plain(diff.new_version)}\n\n"
    if not diff.changes:
        return head + "No difference.\n"
    lines = ["| kind | where | what | why |", "|---|---|---|---|"]
    for each in diff.changes:
        cells = (_kind(each), each.place or "contract", each.what, each.reason)
        lines.append("| " + " | ".join(map(_marked, cells)) + " |")
    said = [each for each in (diff.verdict, diff.note) if each]
    return head + "\n".join(lines) + "\n" + "".join(f"\n{_marked(each)}.\n" for each in said)


def _marked(text: str) -> str:
    """What stands between backticks as code, all else as plain text."""
    parts = text.split("`")
    return " ".join(code(part) if number % 2 else plain(part) for number, part in enumerate(parts) if part.strip())


def _kind(change: Change) -> str:
    return f"breaks {' and '.join(change.breaks)}" if change.breaks else change.kind
