"""`envbuild lineage`: what was made from what, forwards and backwards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.lineage_thing import Search, bundle_of
from builder.cli.options import json_option
from builder.cli.output import Output, count, print_json, printable
from builder.errors import EnvbuildError

if TYPE_CHECKING:
    from builder.lineage.gathered import Place
    from builder.lineage.graph import Lineage
    from builder.lineage.naming import Asked
    from builder.lineage.shown import Way
    from builder.lineage.things import Reading
    from builder.oci.store import Store

_MOST_READINGS = 20
"""That are shown, without `--json`."""


@click.command("lineage", short_help="Say what was made from what, forwards and backwards.")
@click.argument("thing")
@click.option(
    "-C",
    "--project",
    "projects",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="PATH",
    help="The folder of a project [default: this one]; may be repeated, and they are one by the digests of things.",
)
@click.option("--backward", is_flag=True, help="Only what it came from.")
@click.option("--forward", is_flag=True, help="Only what came of it.")
@click.option("--depth", type=click.IntRange(1, 1000), help="Go at most this many runs, stages and images far.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["tree", "mermaid", "svg", "json", "openlineage"]),
    default="tree",
    show_default=True,
    help="As trees, for GitHub and others, as a picture, for programs, or as OpenLineage events.",
)
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path), help="The file to write [default: standard output]."
)
@json_option
@click.pass_obj
def command(
    output: Output,
    /,
    thing: str,
    projects: tuple[Path, ...],
    form: str,
    target: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Say what THING was made from, what was made from it, and who read it.

    THING is the name of data, of a stage or a command; a file or a folder; a run, or the beginning of its name; a
    digest, or its beginning; an image (`NAME:TAG`), or a bundle's file or folder.

    Things are the same where their bytes are, whatever they are called. What is known is what the project's runs,
    locks and audit trail say, and which images were built on this machine.
    """
    from builder.oci.layout import write_atomically

    found = _found(thing, projects or (Path(),), output, **options)
    text = found.text("json" if as_json else form)
    if target is not None:
        write_atomically(target, text.encode())
        output.say(f"wrote `{target}`")
    elif as_json or form == "json":
        print_json(json.loads(text))
    else:
        click.echo(text, nl=False)
    for note in found.notes:
        output.say(f"note: {note}")


@dataclass(frozen=True, slots=True)
class _Found:
    """What is to be told."""

    lineage: Lineage
    asked: Asked
    ways: dict[str, list[Way]]
    """By direction: `backward`, `forward`."""
    readings: list[Reading]
    images: list[str]
    """The nodes of images and bundles that hold it, or something made from it."""
    notes: list[str]
    roots: list[Path]
    """The folders of the projects."""

    @property
    def every(self) -> list[Way]:
        """The ways of all directions."""
        return list(dict.fromkeys(way for ways in self.ways.values() for way in ways))

    def text(self, form: str) -> str:
        from builder.lineage.shown import graph_of

        if form == "json":
            return json.dumps(self.to_dict()) + "\n"
        if form == "tree":
            return "".join(f"{printable(line)}\n" for line in self.lines())
        if form == "openlineage":
            return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in self.events())
        graph = graph_of(self.lineage, self.every, self.asked.roots, self.asked.title)
        if form == "svg":
            from builder.records.graph_drawing import graph_svg

            return graph_svg(graph).decode()
        from builder.records.graph_text import graph_mermaid

        return graph_mermaid(graph)

    def events(self) -> Iterator[dict[str, Any]]:
        """Those of all runs on the way whose records are there; OpenLineage has no word for the rest."""
        from builder.history.export.openlineage import events
        from builder.history.folder import read_run
        from builder.history.layout import RUNS

        nodes = dict.fromkeys(node for way in self.every for node in (way.start, way.end))
        ids = sorted(run for node in nodes if (one := self.lineage.activities.get(node)) and (run := one.run))
        for run in ids:
            folder = next((root / RUNS / run for root in self.roots if (root / RUNS / run).is_dir()), None)
            if folder:
                yield from events(read_run(folder).record)

    def lines(self) -> Iterator[str]:
        from builder.lineage.shown import graph_of, node_of
        from builder.records.graph_text import graph_tree, line_of

        heads = {"backward": "made from", "forward": "what came of it"}
        for direction, ways in self.ways.items():
            if not ways:
                yield f"{heads[direction]}: nothing that is known"
                continue
            yield f"{heads[direction]}:"
            graph = graph_of(self.lineage, ways, self.asked.roots, "")
            yield from (f"  {line}" for line in graph_tree(graph, self.asked.roots, backward=direction == "backward"))
        if self.images:
            yield "images and bundles that hold it, or something made from it:"
            yield from (f"  {line_of(node_of(self.lineage, one))}" for one in self.images)
        if self.readings:
            yield "read by:"
        for one in self.readings[:_MOST_READINGS]:
            state = one.outcome if one.outcome not in ("ok", "") else ""
            told = [one.run or "", state, "its record was changed by hand" if one.doubt else ""]
            more = ", ".join(filter(None, told))
            yield f"  {one.time} {one.who or 'unknown'}: {one.by} read {one.name}" + (f" ({more})" if more else "")
        if len(self.readings) > _MOST_READINGS:
            yield f"  and {count(len(self.readings) - _MOST_READINGS, 'more reading')}; `--json` lists all"

    def to_dict(self) -> dict[str, Any]:
        from builder.lineage.shown import as_json

        return {
            "thing": self.asked.title,
            "roots": list(self.asked.roots),
            **as_json(self.lineage, self.every, self.asked.roots),
            "images": self.images,
            "read": [one.to_dict() for one in self.readings],
            "notes": self.notes,
        }


def _found(
    thing: str, paths: Sequence[Path], output: Output, *, backward: bool, forward: bool, depth: int | None
) -> _Found:
    from builder.cli.machine import open_store
    from builder.lineage.gathered import lineage_of, read_project
    from builder.lineage.images import kept_images
    from builder.lineage.shown import ways

    store = open_store()
    places = [_place(path, store) for path in paths]
    projects = [read_project(place, store) for place in places]
    bundle = bundle_of(thing, paths)
    lineage, names = lineage_of(projects, [*bundle, *kept_images(store)])
    asked = Search(lineage, names, paths, store, output).asked(thing, bundle)
    found: dict[str, list[Way]] = {}
    if backward or not forward:
        found["backward"] = ways(lineage.backward(asked.starts, depth).links, asked.starts)
    ahead = lineage.forward(asked.starts)
    if forward or not backward:
        shown = ahead if depth is None else lineage.forward(asked.starts, depth)
        found["forward"] = ways(shown.links, asked.starts)
    readings = [one for project in projects for one in project.readings(asked.starts)]
    images = [] if backward and not forward else ahead.images(lineage)
    notes = [text for project in projects for text in project.failures] + ([asked.note] if asked.note else [])
    readings.sort(key=lambda one: one.time, reverse=True)
    return _Found(lineage, asked, found, readings, images, notes, [place.folder for place in places])


def _place(path: Path, store: Store) -> Place:
    from builder.cli.audit_trail import trail_of
    from builder.history.index import index_file
    from builder.lineage.gathered import Place
    from builder.spec.load import PROJECT_FILE, load_project

    if not path.exists():
        raise EnvbuildError(f"`{path}` is not there", hint="Name the folder of a project")
    root = path if path.is_dir() else path.parent
    name = root.resolve().name
    if (root / PROJECT_FILE).is_file():
        name = load_project(root / PROJECT_FILE).name
    return Place(root, name, index_file(store.root, root), trail_of(root))
