"""Who signed a digest, and whether that is who must have. Pure but for what verifiers ask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.errors import EnvbuildError, NotMeasuredError
from builder.oci.attachments import Attachment
from builder.oci.digest import Digest
from builder.records.policy.document import Signers
from builder.records.policy.outcome import Outcome, Result
from builder.records.signing.dsse import SignatureError
from builder.records.signing.keyless import KeylessIdentity
from builder.records.signing.keys import read_public
from builder.records.signing.signed import (
    KeylessVerifier,
    KeyVerifier,
    SignedStatement,
    SshVerifier,
    Verifier,
    read_signed,
)
from builder.records.signing.ssh import AllowedSigners
from builder.records.signing.statement import MODEL_SIGNATURE, SIGNED, Statement


@dataclass(frozen=True, slots=True)
class Read:
    """What is attached to a digest and signed, or claims to be."""

    subject: Digest
    signed: tuple[SignedStatement, ...]
    """About the digest."""
    refused: tuple[str, ...] = ()
    """Why others are none; a sentence each."""
    models: tuple[SignedStatement, ...] = ()
    """About the files of the model, whose digest is another."""
    unread: tuple[str, ...] = ()
    """What is attached besides and could not be read, in a registry where strangers can attach; a sentence each."""

    @property
    def signatures(self) -> tuple[SignedStatement, ...]:
        """Those that say that the digest is signed, and nothing more."""
        return tuple(one for one in self.signed if one.statement.predicate_type == SIGNED)


def read_attached(subject: Digest, attachments: Iterable[Attachment]) -> Read:
    """The signed statements among what is attached to a digest; one about another digest is refused."""
    signed, refused, models = [], [], []
    for attachment in attachments:
        try:
            one = read_signed(attachment)
        except SignatureError as error:
            refused.append(": ".join((error.what, *error.why)))
            continue
        if one is None:
            continue
        if one.statement.predicate_type == MODEL_SIGNATURE:
            models.append(one)
        elif subject in one.statement.subjects:
            signed.append(one)
        else:
            others = ", ".join(map(str, one.statement.subjects[:3]))
            refused.append(f"a signature is of {others}, and was attached to {subject}")
    return Read(subject, tuple(signed), tuple(refused), tuple(models))


def verifiers(signers: Signers, folder: Path) -> tuple[Verifier, ...]:
    """Those who are trusted, with their keys read. Raises: EnvbuildError, if a key cannot be."""
    root = folder / signers.trusted_root if signers.trusted_root else None
    found: list[Verifier] = [KeyVerifier(read_public(folder / path)) for path in signers.keys]
    if signers.allowed_signers:
        revoked = folder / signers.revoked if signers.revoked else None
        found.append(SshVerifier(AllowedSigners(folder / signers.allowed_signers, revoked), signers.identities))
    found += [KeylessVerifier(KeylessIdentity(one.identity, one.issuer, root)) for one in signers.keyless]
    return tuple(found)


@dataclass(slots=True)
class _Asked:
    """What verifiers said of signatures."""

    by: set[str]
    keys: set[str]
    """Of those who signed; one who has several names, or forms of signatures, is still one."""
    wrong: list[str]
    not_measured: list[str]


def check_signers(rule: str, read: Read, trusted: Sequence[Verifier], threshold: int) -> Outcome:
    """Whether as many of those who are trusted signed the digest.

    What others signed, or signed wrongly, is no fault as long as enough did. Where not enough did, it is one: a
    signature that is there and holds for nobody is wrong; of what cannot be read, nobody knows; else it is missing.
    """
    asked = _ask(read.signatures, trusted)
    signers = min(len(asked.by), len(asked.keys))
    if signers >= threshold:
        return Outcome(rule, Result.PASSED, (f"{read.subject} is signed by {', '.join(sorted(asked.by))}",))
    wrong = [*read.refused, *asked.wrong]
    if wrong:
        return Outcome(rule, Result.WRONG, tuple(wrong))
    if not_measured := (*asked.not_measured, *read.unread):
        return Outcome(rule, Result.NOT_MEASURED, not_measured)
    names = ", ".join(verifier.name for verifier in trusted)
    had = f"{signers} of {threshold} signed" if asked.by else "nobody signed"
    return Outcome(rule, Result.MISSING, (f"{had} {read.subject}, of these: {names}",))


def check_model(read: Read, trusted: Sequence[Verifier], model: Statement | None) -> Outcome | None:
    """Whether what those who are trusted signed as the model is the model that is there; None if they signed none.

    `model` is what they should have signed; None where there is no model.
    """
    signed = vouched(read.models, trusted)
    if not signed:
        return None
    roots = {one.statement.subjects for one in signed}
    if model is not None and model.subjects in roots:
        return Outcome("model", Result.PASSED, ("the model is signed, file by file",))
    return Outcome("model", Result.WRONG, ("the model that is signed is not the model that is there",))


def vouched(statements: Iterable[SignedStatement], trusted: Sequence[Verifier]) -> list[SignedStatement]:
    """Those statements that somebody trusted signed."""
    return [one for one in statements if _ask([one], trusted).by]


def _ask(signatures: Sequence[SignedStatement], trusted: Sequence[Verifier]) -> _Asked:
    asked = _Asked(set(), set(), [], [])
    for signed in signatures:
        by, wrong, not_measured = _vouchers(signed, trusted)
        asked.by |= by.keys()
        asked.keys |= set(by.values())
        if not by:
            asked.not_measured += not_measured
            unknown = f"a signature is by {signed.by}, which is not trusted"
            asked.wrong += wrong or ([] if not_measured else [unknown])
    return asked


def _vouchers(signed: SignedStatement, trusted: Sequence[Verifier]) -> tuple[dict[str, str], list[str], list[str]]:
    """Who signed, with their keys; why others are wrong; why others could not be asked."""
    by: dict[str, str] = {}
    wrong, not_measured = [], []
    for verifier in trusted:
        try:
            if name := verifier.vouch(signed):
                by[name] = verifier.key.fingerprint if isinstance(verifier, KeyVerifier) else signed.hint or name
        except SignatureError as error:
            wrong.append(_sentence(error))
        except NotMeasuredError as error:
            not_measured.append(_sentence(error))
    return by, wrong, not_measured


def _sentence(error: EnvbuildError) -> str:
    return ": ".join((error.what, *filter(None, error.why)))
