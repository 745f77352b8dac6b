"""`envbuild data drift`: how far data are from a reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.data.kept import keep_inputs
from builder.cli.options import Existing, json_option
from builder.cli.output import Output, print_json, printable
from builder.errors import CheckFailedError, NotMeasuredError

if TYPE_CHECKING:
    from builder.data.drift.outcome import Drift


@click.command("drift", short_help="Compare data with a reference profile.")
@click.argument("reference", type=Existing())
@click.argument("new", type=Existing())
@click.option(
    "--contract", type=Existing(), metavar="FILE", help="The contract that says how they are read, and limits."
)
@click.option("--threshold", "thresholds", multiple=True, metavar="[COLUMN.]METRIC.OPERATOR=VALUE",
              help="A limit, such as `age.psi.mustBeLessThan=0.2`, or `ks=off`; may be repeated.")  # fmt: skip
@click.option(
    "--prometheus", type=click.Path(path_type=Path), metavar="FILE", help="Write Prometheus's text too; `-` prints it."
)
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write one page with plots too.")
@json_option
@click.pass_obj
def command(
    output: Output,
    reference: Path,
    new: Path,
    contract: Path | None,
    thresholds: tuple[str, ...],
    prometheus: Path | None,
    html: Path | None,
    as_json: bool,
) -> None:
    """Compare NEW with REFERENCE, each a file of rows or a profile of one.

    Measures of each column: population stability index, Kolmogorov and Smirnov's statistic, distance of categories,
    missing values, values out of range, new categories. Limits are defaults, what the contract's `drift` says, or
    `--threshold`.

    Exits 3 if a limit is violated, 6 if one could not be evaluated.
    """
    from builder.data.contract import read_contract
    from builder.data.drift.compare import compare

    keep_inputs((reference, new, contract), html, prometheus)
    loaded = read_contract(contract) if contract else None
    with output.working(f"comparing {new} with {reference}"):
        compared = compare(reference, new, loaded, thresholds)
    drift = compared.drift
    if html:
        from builder.data.drift.page import page

        _write(html, page(compared))
    if prometheus:
        from builder.data.drift.prometheus import prometheus_text

        _write(prometheus, prometheus_text(drift))
    if as_json:
        print_json(drift.to_dict())
    elif prometheus != Path("-"):
        _show(drift)
    violated, open_ = drift.count("violated"), drift.count("not-evaluated")
    output.say(f"{violated} violated, {open_} not evaluated, {drift.count('passed')} passed")
    if violated:
        raise CheckFailedError(f"`{new}` is not like `{reference}`")
    if open_:
        raise NotMeasuredError(f"not all of `{new}` could be compared with `{reference}`")


def _write(path: Path, text: str) -> None:
    from builder.oci.layout import write_atomically

    if path == Path("-"):
        click.echo(text, nl=False)
    else:
        write_atomically(path, text.encode())


def _show(drift: Drift) -> None:
    width = max(len(each.column or drift.table) for each in drift.measures)
    for each in drift.measures:
        value = "-" if each.value is None else f"{each.value:.4g}"
        limit = str(each.threshold or "")
        line = f"{each.state:13}  {each.column or drift.table:{width}}  {each.metric:13}  {value:>8}  {limit:24}"
        click.echo(printable(f"{line}  {each.reason}".rstrip()))
