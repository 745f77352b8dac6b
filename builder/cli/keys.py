"""`envbuild keys`: keys that bundles are signed with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from builder.cli.options import Existing, json_option
from builder.cli.output import Output, print_json
from builder.cli.passphrase import descriptor_option, passphrase

ALGORITHMS = ("ecdsa-p256", "ed25519")


@click.group("keys", short_help="Make keys that bundles are signed with.")
def command() -> None:
    """Make keys that bundles are signed with, and show them. SSH keys need nothing of this."""


@command.command("generate")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--algorithm", type=click.Choice(ALGORITHMS), default=ALGORITHMS[0], show_default=True,
    help="Tools for models and clusters know ecdsa-p256.",
)  # fmt: skip
@click.option("--no-passphrase", is_flag=True, help="Leave the private key unencrypted.")
@descriptor_option
@json_option
@click.pass_obj
def generate_command(
    output: Output, path: Path, algorithm: Any, no_passphrase: bool, descriptor: int | None, as_json: bool
) -> None:
    """Make a key pair: the private key in FILE, for you alone and encrypted, and the public key in FILE.pub.

    Files that are there are not overwritten. Prints the path of the public key.
    """
    from builder.records.signing.keys import check_free, generate

    if no_passphrase and descriptor is not None:
        raise click.UsageError("`--no-passphrase` and `--password-fd` exclude each other.")
    check_free(path)
    password = None if no_passphrase else passphrase(path, descriptor, new=True)
    public = generate(path, algorithm, password)
    if no_passphrase:
        output.say(f"note: whoever can read `{path}` can sign with it")
    _print(public.name, public.hint, as_json)


@command.command("show")
@click.argument("path", metavar="FILE", type=Existing())
@json_option
def show_command(path: Path, as_json: bool) -> None:
    """Print what names the public key in FILE in signatures and messages: the SHA-256 of its PEM."""
    from builder.records.signing.keys import read_public

    public = read_public(path)
    if as_json:
        _print(str(path), public.hint, as_json=True)
    else:
        click.echo(public.hint)


def _print(path: str, hint: str, as_json: bool) -> None:
    if as_json:
        print_json({"public-key": path, "hint": hint})
    else:
        click.echo(path)
