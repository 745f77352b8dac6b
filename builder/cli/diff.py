"""`envbuild diff`: what differs between two bundles, and which of it changed the digest."""

from __future__ import annotations

import click

from builder.cli.machine import make_workshop
from builder.cli.opened_bundle import opened_bundle
from builder.cli.options import json_option
from builder.cli.output import Output, print_json


@click.command("diff", short_help="Show what differs between two bundles, and what changed the digest.")
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@json_option
@click.option("--markdown", is_flag=True, help="Print Markdown, for a pull request.")
@click.option("--exit-code", "with_exit_code", is_flag=True, help="Exit 1 if they differ.")
@click.pass_obj
def command(output: Output, before: str, after: str, as_json: bool, markdown: bool, with_exit_code: bool) -> int:
    """Show what differs from the bundle A to the bundle B, each a file, a folder, or `oci://HOST/NAME:TAG`.

    Packages, data, model, code, commands with their parameters and seeds, the image's settings, records; which of it
    changed the digest; and how many bytes whoever has A has yet to get. Exits 0 whether they differ or not.
    """
    from builder.bundle.reading.diff import diff_bundles
    from builder.cli.diff_text import as_markdown, as_table, to_json

    if as_json and markdown:
        raise click.UsageError("`--json` and `--markdown` exclude each other.")
    workshop = make_workshop(output)
    with opened_bundle(before, workshop) as one, opened_bundle(after, workshop) as other:
        found = diff_bundles(one, other)
    if as_json:
        print_json(to_json(found, before, after))
    else:
        for line in (as_markdown if markdown else as_table)(found, before, after):
            click.echo(line)
    return 1 if with_exit_code and found else 0
