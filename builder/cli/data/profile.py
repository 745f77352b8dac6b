"""`envbuild data profile`: what data are like, without their rows."""

from __future__ import annotations

from pathlib import Path

import click

from builder.cli.data.kept import keep_inputs
from builder.cli.options import Existing, json_option
from builder.cli.output import Output, print_json, printable


@click.command("profile", short_help="Describe data without their rows.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=Existing(file_okay=True))
@click.option("--contract", type=Existing(), metavar="FILE", help="The contract that the data are read by.")
@click.option("--table", metavar="NAME", help="Which table of the contract it is, if it has several.")
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path), metavar="PROFILE", help="Write it to a file."
)
@click.option("--k", "floor", type=click.IntRange(2), default=10, show_default=True,
              help="Rows that a category has at least to be listed.")  # fmt: skip
@click.option("--bins", type=click.IntRange(10, 500), default=100, show_default=True,
              help="Bins of about equal counts, of each column of numbers.")  # fmt: skip
@json_option
@click.pass_obj
def command(
    output: Output,
    files: tuple[Path, ...],
    contract: Path | None,
    table: str | None,
    target: Path | None,
    floor: int,
    bins: int,
    as_json: bool,
) -> None:
    """Describe the values of FILE, or of several files with the same columns, without their rows.

    Counts, quantiles and bins of numbers and dates, and the categories that at least `--k` rows have. Of columns that
    the contract classifies, or that seem to be about people, no value is told. `envbuild data drift` compares new data
    with a profile.
    """
    from builder.data.contract import read_contract
    from builder.data.profile import Manner, profile_files
    from builder.oci.layout import write_atomically

    keep_inputs((*files, contract), target)
    loaded = read_contract(contract) if contract else None
    with output.working(f"describing {files[0]}"):
        profile = profile_files(loaded, files, table=table, manner=Manner(floor, bins))
    if target:
        write_atomically(target, profile.to_bytes())
    if as_json:
        print_json(profile.to_dict())
    elif target:
        click.echo(printable(str(target)))
    else:
        from builder.data.profile.table import profile_lines

        for line in profile_lines(profile):
            click.echo(printable(line))
