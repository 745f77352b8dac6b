"""`envbuild inspect`: what is in a bundle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from builder.cli.machine import make_workshop
from builder.cli.opened_bundle import bundle_argument, opened_bundle
from builder.cli.options import json_option
from builder.cli.output import Output, count, print_json, printable, size_text
from builder.errors import DigestMismatchError
from builder.history.leaves import leaves

_MOST_FILES, _MOST_FETCHES = 20, 10
"""That are shown one by one, without `--json`."""
_SAYS = (".predicateType", "/predicate-type")
"""The ends of the annotations that tell what a statement says: of a signed one, of an unsigned one."""
_TEXT_ROLE = "license-text"
"""Of a bundle's texts of licences, which are many: without `--json`, those that hold are told as one."""


@click.command("inspect", short_help="Show what is in a bundle.")
@bundle_argument
@click.option("--layers", "with_layers", is_flag=True, help="Show each layer too.")
@click.option("--records", "with_records", is_flag=True, help="Show each record too, inside and attached, checked.")
@json_option
@click.pass_obj
def command(output: Output, target: str, with_layers: bool, with_records: bool, as_json: bool) -> None:
    """Show what is in BUNDLE, a file, a folder, or `oci://HOST/NAME:TAG`: commands, data, model, platforms, digests.

    Lists what a machine that has nothing yet would fetch to run it. With `--records`, exits 5 if a record is not what
    is said of it.
    """
    from builder.bundle.reading.summary import summarise

    with opened_bundle(target, make_workshop(output)) as bundle:
        summary = summarise(bundle, with_records=with_records)
    if as_json:
        print_json(summary)
    else:
        for line in _lines(summary, with_layers):
            click.echo(printable(line).replace("\n", "�"))
    wrong = [record["path"] for record in summary.get("records", []) if not record["holds"]]
    if wrong:
        raise DigestMismatchError(f"`{target}` is not what it promises to be", [_not_so(path) for path in wrong])


def _not_so(path: Any) -> str:
    return f"`/bundle/{path}` is missing, or not what `bundle.json` says of it"


def _lines(summary: dict[str, Any], with_layers: bool) -> Iterator[str]:
    yield summary["name"] + (f": {summary['description']}" if summary["description"] else "")
    yield f"digest    {summary['digest']}"
    yield f"lock      {summary['lock'] or 'none inside'}"
    if summary["code"]:
        yield f"code      {summary['code']}"
    yield from _model_lines(summary)
    yield from step_lines((summary["lineage"] or {}).get("steps", ()))
    for name, image in summary["platforms"].items():
        yield from _platform_lines(name, image, with_layers)
    for name, command in summary["commands"].items():
        yield f"command   {name}: {' '.join(command['run'])}"
        yield from (f"          {line}" for line in _command_lines(command))
    for name, data in summary["data"].items():
        yield f"data      {name}: {_data_text(name, data)}"
        if data.get("contract"):
            yield f"          contract {data['contract']}: {data.get('checks')}"
    yield from _fetch_lines(summary["fetches"])
    yield from _record_lines(summary)


def _model_lines(summary: dict[str, Any]) -> Iterator[str]:
    model = summary["model"]
    yield f"model     {model['digest'] if model else 'none yet'}"
    listed = model.get("files") if model else None
    files = [file for file in listed if isinstance(file, dict)] if isinstance(listed, list) else []
    for file in files[:_MOST_FILES]:
        size = size_text(file["size"]) if isinstance(file.get("size"), int) else ""
        yield "          " + ", ".join(filter(None, (str(file.get("path")), str(file.get("format") or ""), size)))
    if len(files) > _MOST_FILES:
        yield f"          and {count(len(files) - _MOST_FILES, 'more file')}"
    for artifact in summary["artifacts"]:
        size = sum(blob["size"] for blob in artifact["blobs"])
        blobs = f"{count(len(artifact['blobs']), 'blob')}, {size_text(size)}"
        yield f"artifact  {artifact['type']}  {artifact['digest']}  {blobs}"


