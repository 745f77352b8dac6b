"""`envbuild unpack`: what is in a bundle, as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.machine import make_workshop
from builder.cli.opened_bundle import bundle_argument, opened_bundle, opened_files, platform_of_bundle_option
from builder.cli.options import json_option
from builder.cli.output import Output, count, print_json, size_text

if TYPE_CHECKING:
    from builder.bundle.reading.unpack import Part, Unpacked

_PARTS = ("model", "code", "data", "records", "environment", "root")
_MOST_SHOWN = 10


@click.command("unpack", short_help="Write what is in a bundle into a folder: model, code, data, records.")
@bundle_argument
@click.option(
    "-o", "--output", "folder", type=click.Path(path_type=Path), required=True, help="The folder, which is made."
)
@click.option(
    "--only",
    "parts",
    multiple=True,
    type=click.Choice(_PARTS),
    help="What to write; may be repeated [default: model, code, data, records].",
)
@platform_of_bundle_option
@json_option
@click.pass_obj
def command(
    output: Output, target: str, folder: Path, parts: tuple[Part, ...], platform: str | None, as_json: bool
) -> None:
    """Write what is in BUNDLE, a file, a folder, or `oci://HOST/NAME:TAG`, below a new folder, each part in its own.

    `records` are the documents of the bundle, and in `records/attached` what is attached to it. `environment` is the
    file system of the image without the other parts, `root` all of it. Every layer that is read is checked against its
    digests before the folder appears. Files belong to you, nothing runs as its owner, devices are left out.
    """
    from builder.bundle.reading.unpack import USUAL, check_target, unpack

    if "root" in parts and len(set(parts)) > 1:
        raise click.UsageError("`--only root` is all of it: name it alone.")
    check_target(folder)
    with opened_bundle(target, make_workshop(output)) as bundle:
        files = opened_files(bundle, platform, whole=False)
        done = unpack(bundle, files, parts or USUAL, folder)
    _tell(done, output)
    if as_json:
        print_json(
            {
                "folder": str(folder), "files": done.files, "size": done.size, "left-out": list(done.left_out),
                "collisions": [list(pair) for pair in done.collisions], "absent-layers": done.absent,
            }
        )  # fmt: skip
    else:
        output.say(f"wrote {count(done.files, 'file')}, {size_text(done.size)}")
        click.echo(str(folder))


def _tell(done: Unpacked, output: Output) -> None:
    if done.left_out:
        output.say(f"note: {count(len(done.left_out), 'device or pipe')} left out: {_listed(done.left_out)}")
    if done.collisions:
        pairs = [f"{one} and {other}" for one, other in done.collisions]
        output.say(f"note: where capitals do not count, these are one file: {_listed(pairs)}")
    if done.absent:
        output.say(f"note: {count(done.absent, 'layer')} of the image, not inside, may hold more")


def _listed(names: list[str] | tuple[str, ...]) -> str:
    more = f", and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return ", ".join(names[:_MOST_SHOWN]) + more
