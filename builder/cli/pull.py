"""`envbuild pull`: images of a registry into the store, and into a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.interrupt import interruptible
from builder.cli.machine import make_fetcher, make_registries, open_store
from builder.cli.opened_bundle import REFERENCE
from builder.cli.options import json_option, platform_option
from builder.cli.output import Output, count, print_json, size_text

if TYPE_CHECKING:
    from builder.oci.registry import Reference, Registries
    from builder.oci.registry.pull import Pulled
    from builder.oci.registry.referrers import Records
    from builder.oci.store import Store


@click.command("pull", short_help="Pull images of a registry into the store, or into a bundle.")
@click.argument("reference", metavar="HOST/NAME[:TAG][@DIGEST]")
@click.option("-o", "--output", "target", type=click.Path(path_type=Path), help="Also write FILE.tar, or a folder.")
@platform_option
@json_option
@click.pass_obj
@interruptible()
def command(output: Output, reference: str, target: Path | None, platforms: tuple[str, ...], as_json: bool) -> None:
    """Pull what is at HOST/NAME into the store, every byte checked against its digest; what is there is not fetched.

    With `-o`, also as a bundle, with the records that are attached to it: what was pushed from one gives the same
    bytes again. Prints one reference, by digest.
    """
    from builder.oci.documents import Platform
    from builder.oci.registry import Reference
    from builder.oci.registry.pull import pull
    from builder.progress import Silent

    named = Reference.parse(reference.removeprefix(REFERENCE))
    if target:
        from builder.bundle.pack import check_target

        check_target(target)
    chosen = sorted({Platform.parse(name) for name in platforms})
    store, progress = open_store(), output.progress() or Silent()
    registries = make_registries(make_fetcher(store, output))
    pulled = pull(registries, named, store, chosen, progress)
    records = _records(registries, named, pulled, store) if target else None
    fetched = pulled.fetched + (records.fetched if records else 0)
    output.say(f"pulled {named}: {size_text(fetched)} fetched")
    if target and records:
        from builder.bundle.pack import pack
        from builder.bundle.pulled import pulled_images

        if records.left:
            left = count(records.left, "attachment")
            output.say(f"{left} stayed in the registry: a record of one blob of at most 16 MiB goes into a bundle")
        size = pack(pulled_images(store, pulled.top, named, records.entries), store, target, progress)
        output.say(f"wrote {target} ({size_text(size)})")
    if as_json:
        file = {"file": str(target)} if target else {}
        print_json({"reference": str(pulled.reference), "fetched": fetched, **file})
    else:
        click.echo(str(pulled.reference))


def _records(registries: Registries, named: Reference, pulled: Pulled, store: Store) -> Records:
    """What is attached to what was pulled, in the store too."""
    from builder.bundle.pulled import subjects
    from builder.oci.registry.referrers import Repository, pull_attached

    return pull_attached(Repository(registries, named), subjects(store, pulled.top), store)
