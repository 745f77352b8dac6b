"""`envbuild runs compare`: what differs between runs, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.options import json_option, project_option
from builder.cli.output import Output, print_json
from builder.cli.runs.opened import opened_runs

if TYPE_CHECKING:
    from builder.history.record import RunRecord
    from builder.lock.diff import LockDiff
    from builder.lock.document import Lock


@click.command("compare", short_help="Say what differs between runs, and what came of it.")
@click.argument("runs", nargs=-1, required=True, metavar="A B…")
@project_option
@json_option
@click.option("--markdown", is_flag=True, help="Print Markdown, for a pull request.")
@click.pass_obj
def command(output: Output, runs: tuple[str, ...], project: Path, as_json: bool, markdown: bool) -> None:
    """Say what differs between the runs A, B…: first code, data, parameters, environment and machine, then results.

    Two runs give a report, with the difference of their locks where both are found: in the work tree or in the runs'
    commits. More give a table. A run is an id or the beginning of it, its last digits, a tag, `latest`, or
    `latest:STAGE`.
    """
    from builder.cli.runs.compare_text import as_markdown, as_report, as_table
    from builder.history.compare import compare_runs

    if as_json and markdown:
        raise click.UsageError("`--json` and `--markdown` exclude each other.")
    with opened_runs(project, output) as opened:
        kept = [opened.find(name) for name in runs]
        root = opened.root
    if len({one.record.id for one in kept}) < max(2, len(kept)):
        raise click.UsageError("Name two runs, or more, that are not the same.")
    for one in kept:
        if one.changed:
            output.say(f"note: the record of `{one.record.id}` was changed by hand: {one.changed}")
    records = [one.record for one in kept]
    found = compare_runs(records)
    locks = _locks(records, root, output) if len(records) == 2 else None
    if as_json:
        print_json({**found.to_dict(), "lock": _lock_json(locks)})
    elif len(records) > 2:
        for line in as_table(found, markdown=markdown):
            click.echo(line)
    else:
        for line in (as_markdown if markdown else as_report)(found, _lock_lines(locks, markdown=markdown)):
            click.echo(line)


def _locks(records: list[RunRecord], root: Path, output: Output) -> tuple[Lock, Lock, LockDiff] | None:
    """The two locks and what differs, if they are not one and both are found."""
    from builder.history.locks import find_lock
    from builder.lock.diff import diff_locks

    if None in (records[0].lock, records[1].lock) or records[0].lock == records[1].lock:
        return None
    before, after = (find_lock(record, root) for record in records)
    if before is None or after is None:
        lost = ", ".join(f"`{one.id}`" for one, lock in zip(records, (before, after), strict=True) if lock is None)
        output.say(f"note: the lock of {lost} is neither in the work tree nor in its commit: packages are not compared")
        return None
    return before, after, diff_locks(before, after)


def _lock_lines(locks: tuple[Lock, Lock, LockDiff] | None, *, markdown: bool) -> list[str]:
    from builder.cli.lock_diff_text import as_markdown, as_table

    if locks is None:
        return []
    before, after, diff = locks
    return list((as_markdown if markdown else as_table)(diff, str(before.digest)[:19], str(after.digest)[:19]))


def _lock_json(locks: tuple[Lock, Lock, LockDiff] | None) -> dict[str, Any] | None:
    from builder.cli.lock_diff_text import changes_to_json

    return None if locks is None else changes_to_json(locks[2])
