"""`envbuild inspect`: what is in a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from builder.cli.options import Existing, json_option
from builder.cli.output import print_json, printable, size_text
from builder.errors import EnvbuildError, command_text
from builder.spec.load import PROJECT_FILE


@click.command("inspect", short_help="Show what is in a bundle.")
@click.argument("target", type=Existing())
@click.option("--layers", "with_layers", is_flag=True, help="Show each layer too.")
@json_option
def command(target: Path, with_layers: bool, as_json: bool) -> None:
    """Show what is in the bundle file or folder TARGET: commands, data, model, platforms, digests."""
    from builder.bundle.reader import open_bundle
    from builder.bundle.summary import summarise

    if (target / PROJECT_FILE).is_file():
        raise EnvbuildError(
            f"`{target}` is a project, not a bundle", hint=f"Make one with {command_text('bundle', target)}"
        )
    summary = summarise(open_bundle(target))
    if as_json:
        print_json(summary)
        return
    for line in _lines(summary, with_layers):
        click.echo(printable(line))


def _lines(summary: dict[str, Any], with_layers: bool) -> list[str]:
    lines = [summary["name"] + (f": {summary['description']}" if summary["description"] else "")]
    lines += [f"digest    {summary['digest']}", f"lock      {summary['lock'] or 'none inside'}"]
    if summary["code"]:
        lines.append(f"code      {summary['code']}")
    model = summary["model"]
    lines.append(f"model     {model['digest'] if model else 'none yet'}")
    for name, image in summary["platforms"].items():
        layers = f"{len(image['layers'])} layers, {size_text(image['size'])}"
        lines.append(f"platform  {name}  {image['digest']}  {layers}")
        if with_layers:
            lines += [
                f"  {layer['diff_id']} {size_text(layer['size']):>10}  {layer['name']}" for layer in image["layers"]
            ]
    for name, command in summary["commands"].items():
        lines.append(f"command   {name}: {' '.join(command['run'])}")
        lines += [f"          {line}" for line in _command_lines(command)]
    for name, data in summary["data"].items():
        where = ", ".join(data["urls"]) or f"not inside; mount it, or give `--data {name}=FILE`"
        size = f", {size_text(data['size'])}" if data["size"] is not None else ""
        lines.append(f"data      {name}: sha256:{data['sha256']}{size}; {where}")
    return lines


def _command_lines(command: dict[str, Any]) -> list[str]:
    lines = []
    if command["inputs"]:
        lines.append(f"reads {', '.join(f'/data/{name}' for name in command['inputs'])}")
    if command["outputs"]:
        lines.append(f"writes {', '.join(f'/out/{name}' for name in command['outputs'])}")
    if command["parameters"]:
        lines.append("parameters " + ", ".join(f"{name}={value}" for name, value in command["parameters"].items()))
    if command["seed"] is not None:
        lines.append(f"seed {command['seed']}")
    if command["port"] is not None:
        lines.append(f"port {command['port']}" + (f", ready at {command['ready']}" if command["ready"] else ""))
    return lines
