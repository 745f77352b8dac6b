"""`envbuild data clean`: what a contract declares for missing and wrong values, done to a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.options import Existing, json_option
from builder.cli.output import Output, count, print_json, printable
from builder.errors import command_text

if TYPE_CHECKING:
    from builder.data.clean.record import CleanRecord


@click.command("clean", short_help="Do with missing and wrong values what the contract declares.")
@click.argument("file", type=Existing())
@click.option("--contract", required=True, type=Existing(), metavar="FILE", help="The contract that declares it.")
@click.option("--table", metavar="NAME", help="Which table FILE is [default: that of its name, or the only one].")
@click.option(
    "-o", "--output", "target", required=True, type=click.Path(path_type=Path), metavar="FILE",
    help="Where the cleaned file goes, in the same format.",
)  # fmt: skip
@click.option(
    "--quarantine", type=click.Path(path_type=Path), metavar="FILE",
    help="Where rows go that are put aside, as they were, for you alone.",
)  # fmt: skip
@click.option("--record", type=click.Path(path_type=Path), metavar="FILE", help="Write what was done as JSON.")
@json_option
@click.pass_obj
def command(
    output: Output,
    file: Path,
    contract: Path,
    table: str | None,
    target: Path,
    quarantine: Path | None,
    record: Path | None,
    as_json: bool,
) -> None:
    """Clean FILE, a table, as the property `clean` of its contract declares: fill, clip, drop, put aside.

    What is not declared is not changed, and rows keep their order. The same FILE under the same contract gives the same
    bytes. Prints the path of the cleaned file.
    """
    from builder.data.clean.clean import Outputs, clean_file
    from builder.data.contract.read import read_contract
    from builder.data.promised import table_of_file

    loaded = read_contract(contract)
    promised = table_of_file(loaded.contract, file, table)
    with output.working(f"cleaning {file}"):
        done = clean_file(loaded, promised.name, file, Outputs(target, quarantine, record))
    _tell(done, output, quarantine)
    output.say(f"now check it: {command_text('data', 'check', target, '--contract', contract)}")
    if as_json:
        print_json(done.to_dict())
    else:
        click.echo(printable(str(target)))


def _tell(done: CleanRecord, output: Output, quarantine: Path | None) -> None:
    """What was done, in a few lines."""
    rows = f"{done.output.rows} of {count(done.input.rows, 'row')} stay"
    output.say(f"{rows}, {done.dropped} dropped, {done.quarantined} put aside")
    for column, counts in done.columns.items():
        changes = [f"{counts[name]} {text}" for name, text in _CHANGES.items() if counts.get(name)]
        if changes:
            output.say(f"`{column}`: {', '.join(changes)}")
    if quarantine and done.quarantined:
        output.say(f"note: `{quarantine}` has rows as they were, confidential values too; only you can read it")


_CHANGES = {
    "filled": "filled",
    "clipped": "clipped",
    "set-missing": "set to missing",
    "asked-to-drop": "reason to drop the row",
    "asked-to-quarantine": "reason to put the row aside",
}
"""Of the counts of a column, those that are changes, in words."""
