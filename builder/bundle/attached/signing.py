"""Signing a bundle: its digest, that of each image and artifact in it, its model, and what is said of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from builder.bundle.attached.attach import Place, attach_all, attached
from builder.bundle.reading.contents import Files
from builder.bundle.reading.reader import Bundle
from builder.errors import EnvbuildError
from builder.image.skeleton import MODEL
from builder.oci.attachments import Attachment
from builder.oci.digest import Digest
from builder.oci.documents import Descriptor
from builder.oci.layer_index import Item
from builder.oci.layer_rules import FILE, shown
from builder.records.in_toto import IN_TOTO
from builder.records.signing.model import model_statement
from builder.records.signing.signers import Signer, SshSigner
from builder.records.signing.statement import MODEL_SIGNATURE, SIGNED, Statement


@dataclass(frozen=True, slots=True)
class Signed:
    """What was signed and attached."""

    subject: Digest
    """What it is attached to."""
    statement: Statement
    attachment: Attachment


def sign_bundle(bundle: Bundle, place: Place, signer: Signer, *, records: bool = True) -> tuple[Signed, ...]:
    """Sign a bundle and attach the signatures to it, where it is; nothing is attached unless all was signed.

    Signed are the bundle's digest, those of its images and artifacts, the files of its model, and, with `records`,
    the statements that are attached without a signature. SSH keys sign all digests at once, so that a hardware key
    is touched once, and no model: OpenSSF Model Signing knows no such keys.

    Raises: EnvbuildError, if it cannot be signed; DigestMismatchError, if something is not what its digest says.
    """
    made: dict[Digest, list[Signed]] = {}
    for subject, statement, attachment in _signed(bundle, signer):
        made.setdefault(subject.digest, []).append(Signed(subject.digest, statement, attachment))
    if records:
        for subject in bundle.subjects:
            for statement in _unsigned(bundle, subject.digest):
                made[subject.digest].append(Signed(subject.digest, statement, signer.sign(statement)))
    groups = [(subject, [one.attachment for one in made[subject.digest]]) for subject in bundle.subjects]
    attach_all(place, groups)
    return tuple(one for group in made.values() for one in group)


def model_files(bundle: Bundle) -> dict[str, Digest]:
    """The SHA-256 of each file of the model, by its path from the model's folder; every layer of it is read once.

    Raises: EnvbuildError, if the model holds links; DigestMismatchError.
    """
    files = Files(bundle.layout, bundle.images[min(bundle.images)], whole=True)
    if files.present(MODEL.encode()) is None:
        return {}
    by_layer: dict[int, dict[Item, str]] = {}
    for placed in files.below(MODEL.encode()):
        path = placed.path.removeprefix(f"{MODEL}/".encode())
        if placed.item.kind == FILE:
            by_layer.setdefault(placed.layer, {})[placed.item] = path.decode(errors="surrogateescape")
        elif placed.item.link:
            raise EnvbuildError("the model cannot be signed", f"`{shown(path)}` is a link")
    return dict(pair for number, names in by_layer.items() for pair in _digests(files, number, names))


def _digests(files: Files, number: int, names: dict[Item, str]) -> Iterator[tuple[str, Digest]]:
    hashes = {item: hashlib.sha256() for item in names}
    for item, data in files.contents(number, sorted(names, key=lambda item: item.offset)):
        hashes[item].update(data)
    for item, name in names.items():
        yield name, Digest(hashes[item].hexdigest())


def _signed(bundle: Bundle, signer: Signer) -> Iterator[tuple[Descriptor, Statement, Attachment]]:
    subjects = bundle.subjects
    if isinstance(signer, SshSigner):
        statement = Statement(tuple(subject.digest for subject in subjects), SIGNED)
        attachment = signer.sign(statement)
        yield from ((subject, statement, attachment) for subject in subjects)
        return
    for subject in subjects:
        statement = Statement((subject.digest,), SIGNED)
        yield subject, statement, signer.sign(statement)
    if files := model_files(bundle):
        statement = model_statement(bundle.name.partition(":")[0], files)
        yield bundle.top, statement, signer.sign(statement)


def _unsigned(bundle: Bundle, subject: Digest) -> Iterator[Statement]:
    """The statements about a digest that are attached to it and that nobody signed."""
    for _, attachment in attached(bundle, subject):
        if attachment.media_type == IN_TOTO:
            statement = Statement.from_bytes(attachment.data)
            if subject not in statement.subjects:
                raise EnvbuildError(f"a statement that is attached to {subject} is not about it")
            yield statement


def model_signature(signed: Sequence[Signed]) -> Attachment | None:
    """The signature of the model among what was signed."""
    found = (one.attachment for one in signed if one.statement.predicate_type == MODEL_SIGNATURE)
    return next(found, None)