def _platform_lines(name: str, image: dict[str, Any], with_layers: bool) -> Iterator[str]:
    layers = f"{len(image['layers'])} layers, {size_text(image['size'])}"
    if image["missing"]["layers"]:
        layers += f"; {image['missing']['layers']} of them, {size_text(image['missing']['size'])}, not inside"
    yield f"platform  {name}  {image['digest']}  {layers}"
    for layer in image["layers"] if with_layers else ():
        inside = "" if layer["inside"] else "  (not inside)"
        yield f"  {layer['diff_id']} {size_text(layer['size']):>10}  {layer['name']}{inside}"


def step_lines(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What made the model; inputs are called as the outputs that they are, whatever a module calls them."""
    known: dict[str, str] = {}
    for step in steps:
        read = [known.get(part["sha256"], name) for name, part in step["inputs"].items()]
        yield f"made by   {step['name']}: {', '.join(read) or 'nothing'} -> {', '.join(step['outputs'])}"
        known |= {part["sha256"]: name for name, part in step["outputs"].items()}


def _command_lines(command: dict[str, Any]) -> Iterator[str]:
    if command["inputs"]:
        yield f"reads {', '.join(f'/data/{name}' for name in command['inputs'])}"
    if command["outputs"]:
        yield f"writes {', '.join(f'/out/{name}' for name in command['outputs'])}"
    if command["parameters"]:
        yield "parameters " + ", ".join(f"{name}={value}" for name, value in leaves(command["parameters"]))
    if command["seed"] is not None:
        yield f"seed {command['seed']}"
    if command["port"] is not None:
        yield f"port {command['port']}" + (f", ready at {command['ready']}" if command["ready"] else "")


def _data_text(name: str, data: dict[str, Any]) -> str:
    size = f", {size_text(data['size'])}" if data["size"] is not None else ""
    elsewhere = ", ".join(data["urls"]) or f"not inside; mount it, or give `--data {name}=FILE`"
    return f"sha256:{data['sha256']}{size}; {'inside' if data.get('packed') else elsewhere}"


def _fetch_lines(fetches: list[dict[str, Any]]) -> Iterator[str]:
    if not fetches:
        yield "fetches   nothing: all of it is inside"
        return
    known = sum(fetch["size"] or 0 for fetch in fetches)
    unknown = sum(fetch["size"] is None for fetch in fetches)
    more = f", and {unknown} of unknown size" if unknown else ""
    yield f"fetches   {count(len(fetches), 'thing')}, {size_text(known)}{more}, to run here what is not inside:"
    for fetch in fetches[:_MOST_FETCHES]:
        size = size_text(fetch["size"]) if fetch["size"] is not None else "of unknown size"
        yield f"          {fetch['what']}, {size}, {fetch['urls'][0] if fetch['urls'] else 'to be given'}"
    if len(fetches) > _MOST_FETCHES:
        yield f"          and {len(fetches) - _MOST_FETCHES} more; `--json` lists all"


def _record_lines(summary: dict[str, Any]) -> Iterator[str]:
    texts = [one for one in summary.get("records", []) if one["role"] == _TEXT_ROLE and one["holds"]]
    for record in summary.get("records", []):
        if record in texts:
            continue
        size = size_text(record["size"]) if isinstance(record["size"], int) else ""
        holds = "" if record["holds"] else "  NOT as `bundle.json` says"
        yield f"record    {record['role']}  {record['path']}  {record['digest']}  {size}{holds}"
    if texts:
        sizes = size_text(sum(text["size"] for text in texts))
        yield f"record    {_TEXT_ROLE}  {count(len(texts), 'text')}, {sizes}; `--json` lists all"
    for record in summary.get("attached", []):
        says = [value for key, value in sorted(record["annotations"].items()) if key.endswith(_SAYS)]
        size = ", ".join([*says, size_text(record["size"])])
        yield f"attached  {record['type']}  {record['digest']}  {size}, to {record['subject']}"
