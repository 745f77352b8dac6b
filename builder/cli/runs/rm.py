"""`envbuild runs rm`: remove runs, after it was said which."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.options import json_option, project_option
from builder.cli.output import Output, count, print_json
from builder.cli.runs.opened import OpenedRuns, opened_runs, show_entries
from builder.errors import EnvbuildError

if TYPE_CHECKING:
    from builder.history.entry import Entry
    from builder.history.removal import Kept


@click.command("rm", short_help="Remove runs.")
@click.argument("runs", nargs=-1)
@click.option("--where", metavar="EXPRESSION", help="Those for which an expression holds, as `runs search` has them.")
@click.option("--keep-last", type=click.IntRange(min=0), metavar="N", help="All but the latest N, or of `--where`.")
@click.option("--force", is_flag=True, help="Also runs that `lock/stages.lock.json` names.")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@project_option
@json_option
@click.pass_obj
def command(
    output: Output,
    runs: tuple[str, ...],
    where: str | None,
    keep_last: int | None,
    force: bool,
    yes: bool,
    dry_run: bool,
    project: Path,
    as_json: bool,
) -> None:
    """Remove RUNS, or those for which an expression holds, or all but the latest.

    What goes is said first, and asked for on a terminal; elsewhere it takes `--yes`. What is running stays. Outputs
    that are kept in the store stay there.
    """
    from builder.history.removal import divided, remove_run

    if bool(runs) == (where is not None or keep_last is not None):
        raise click.UsageError("Name runs, or say which with `--where` and `--keep-last`.")
    with opened_runs(project, output) as opened:
        chosen = _chosen(opened, runs, where, keep_last)
        going, staying = divided(chosen, _named(opened.root), force=force)
        if runs and staying:
            raise _refused(staying)
        _tell(going, staying, output, as_json=as_json)
        if going and not dry_run:
            _ask(len(going), yes=yes)
            for entry in going:
                remove_run(opened.root, entry.id)
    if as_json:
        print_json({"removed": [one.id for one in going], "kept": [one.id for one in staying], "dry_run": dry_run})
    elif not dry_run:
        output.say(f"{count(len(going), 'run')} removed")


def _chosen(opened: OpenedRuns, names: Sequence[str], where: str | None, keep_last: int | None) -> list[Entry]:
    from builder.history.search import any_equal, parse_search

    if names:
        ids = list(dict.fromkeys(opened.find(name).record.id for name in names))
        return [entry for one in ids for entry in opened.index.entries(any_equal("id", (one,)))]
    found = list(opened.index.entries(parse_search(where) if where is not None else None))
    return found[keep_last or 0 :]


def _named(root: Path) -> dict[str, str]:
    """The stage by the id of the run that its lock names. Raises: EnvbuildError, if that cannot be read."""
    from builder.pipeline.stages_lock import read_stages_lock

    stages = read_stages_lock(root / "lock").stages
    return {entry.run: name for name, entry in stages.items() if entry.run is not None}


def _refused(staying: Sequence[Kept]) -> EnvbuildError:
    named = any(one.reason == "named" for one in staying)
    return EnvbuildError(
        "nothing was removed", list(_reasons(staying)), "Remove what a stage names with `--force`" if named else None
    )


def _reasons(staying: Sequence[Kept]) -> Iterator[str]:
    for one in staying:
        why = "is running" if one.reason == "running" else f"is the one that made the outputs of stage `{one.by}`"
        yield f"`{one.id}` {why}"


def _tell(going: Sequence[Entry], staying: Sequence[Kept], output: Output, *, as_json: bool) -> None:
    if not as_json:
        show_entries(going)
    for reason in _reasons(staying):
        output.say(f"note: {reason}, and stays")


def _ask(number: int, *, yes: bool) -> None:
    """Go on only if somebody says so. Raises: EnvbuildError, click.Abort."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise EnvbuildError(f"{count(number, 'run')} would be removed", "nobody can be asked here", "Say `--yes`")
    click.confirm(f"Remove {count(number, 'run')}?", abort=True, err=True)
