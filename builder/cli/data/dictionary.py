"""`envbuild data dictionary`: what data mean, which models use them, and what nobody has written down."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.options import Existing, json_option
from builder.cli.output import Output, count, print_json
from builder.errors import CheckFailedError

if TYPE_CHECKING:
    from builder.data.dictionary.entries import Dictionary

_MOST = 10
"""Undocumented things that are told one by one."""


@click.command("dictionary", short_help="Write the dictionary, the catalogue of features and the glossary.")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=Existing())
@click.option(
    "-o", "--output", "file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="Write it to FILE.md, or as one page to FILE.html.",
)  # fmt: skip
@click.option(
    "--glossary", "glossaries", metavar="FILE", multiple=True, type=Existing(),
    help="Terms that people wrote down; may be repeated.",
)  # fmt: skip
@click.option(
    "--checked", "reports", metavar="FILE", multiple=True, type=Existing(),
    help="Tell what `data check --json` wrote to FILE of the same contracts; may be repeated.",
)  # fmt: skip
@click.option("--require-documented", is_flag=True, help="Exit 3 if something is not documented.")
@json_option
@click.pass_obj
def command(
    output: Output,
    paths: tuple[Path, ...],
    file: Path | None,
    glossaries: tuple[Path, ...],
    reports: tuple[Path, ...],
    require_documented: bool,
    as_json: bool,
) -> None:
    """Write what data mean, from their contracts and the commands that use them.

    PATH is a project, by default the one here, or the file of a contract; there may be several. Of each column it says
    name, meaning, unit, type, values, key, class and owner, where it is made, and which models use it. The page of HTML
    has a search and needs no network. Without `-o`, Markdown is printed.

    What is not documented is listed: no description, no unit of a number, no owner, no class, no contract.
    """
    from builder.data.dictionary.build import build_dictionary
    from builder.data.dictionary.checks import read_checks, with_checks
    from builder.data.dictionary.glossary import read_glossary
    from builder.data.dictionary.sources import collect

    dictionary = build_dictionary(collect(paths or (Path(),)), [read_glossary(each) for each in glossaries])
    dictionary = with_checks(dictionary, [read_checks(each) for each in reports])
    _write(dictionary, file, as_json=as_json)
    _tell(dictionary, output)
    if require_documented and dictionary.gaps:
        raise CheckFailedError(
            f"{count(len(dictionary.gaps), 'place')} not documented",
            [str(each) for each in dictionary.gaps],
            hint="Say what is missing in the contract",
        )


def _write(dictionary: Dictionary, file: Path | None, *, as_json: bool) -> None:
    from builder.data.dictionary.page import as_html, as_markdown
    from builder.oci.layout import write_atomically

    if file is not None:
        if file.suffix not in (".md", ".html"):
            raise click.UsageError(f"`{file}` ends neither in `.md` nor in `.html`.")
        text = as_html(dictionary) if file.suffix == ".html" else as_markdown(dictionary)
        write_atomically(file, text.encode())
    if as_json:
        print_json(dictionary.to_dict())
    elif file is None:
        click.echo(as_markdown(dictionary), nl=False)


def _tell(dictionary: Dictionary, output: Output) -> None:
    from builder.data.dictionary.page import missing, sizes

    size = sizes(dictionary)
    told = ("table", "column", "feature", "term")
    output.say(", ".join(count(size[f"{each}s"], each) for each in told))
    if not dictionary.gaps:
        return
    counted = ", ".join(f"{what}: {number}" for what, number in list(missing(dictionary).items())[:_MOST])
    output.say(f"{count(len(dictionary.gaps), 'place')} not fully documented ({counted})")
    for each in dictionary.gaps[:_MOST]:
        output.detail(str(each))
