"""`envbuild data card`: what is told of data, for people and for programs."""

from __future__ import annotations

from pathlib import Path

import click

from builder.cli.data.kept import keep_inputs
from builder.cli.options import json_option, no_check_option, offline_option, path_argument
from builder.cli.output import Output, print_json, printable
from builder.errors import EnvbuildError


@click.command("card", short_help="Write the card of the data, and their Croissant document.")
@path_argument
@click.option("--data", "names", multiple=True, metavar="NAME", help="Only these data; may be repeated.")
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path), metavar="FILE", help="Write the cards to it."
)
@click.option(
    "--croissant", type=click.Path(path_type=Path), metavar="FILE",
    help="Also write the Croissant 1.1 document of all data, with RAI terms.",
)  # fmt: skip
@no_check_option
@offline_option
@json_option
@click.pass_obj
def command(
    output: Output,
    path: Path,
    names: tuple[str, ...],
    target: Path | None,
    croissant: Path | None,
    *,
    no_check: bool,
    offline: bool,
    as_json: bool,
) -> None:
    """Write the card of each data set of the project in PATH, in Markdown: what it is, whose, what for, its columns.

    What is said stands in the spec and in the contract; ranges, missing values and how values are distributed are
    measured, and the rules are held to the data. Values of confidential columns are not told.
    """
    from builder.bundle.inside.cards import make_cards
    from builder.cli.machine import make_fetcher, open_store
    from builder.oci.layout import write_atomically
    from builder.spec import load_project

    loaded = load_project(path)
    unknown = sorted(set(names) - loaded.project.data.keys())
    if unknown:
        known = ", ".join(loaded.project.data) or "none"
        raise EnvbuildError(f"the project has no data `{unknown[0]}`", hint=f"It has {known}")
    named = [each for data in loaded.project.data.values() for each in (data.contract, data.url)]
    keep_inputs([loaded.file, *(loaded.folder / each for each in named if each)], target, croissant)
    folder = croissant.absolute().parent if croissant else loaded.folder
    fetcher = make_fetcher(open_store(), output, offline=offline)
    with output.working("looking at the data"):
        made = make_cards(loaded, fetcher, folder, no_check=no_check)
    cards = {name: card.decode() for name, card in made.cards.items() if not names or name in names}
    if croissant:
        write_atomically(croissant, made.croissant)
    text = "\n".join(cards.values())
    if target:
        write_atomically(target, text.encode())
    if as_json:
        files = {"file": str(target) if target else None, "croissant": str(croissant) if croissant else None}
        print_json({"cards": cards, **files})
    elif target:
        click.echo(printable(str(target)))
    else:
        click.echo(text, nl=False)
