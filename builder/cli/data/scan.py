"""`envbuild data scan`: personal data in tables, by column."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.options import Existing, json_option
from builder.cli.output import Output, count, print_json, printable
from builder.errors import CheckFailedError, NotMeasuredError, shortened

if TYPE_CHECKING:
    from builder.data.privacy.table_scan import TableFinding, TableVerdict


@click.command("scan", short_help="Look for personal data in tables.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=Existing())
@click.option(
    "--contract", type=Existing(), metavar="FILE", help="What it classifies is known: it is told, and is no finding."
)
@click.option(
    "--rows", type=click.IntRange(1), metavar="NUMBER",
    help="Look at about so many rows of each file, always the same, spread over it [default: all].",
)  # fmt: skip
@json_option
@click.pass_obj
def command(output: Output, files: tuple[Path, ...], contract: Path | None, rows: int | None, as_json: bool) -> None:
    """Look for data about people in FILEs: CSV, JSON lines, Parquet or Arrow.

    By the names of columns, in several languages, and by values: numbers with check digits, addresses, forms, also
    inside of text. Told are column, kind, how many values, and numbers of some rows; never a value.

    Exits 3 if something was found that the contract does not classify, 6 if something could not be read.
    """
    from builder.data.contract.read import read_contract
    from builder.data.privacy.table_scan import scan_table
    from builder.data.promised import table_of_file

    declared = read_contract(contract).contract if contract else None
    verdicts = []
    for file in files:
        with output.working(f"looking at {file}"):
            verdicts.append(scan_table(file, table_of_file(declared, file) if declared else None, rows))
    if as_json:
        print_json({"files": [verdict.to_dict() for verdict in verdicts]})
    else:
        _show(verdicts)
    for verdict in verdicts:
        sampled = f" of {verdict.total}; the others were NOT looked at" if verdict.rows < verdict.total else ""
        found = count(len(verdict.findings), "finding")
        output.say(f"{verdict.path}: {found} in {count(verdict.columns, 'column')}, {verdict.rows} rows{sampled}")
    _judge(verdicts)


def _show(verdicts: list[TableVerdict]) -> None:
    for verdict in verdicts:
        for each in verdict.findings:
            declared = f" [declared: {each.declared}]" if each.declared is not None else ""
            click.echo(printable(f"{each.found.level:6} {each.found.kind:15} {_told(verdict, each)}{declared}"))


def _told(verdict: TableVerdict, finding: TableFinding) -> str:
    found = finding.found
    amount = f"{count(found.values, 'value')} ({found.share:.0%})"
    rows = f", rows {', '.join(map(str, found.rows))}{' …' if found.values > len(found.rows) else ''}"
    return f"{verdict.path}: column `{found.column}`: {amount}{rows if found.rows else ''}: {found.reason}"


def _judge(verdicts: list[TableVerdict]) -> None:
    stopping = [
        f"{verdict.path}: {', '.join(f'`{each.found.column}`' for each in verdict.stopping)}"
        for verdict in verdicts
        if verdict.stopping
    ]
    unread = [f"{verdict.path}: {reason}" for verdict in verdicts for reason in verdict.not_measured]
    if stopping:
        hint = (
            "Give the columns a `classification` in the contract, and say by `anonymize` what is done with them; one "
            "that is about nobody is `public`"
        )
        raise CheckFailedError(
            "there are personal data that no contract classifies", shortened([*stopping, *unread]), hint
        )
    if unread:
        raise NotMeasuredError("not everything could be looked at", shortened(unread))
