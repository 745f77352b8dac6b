"""`envbuild data leakage`: what a test set gives away."""

from __future__ import annotations

import math
from pathlib import Path

import click

from builder.cli.options import Existing, json_option
from builder.cli.output import Output, count, print_json, printable


class Limit(click.ParamType):  # type: ignore[type-arg]
    """`RULE=NUMBER`."""

    name = "limit"

    def convert(
        self, value: str | tuple[str, float], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """The rule and the number."""
        if isinstance(value, tuple):
            return value
        name, _, text = value.partition("=")
        try:
            limit = float(text)
        except ValueError:
            limit = math.nan
        if not name or not math.isfinite(limit):
            self.fail(f"`{value}` is not RULE=NUMBER", param, ctx)
        return name, limit


@click.command("leakage", short_help="Look for what a test set gives away.")
@click.option("--train", required=True, type=Existing(), metavar="FILE", help="What is learned from.")
@click.option("--test", required=True, type=Existing(), metavar="FILE", help="What is measured on.")
@click.option("--target", metavar="COLUMN", help="What is predicted.")
@click.option(
    "--id", "ids", multiple=True, metavar="COLUMN", help="A column of ids; may be repeated [default: guessed]."
)
@click.option("--time", metavar="COLUMN", help="When rows are of: the test set has to be later.")
@click.option("--group", metavar="COLUMN", help="What rows belong to, as a patient: none may be on both sides.")
@click.option("--contract", type=Existing(), metavar="FILE", help="The contract of both files: types, keys, subjects.")
@click.option("--table", metavar="NAME", help="Which table of the contract they are [default: the only one].")
@click.option(
    "--threshold", "limits", multiple=True, type=Limit(), metavar="RULE=NUMBER",
    help="Another limit of a rule: `equalRows=5`; may be repeated.",
)  # fmt: skip
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the report as Markdown.")
@json_option
@click.pass_obj
def command(
    output: Output,
    train: Path,
    test: Path,
    target: str | None,
    ids: tuple[str, ...],
    time: str | None,
    group: str | None,
    contract: Path | None,
    table: str | None,
    limits: tuple[tuple[str, float], ...],
    as_markdown: bool,
    as_json: bool,
) -> None:
    """Look for what the test set gives away: rows, ids and groups that training has, features that know the target.

    Values are never printed, only numbers of rows, from 1.

    Exits 3 if something is found, else 6 if something could not be measured, which is never a pass.
    """
    from builder.data.contract.read import read_contract
    from builder.data.leakage.columns import Asked
    from builder.data.leakage.look import look_for_leakage
    from builder.data.leakage.report import line, markdown
    from builder.data.promised import table_of_file
    from builder.data.tables.files import table_paths

    if as_markdown and as_json:
        raise click.UsageError("`--markdown` and `--json` exclude each other.")
    asked = Asked(target, ids, time, group, dict(limits))
    promised = table_of_file(read_contract(contract).contract, train, table) if contract else None
    with output.working(f"comparing {test} with {train}"):
        report = look_for_leakage(table_paths(train), table_paths(test), asked, promised)
    if as_json:
        print_json(report.to_dict())
    elif as_markdown:
        click.echo(printable(markdown(report)), nl=False)
    else:
        for each in (*report.of("found"), *report.of("not-measured")):
            click.echo(printable(f"{each.status:12} {line(each)}"))
        output.say(f"{count(len(report.of('clear')), 'rule')} clear; ids: {', '.join(report.ids) or 'none'}")
    failure = report.failure()
    if failure:
        raise failure if as_json else type(failure)(failure.what, hint=failure.hint)
