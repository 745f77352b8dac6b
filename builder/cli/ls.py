"""`envbuild ls`: the files of a bundle, without unpacking it."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any

import click

from builder.cli.machine import make_workshop
from builder.cli.opened_bundle import bundle_argument, opened_bundle, opened_files, platform_of_bundle_option
from builder.cli.options import json_option
from builder.cli.output import Output, count, print_json, printable

if TYPE_CHECKING:
    from builder.bundle.reading.contents import Files, Placed

_TYPES = {b"0": "file", b"2": "symlink", b"5": "directory", b"3": "device", b"4": "device", b"6": "fifo"}
_FORMATS = {
    b"0": stat.S_IFREG, b"2": stat.S_IFLNK, b"3": stat.S_IFCHR, b"4": stat.S_IFBLK, b"5": stat.S_IFDIR,
    b"6": stat.S_IFIFO,
}  # fmt: skip


@click.command("ls", short_help="List the files of a bundle, without unpacking it.")
@bundle_argument
@click.argument("path", default="/")
@click.option("-l", "--long", "long", is_flag=True, help="Show modes, owners, sizes and where links lead.")
@click.option("-R", "--recursive", is_flag=True, help="List what is in the folders below it too.")
@platform_of_bundle_option
@json_option
@click.pass_obj
def command(
    output: Output, target: str, path: str, long: bool, recursive: bool, platform: str | None, as_json: bool
) -> None:
    """List what is at PATH in the image of BUNDLE: a file, a folder, or `oci://HOST/NAME:TAG`.

    Compressed layers are read and checked against their digests. Of layers that are not compressed, which weights are
    in, the headers alone are read where they lie in a file; `envbuild verify` checks everything.
    """
    with opened_bundle(target, make_workshop(output)) as bundle:
        files = opened_files(bundle, platform, whole=False)
        rows = [_row(one, files) for one in _listed(files, path, recursive)]
        _tell_absent(files, output)
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo(printable(_long(row) if long else row["path"]).replace("\n", "�"))


def _listed(files: Files, path: str, recursive: bool) -> list[Placed]:
    from builder.oci.layer_rules import DIRECTORY

    top = files.find(path)
    if top.item.kind != DIRECTORY:
        return [top]
    return list(files.below(top.path)) if recursive else files.children(top.path)


def _row(placed: Placed, files: Files) -> dict[str, Any]:
    item = placed.item
    return {
        "path": "/" + placed.path.decode(errors="backslashreplace"),
        "type": _TYPES.get(item.kind, "unknown"),
        "mode": f"{stat.S_IFMT(_FORMATS.get(item.kind, 0)) | item.mode:o}",
        "uid": item.uid,
        "gid": item.gid,
        "size": item.size,
        "link": item.link.decode(errors="backslashreplace") if item.kind == b"2" else None,
        "layer": str(files.layers[placed.layer].descriptor.digest) if files.layers else None,
    }


def _long(row: dict[str, Any]) -> str:
    mode = stat.filemode(int(row["mode"], 8))
    link = f" -> {row['link']}" if row["link"] is not None else ""
    return f"{mode} {row['uid']:>5} {row['gid']:>5} {row['size']:>12}  {row['path']}{link}"


def _tell_absent(files: Files, output: Output) -> None:
    if files.absent:
        output.say(f"note: {count(len(files.absent), 'layer')} of the image, not inside, may hold more")
