"""`envbuild dag`: the stages of a pipeline, drawn."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.machine import open_store
from builder.cli.options import json_option, project_option
from builder.cli.output import Output, print_json, printable
from builder.cli.pipeline import load_stages, taken_modules

if TYPE_CHECKING:
    from builder.records.graph import Graph


@click.command("dag", short_help="Draw the stages of a pipeline and what they read and write.")
@click.argument("stages", nargs=-1)
@project_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["tree", "mermaid", "svg", "json"]),
    default="tree",
    show_default=True,
    help="As a tree, for GitHub and others, as a picture, or for programs.",
)
@click.option("--data", "with_data", is_flag=True, help="Draw what stages read and write too.")
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path), help="The file to write [default: standard output]."
)
@json_option
@click.pass_obj
def command(
    output: Output, /, stages: tuple[str, ...], project: Path, form: str, target: Path | None, **options: bool
) -> None:
    """Draw STAGES and all that they wait for, or all stages, with those who answer for them.

    Only the spec is read: no input has to be there.
    """
    from builder.lock.data.hashing import Hasher
    from builder.oci.layout import write_atomically
    from builder.pipeline.declared import check_known, declare
    from builder.pipeline.drawing import document_of, graph_of
    from builder.pipeline.graph import with_needed

    loaded = load_stages(project)
    hasher = Hasher(open_store(), time.time_ns)
    declared = declare(loaded, taken_modules(loaded, hasher, output))
    check_known(stages, declared)
    wanted = with_needed(stages or declared.steps, declared.needs)
    steps = [step for name, step in declared.steps.items() if name in wanted]
    if form == "json" or options["as_json"]:
        document = document_of(steps, declared.needs)
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        if target is None:
            print_json(document)
    else:
        text = _text(graph_of(steps, declared.needs, with_data=options["with_data"]), form)
        if target is None:
            click.echo(text, nl=False)
    if target is not None:
        write_atomically(target, text.encode())
        output.say(f"wrote `{target}`")


def _text(graph: Graph, form: str) -> str:
    if form == "svg":
        from builder.records.graph_drawing import graph_svg

        return graph_svg(graph).decode()
    from builder.records.graph_text import graph_mermaid, graph_tree

    if form == "mermaid":
        return graph_mermaid(graph)
    return "".join(f"{printable(line)}\n" for line in graph_tree(graph))
