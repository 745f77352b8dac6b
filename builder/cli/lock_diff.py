"""`envbuild lock diff`: what differs between two locks, wherever they are."""

from __future__ import annotations

from pathlib import Path

import click

from builder.cli.opened_lock import open_lock, open_present
from builder.cli.options import Existing, json_option
from builder.cli.output import Output, print_json


@click.command("diff", short_help="Show what differs between two locks.")
@click.argument("before", metavar="A")
@click.argument("after", metavar="[B]", required=False)
@click.option("--path", type=Existing(), help="Whose lock a bare revision means [default: .].")
@json_option
@click.option("--markdown", is_flag=True, help="Print Markdown, for a pull request.")
@click.option("--exit-code", "with_exit_code", is_flag=True, help="Exit 1 if they differ.")
@click.pass_obj
def command(
    output: Output,
    before: str,
    after: str | None,
    path: Path | None,
    as_json: bool,
    markdown: bool,
    with_exit_code: bool,
) -> int:
    """Show what differs from the lock A to the lock B: base, interpreter, packages, licenses, sizes to download.

    Each is the folder of an environment or project, a lock folder, a bundle, or a git revision (HEAD~1,
    v1:environments/train). Without B, the lock as it is now. Exits 0 whether they differ or not.
    """
    from builder.cli.lock_diff_text import as_markdown, as_table, to_json
    from builder.lock.diff import diff_locks

    if as_json and markdown:
        raise click.UsageError("`--json` and `--markdown` exclude each other.")
    one = open_lock(before, path, output)
    other = open_lock(after, path, output) if after is not None else open_present(before, path, output)
    found = diff_locks(one.lock, other.lock)
    if as_json:
        print_json(to_json(found, (one.label, one.lock), (other.label, other.lock)))
    else:
        for line in (as_markdown if markdown else as_table)(found, one.label, other.label):
            click.echo(line)
    return 1 if with_exit_code and found else 0
