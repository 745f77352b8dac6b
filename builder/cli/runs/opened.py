"""The runs of a project, as the commands below `runs` open them, and lines that tell of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.output import Output, count, printable
from builder.errors import EnvbuildError

if TYPE_CHECKING:
    from builder.history.entry import Entry
    from builder.history.folder import KeptRun
    from builder.history.index import RunIndex

_SHOWN_METRICS = 3
_SHOWN_BROKEN = 5


@dataclass(frozen=True, slots=True)
class OpenedRuns:
    """The runs of one project."""

    root: Path
    index: RunIndex

    def find(self, text: str) -> KeptRun:
        """The run that is meant. Raises: EnvbuildError."""
        from builder.history.find import find_run

        return find_run(self.root, self.index, text)

    def tell_broken(self, output: Output) -> None:
        """Say which folders are no runs, at the end of what could be shown."""
        broken = self.index.broken()
        for one in broken[:_SHOWN_BROKEN]:
            output.say(f"note: `runs/{one.folder}` cannot be read: {one.problem}")
        if len(broken) > _SHOWN_BROKEN:
            output.say(f"note: so it is of {count(len(broken) - _SHOWN_BROKEN, 'other folder')}")


@contextmanager
def opened_runs(path: Path, output: Output) -> Iterator[OpenedRuns]:
    """The runs of the project at a path: its folder, a file in it, or its folder of runs.

    Raises: EnvbuildError, if there is nothing.
    """
    from builder.history.index import open_index
    from builder.history.layout import RUNS

    if not path.exists():
        raise EnvbuildError(f"`{path}` is not there", hint="Name the folder of a project")
    root = path if path.is_dir() else path.parent
    if root.name == RUNS:
        from builder.history.folder import is_runs

        root = root.absolute().parent if is_runs(root) else root
    with open_index(root, _index_file(root), output.progress()) as index:
        yield OpenedRuns(root, index)


def _index_file(root: Path) -> Path | None:
    """Where the index of a project is kept; nowhere, where there is no store."""
    from builder.cli.machine import open_store
    from builder.history.index import index_file

    try:
        store = open_store()
    except EnvbuildError:
        return None
    return index_file(store.root, root)


def show_entries(entries: Iterable[Entry]) -> None:
    """A table: id, what became of it, how long it took, its first metrics, its tags."""
    rows = [_row(entry) for entry in entries]
    if not rows:
        return
    rows.insert(0, ("run", "outcome", "time", "metrics", "tags"))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _row(entry: Entry) -> tuple[str, ...]:
    metrics = [f"{name}={number_text(value)}" for name, value in list(entry.metrics.items())[:_SHOWN_METRICS]]
    more = [f"(+{len(entry.metrics) - _SHOWN_METRICS})"] if len(entry.metrics) > _SHOWN_METRICS else []
    return (
        line_of(entry.id),
        entry.outcome + (" (edited)" if entry.edited else ""),
        "-" if entry.duration is None else duration_text(entry.duration),
        line_of(" ".join(metrics + more)) or "-",
        line_of(" ".join(entry.tags)),
    )


def line_of(text: str) -> str:
    """`text` on one line, without what could command a terminal."""
    return printable(text.replace("\n", " "))


def number_text(value: object) -> str:
    """A metric or a parameter for people: numbers with five digits."""
    if isinstance(value, float):
        return f"{value:.5g}"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def duration_text(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_left} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
