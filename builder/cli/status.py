"""`envbuild status`: which stages are stale, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.machine import open_store
from builder.cli.options import json_option, project_option
from builder.cli.output import Output, count, print_json, printable
from builder.cli.pipeline import load_stages, open_pipeline
from builder.errors import ExitCode
from builder.spec.load import LOCK_FOLDER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from builder.history.content import Content
    from builder.oci.store import Store
    from builder.pipeline.status import Verdict


@click.command("status", short_help="Say which stages are stale, and why.")
@click.argument("stages", nargs=-1)
@project_option
@json_option
@click.pass_obj
def command(output: Output, stages: tuple[str, ...], project: Path, as_json: bool) -> int:
    """Say of each of STAGES and those before them, or of all, whether it is current, and if not, why.

    What is `restorable` is not as it should be, but nothing has to be run: its outputs are here or in the store.

    Of what is `unknown` something cannot be read, or of a stage before it.

    Exit code 0 says that all are current, 3 that one is not, 1 that one is unknown.
    """
    from builder.pipeline.review import Review
    from builder.pipeline.stages_lock import read_stages_lock

    loaded, store = load_stages(project), open_store()
    pipeline = open_pipeline(loaded, stages, store, output)
    lock = read_stages_lock(loaded.folder / LOCK_FOLDER)
    verdicts = Review(pipeline, lock, lambda key: _kept(store, key)).as_far_as_told()
    if as_json:
        print_json({"stages": [verdict.to_dict() for verdict in verdicts]})
    else:
        _print(verdicts, output)
    states = {verdict.state for verdict in verdicts}
    if "unknown" in states:
        return ExitCode.USER
    return ExitCode.OK if states == {"current"} else ExitCode.CHECK_FAILED


def _kept(store: Store, key: str) -> Mapping[str, Content] | None:
    from builder.history.kept.results import result_of

    result = result_of(store, key)
    return result.outputs if result else None


def _print(verdicts: tuple[Verdict, ...], output: Output) -> None:
    width = max(len(verdict.stage) for verdict in verdicts)
    for verdict in verdicts:
        click.echo(f"{verdict.stage.ljust(width)}  {verdict.state}")
        for reason in verdict.reasons:
            click.echo(f"{' ' * width}    {printable(reason)}")
    stale = [verdict for verdict in verdicts if verdict.state == "stale"]
    kept = [verdict for verdict in verdicts if verdict.state == "restorable"]
    if stale or kept:
        told = f"{count(len(stale), 'stage')} to be run, {len(kept)} to be restored"
        output.say(f"{told}: `envbuild repro` makes all of them current")
