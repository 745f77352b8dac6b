"""`envbuild data diff`: what differs between two contracts, or between two files of rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.options import Existing, json_option
from builder.cli.output import Output, print_json, printable
from builder.errors import CheckFailedError, EnvbuildError

if TYPE_CHECKING:
    from builder.data.compare.contracts import ContractDiff

_LARGEST_CONTRACT = 1 << 20


@click.command("diff", short_help="Say what differs between two contracts, or two files.")
@click.argument("old", metavar="A", type=Existing())
@click.argument("new", metavar="B", type=Existing())
@click.option(
    "--key", "keys", multiple=True, metavar="COLUMN", help="Of files: what tells rows apart; may be repeated."
)
@click.option("--exit-code", is_flag=True, help="Of files: exit with 3 if they differ.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print a table of Markdown.")
@json_option
@click.pass_obj
def command(
    output: Output,
    old: Path,
    new: Path,
    keys: tuple[str, ...],
    exit_code: bool,
    as_markdown: bool,
    as_json: bool,
) -> None:
    """Say what differs between A and B: two contracts (.yaml, .yml, .json), or two files of rows.

    Of contracts, each change breaks who makes the data, who uses them, or both; or it is compatible, or cosmetic. Exit
    code 3 if one is breaking and the first number of the version did not move up. Of files, the columns, the rows by
    key, or as wholes without one, and how values are distributed.
    """
    if as_json and as_markdown:
        raise click.UsageError("`--json` and `--markdown` exclude each other.")
    are = [_is_contract(path) for path in (old, new)]
    if are[0] != are[1]:
        contract, table = (old, new) if are[0] else (new, old)
        hint = "`envbuild data check FILE --contract CONTRACT` holds data to a contract"
        raise EnvbuildError(f"`{contract}` is a contract, and `{table}` is a table", "they cannot be compared", hint)
    if are[0]:
        if keys or exit_code:
            raise click.UsageError("`--key` and `--exit-code` are of files of rows.")
        _contracts(output, old, new, as_markdown, as_json)
    else:
        differs = _tables(output, old, new, keys, as_markdown, as_json)
        if differs and exit_code:
            raise CheckFailedError(f"`{new}` differs from `{old}`")


def _is_contract(path: Path) -> bool:
    """By the name; a JSON file by what it says that it is."""
    if path.suffix.lower() in (".yaml", ".yml"):
        return True
    if path.suffix.lower() != ".json" or path.stat().st_size > _LARGEST_CONTRACT:
        return False
    import json

    try:
        document: Any = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("kind") == "DataContract"


def _contracts(output: Output, old: Path, new: Path, as_markdown: bool, as_json: bool) -> None:
    from builder.data.compare.contracts import compare_contracts
    from builder.data.contract.read import read_contract

    diff = compare_contracts(read_contract(old).contract, read_contract(new).contract)
    _print(diff, as_markdown, as_json)
    if diff.verdict:
        hint = "Raise the first number of `version`, or take the breaking changes back"
        raise CheckFailedError(f"`{new}` breaks what `{old}` promised", diff.verdict, hint)
    if diff.note:
        output.say(f"note: {diff.note}")


def _print(diff: ContractDiff, as_markdown: bool, as_json: bool) -> None:
    from builder.data.compare import contracts_render

    if as_json:
        print_json(diff.to_dict())
    elif as_markdown:
        click.echo(contracts_render.as_markdown(diff), nl=False)
    else:
        for line in contracts_render.as_table(diff).splitlines():
            click.echo(printable(line))


def _tables(output: Output, old: Path, new: Path, keys: tuple[str, ...], as_markdown: bool, as_json: bool) -> bool:
    """Whether they differ."""
    from builder.data.compare.tables import compare_tables
    from builder.data.compare.tables_render import markdown_of, text_of

    with output.working(f"comparing {new} with {old}"):
        found = compare_tables(old, new, keys)
    if as_json:
        print_json(found.to_dict())
    elif as_markdown:
        click.echo(markdown_of(found), nl=False)
    else:
        for line in text_of(found).splitlines():
            click.echo(printable(line))
    return found.differs
