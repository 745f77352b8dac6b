"""`envbuild data infer`: a first contract from a sample."""

from __future__ import annotations

from pathlib import Path

import click

from builder.cli.options import Existing, json_option
from builder.cli.output import Output, print_json


@click.command("infer", short_help="Write a first contract from a sample.")
@click.argument("file", metavar="FILE", type=Existing())
@click.option(
    "-o", "--output", "target", metavar="CONTRACT", type=click.Path(path_type=Path),
    help="Write it to this file, which must not be there yet [default: standard output].",
)  # fmt: skip
@click.option("--table", metavar="NAME", help="The table's name [default: the file's].")
@click.option("--rows", type=click.IntRange(1), metavar="N", help="Look at the first N rows only [default: all].")
@click.option("--encoding", default="", metavar="NAME", help="Of a file of text that is not UTF-8: `latin-1`.")
@json_option
@click.pass_obj
def command(
    output: Output, file: Path, target: Path | None, table: str | None, rows: int | None, encoding: str, as_json: bool
) -> None:
    """Write a first contract (ODCS v3.1) of the table in FILE, to edit.

    It has types, ranges, lengths and forms of texts, categories, which values may be missing and what stands for them,
    a key, and which columns seem to be about people. All of it is what was seen, rounded outward: what is meant is for
    you to say.
    """
    from builder.data.contract.write import as_version_31
    from builder.data.infer import infer_contract
    from builder.data.infer.save import save_new
    from builder.spec.fields import as_document

    with output.working(f"looking at {file}"):
        inferred = infer_contract(file, table, rows, encoding)
    if target is not None:
        save_new(target, inferred.text)
        output.say(f"`{target}` has a first contract of {len(inferred.contract.schema[0].properties)} columns: edit it")
    if as_json:
        print_json(as_document(as_version_31(inferred.contract)))
    elif target is None:
        click.echo(inferred.text, nl=False)
    else:
        click.echo(str(target))
