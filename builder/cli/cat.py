"""`envbuild cat`: a file of a bundle, without unpacking it."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterator

import click

from builder.cli.machine import make_workshop
from builder.cli.opened_bundle import bundle_argument, opened_bundle, opened_files, platform_of_bundle_option
from builder.cli.output import Output, printable


@click.command("cat", short_help="Print a file of a bundle, without unpacking it.")
@bundle_argument
@click.argument("path")
@platform_of_bundle_option
@click.pass_obj
def command(output: Output, target: str, path: str, platform: str | None) -> None:
    """Print the file at PATH in the image of BUNDLE: a file, a folder, or `oci://HOST/NAME:TAG`.

    Links are followed inside the image. Every layer that is read is read whole and checked against its digests before
    the first byte is printed. On a terminal, control characters are replaced.
    """
    with opened_bundle(target, make_workshop(output)) as bundle:
        files = opened_files(bundle, platform, whole=True)
        content = files.content(files.find(path))
        if sys.stdout.isatty():
            for text in _harmless(content):
                click.echo(text, nl=False)
            return
        for data in content:
            sys.stdout.buffer.write(data)
        sys.stdout.flush()


def _harmless(content: Iterator[bytes]) -> Iterator[str]:
    """Text without what could be a command to a terminal."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for data in content:
        yield "\t".join(map(printable, decoder.decode(data).split("\t")))
