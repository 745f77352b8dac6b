"""SSH signatures (OpenSSH, PROTOCOL.sshsig) made and checked by `ssh-keygen`: with agents, hardware keys, certificates.

They stand in an envelope like any other, so that they cover the payload's type too; the namespace is `envbuild`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from builder.errors import EnvbuildError
from builder.oci.attachments import Attachment
from builder.oci.canonical import canonical_json, parse_json
from builder.records import ssh_keygen
from builder.records.signing.dsse import Envelope, SignatureError, signature_errors
from builder.records.signing.sigstore_bundle import PREDICATE_TYPE

MEDIA_TYPE = "application/vnd.envbuild.ssh-signature.v1+json"
NAMESPACE = "envbuild"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_NO_LINE = re.compile(r":\d+: (?:invalid key|bad options)")
"""What is said of a line of a list of signers that cannot be read."""


def sign(message: bytes, key: Path) -> bytes:
    """A signature of `message` by the private key in a file, or by the agent that has the key of a public one.

    Asks on the terminal for a passphrase or a touch, as `ssh-keygen` does.

    Raises: EnvbuildError, if it cannot be had.
    """
    return _binary(ssh_keygen.sign(message, NAMESPACE, key).decode("ascii", "replace"))


def as_attachment(envelope: Envelope, predicate_type: str) -> Attachment:
    """An envelope with an SSH signature as it is attached."""
    data = canonical_json(envelope.to_dict())
    return Attachment(MEDIA_TYPE, MEDIA_TYPE, data, {PREDICATE_TYPE: predicate_type})


def parse_envelope(data: bytes) -> Envelope:
    """The envelope in some bytes. Raises: SignatureError."""
    with signature_errors():
        envelope = Envelope.from_dict(parse_json(data, "a signature"))
    if len(envelope.signatures) != 1:
        raise SignatureError("an SSH signature's envelope has more than one signature")
    return envelope


def fingerprint(signature: bytes) -> str:
    """The fingerprint of the key that is said to have made a signature, as `ssh-keygen -l` shows it.

    Raises: SignatureError, if it is no signature.
    """
    size = int.from_bytes(signature[10:14], "big")
    key = signature[14 : 14 + size]
    if not signature.startswith(b"SSHSIG\0\0\0\1") or len(key) != size:
        raise SignatureError("this is not an SSH signature of version 1")
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class AllowedSigners:
    """Who may sign, as ssh-keygen(1) has it under ALLOWED SIGNERS: principals, keys, namespaces, times."""

    file: Path
    revoked: Path | None = None
    """A key revocation list, or public keys, one a line."""

    def principal(self, signature: bytes, message: bytes, identities: Sequence[str] = ("*",)) -> str | None:
        """Who of `identities`, which are globs, signed `message`; None if the key is of nobody there.

        Raises: SignatureError, if the signature does not hold, or the key may not or no longer sign;
        NotMeasuredError, if there is no `ssh-keygen`.
        """
        with ssh_keygen.signature_file(_armored(signature)) as of_file:
            finished = ssh_keygen.run(["-Y", "check-novalidate", "-n", NAMESPACE, *of_file], message)
            if finished.returncode:
                raise SignatureError("an SSH signature does not hold", ssh_keygen.said(finished))
            found = ssh_keygen.run(["-Y", "find-principals", *of_file, "-f", str(self.file)])
            if found.returncode:
                self._refuse_if_unclear(ssh_keygen.said(found), signature)
                return None
            names = found.stdout.decode("utf-8", "replace").split()
            chosen = [name for name in names if any(fnmatchcase(name, glob) for glob in identities)]
            return self._verified(chosen[0], of_file, message) if chosen else None

    def _verified(self, name: str, of_file: Sequence[str], message: bytes) -> str:
        arguments = ["-Y", "verify", "-f", str(self.file), "-I", name, "-n", NAMESPACE, *of_file]
        finished = ssh_keygen.run(arguments, message)
        if finished.returncode:
            raise SignatureError(f"{name} may not sign this, as `{self.file}` has it", ssh_keygen.said(finished))
        if self.revoked and ssh_keygen.run([*arguments, "-r", str(self.revoked)], message).returncode:
            raise SignatureError(f"the key that {name} signed with is revoked", f"by `{self.revoked}`")
        return name

    def _refuse_if_unclear(self, said: str, signature: bytes) -> None:
        """A key that is listed, but not for now, is told, and so is a line that is none: it may have meant this key."""
        if "has expired" in said or "not yet valid" in said:
            raise SignatureError(f"the key {fingerprint(signature)} may not sign now", said)
        if _NO_LINE.search(said):
            what = f"the key {fingerprint(signature)} is in no line of `{self.file.name}` that can be read"
            raise SignatureError(what, said)
        if "No principal matched" not in said and said:
            raise EnvbuildError(f"`{self.file}` cannot be read as a list of allowed signers", said)


def _binary(armored: str) -> bytes:
    body = armored.strip().removeprefix(_BEGIN).removesuffix(_END)
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (ValueError, binascii.Error) as error:
        raise EnvbuildError(f"`{ssh_keygen.PROGRAM}` gave no signature") from error


def _armored(signature: bytes) -> bytes:
    text = base64.b64encode(signature).decode()
    lines = [text[start : start + 70] for start in range(0, len(text), 70)]
    return "\n".join([_BEGIN, *lines, _END, ""]).encode()
