"""`envbuild sign`: signatures over a bundle, attached to it where it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.audit_trail import record_event
from builder.cli.interrupt import interruptible
from builder.cli.machine import make_workshop
from builder.cli.opened_bundle import bundle_argument, named_place, opened_bundle, reference_in
from builder.cli.options import Existing, json_option
from builder.cli.output import Output, count, print_json
from builder.cli.passphrase import descriptor_option, passphrase
from builder.errors import EnvbuildError

if TYPE_CHECKING:
    from builder.bundle.attached.signing import Signed
    from builder.records.signing.signers import Signer


@click.command("sign", short_help="Sign a bundle, its images and its model.")
@bundle_argument
@click.option("--key", type=Existing(), metavar="FILE", help="Sign with this private key, PEM.")
@click.option(
    "--ssh-key", type=Existing(), metavar="FILE", help="Sign with this SSH key; an agent's by its public key."
)
@click.option("--keyless", is_flag=True, help="Sign with an identity, by sigstore's public services.")
@descriptor_option
@click.option(
    "--records/--no-records", default=None,
    help="Sign statements that are attached without a signature too [default: not those in a registry].",
)  # fmt: skip
@click.option(
    "--model-signature", type=click.Path(path_type=Path), metavar="FILE", help="Write the model's signature here too."
)
@json_option
@click.pass_obj
@interruptible()
def command(
    output: Output,
    target: str,
    key: Path | None,
    ssh_key: Path | None,
    keyless: bool,
    descriptor: int | None,
    records: bool | None,
    model_signature: Path | None,
    as_json: bool,
) -> None:
    """Sign BUNDLE, a file, a folder, or `oci://HOST/NAME:TAG`, and attach the signatures to it there.

    Signed are the bundle's digest, below which everything is named by digest, the digest of each image and artifact in
    it, the files of its model, and what is said of it in statements without a signature, as its provenance. Neither the
    bundle nor its digest changes. Check first what you sign: `envbuild verify`.
    """
    from builder.bundle.attached.signing import sign_bundle

    if sum((key is not None, ssh_key is not None, keyless)) != 1:
        raise click.UsageError("One of `--key`, `--ssh-key` and `--keyless` says who signs.")
    workshop = make_workshop(output)
    signer = _signer(key, ssh_key, descriptor)
    place = named_place(target, workshop)
    with opened_bundle(target, workshop) as bundle:
        with_records = reference_in(target) is None if records is None else records
        signed = sign_bundle(bundle, place, signer, records=with_records)
        name, digest = bundle.name, str(bundle.top.digest)
    told = sorted({one.statement.predicate_type for one in signed})
    record_event("signed", name, digest, {"statements": told})
    if model_signature is not None:
        _write_model_signature(model_signature, signed)
    for one in signed:
        output.detail(f"signed {one.statement.predicate_type} of {one.subject}")
    if as_json:
        print_json({"digest": digest, "signed": [_entry(one) for one in signed]})
        return
    output.say(f"attached {count(len(signed), 'signature')} to {target}")
    click.echo(digest)


def _signer(key: Path | None, ssh_key: Path | None, descriptor: int | None) -> Signer:
    from builder.records.signing.keys import read_private
    from builder.records.signing.signers import KeylessSigner, KeySigner, SshSigner

    if key is not None:
        return KeySigner(read_private(key, lambda: passphrase(key, descriptor)))
    return SshSigner(ssh_key) if ssh_key is not None else KeylessSigner()


def _write_model_signature(path: Path, signed: tuple[Signed, ...]) -> None:
    from builder.bundle.attached.signing import model_signature
    from builder.oci.layout import write_atomically

    found = model_signature(signed)
    if found is None:
        raise EnvbuildError(
            "there is no signature of a model to write", "the bundle has no model, or an SSH key signed"
        )
    write_atomically(path, found.data)


def _entry(one: Signed) -> dict[str, str]:
    return {"subject": str(one.subject), "predicate-type": one.statement.predicate_type,
            "media-type": one.attachment.media_type}  # fmt: skip
