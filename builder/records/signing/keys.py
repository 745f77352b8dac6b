"""Keys in files: ECDSA P-256 and ed25519, private ones as PKCS#8, public ones as SubjectPublicKeyInfo, both PEM.

A key has one algorithm, which nothing that is signed can choose: SHA-256 and DER for ECDSA, ed25519 as it is.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from builder.errors import EnvbuildError
from builder.records.signing.dsse import SignatureError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

Algorithm = Literal["ecdsa-p256", "ed25519"]
ALGORITHMS: tuple[Algorithm, ...] = ("ecdsa-p256", "ed25519")
_LIMIT = 64 << 10
"""Bytes of a key's file at most."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What signatures are checked with."""

    name: str
    """What to call it in messages: its file."""
    key: EllipticCurvePublicKey | Ed25519PublicKey

    @property
    def pem(self) -> bytes:
        """The key's one form in text."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def hint(self) -> str:
        """What names it: the SHA-256 of `pem` in hexadecimal, as OpenSSF Model Signing has it."""
        return hashlib.sha256(self.pem).hexdigest()

    @property
    def fingerprint(self) -> str:
        """As OpenSSH has it of the same key: what tells that two forms are of one."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        line = self.key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        checksum = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
        return "SHA256:" + base64.b64encode(checksum).decode().rstrip("=")

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raises: SignatureError, if the key did not sign this."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

        try:
            if isinstance(self.key, Ed25519PublicKey):
                self.key.verify(signature, message)
                return
            if encode_dss_signature(*decode_dss_signature(signature)) != signature:
                raise ValueError("not DER")
            self.key.verify(signature, message, _ecdsa())
        except (InvalidSignature, ValueError) as error:
            raise SignatureError(f"`{self.name}` did not make this signature, or not of this") from error


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """What signs."""

    key: EllipticCurvePrivateKey | Ed25519PrivateKey

    @property
    def public(self) -> PublicKey:
        """The other half."""
        return PublicKey("the key", self.key.public_key())

    def sign(self, message: bytes) -> bytes:
        """A signature of `message`; the same each time, as far as OpenSSL can do that (3.2, RFC 6979)."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if isinstance(self.key, Ed25519PrivateKey):
            return self.key.sign(message)
        try:
            return self.key.sign(message, _ecdsa(deterministic=True))
        except UnsupportedAlgorithm:
            return self.key.sign(message, _ecdsa())


def generate(path: Path, algorithm: Algorithm, password: bytes | None) -> PublicKey:
    """Make a key pair: the private key at `path`, encrypted if there is a password, the public one at `path`.pub.

    Raises: EnvbuildError, if either file is there already.
    """
    public_path = check_free(path)
    private = PrivateKey(_new(algorithm))
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, _private_pem(private, password), 0o600)
    try:
        _write(public_path, private.public.pem, 0o644)
    except BaseException:
        path.unlink()
        raise
    return PublicKey(str(public_path), private.public.key)


def check_free(path: Path) -> Path:
    """Where the public key belongs to a new private key at `path`.

    Raises: EnvbuildError, if either is there, or the name is that of a public key, which is given away.
    """
    if path.suffix == ".pub":
        raise EnvbuildError(
            f"`{path}` is no name for a private key", "it is that of a public one", f"Name `{path.with_suffix('')}`"
        )
    public_path = path.with_name(f"{path.name}.pub")
    for file in (path, public_path):
        if file.exists() or file.is_symlink():
            raise EnvbuildError(f"`{file}` is there already", hint="Keys are not overwritten; name another file")
    return public_path


def read_private(path: Path, password: Callable[[], bytes]) -> PrivateKey:
    """The private key in a file; `password` is asked for if it is encrypted.

    Raises: EnvbuildError, if there is none, it is of another kind, or the password is another.
    """
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = _read(path)
    try:
        if b"ENCRYPTED" in data.partition(b"\n")[0]:
            return PrivateKey(_supported(load_pem_private_key(data, password()), path))
        return PrivateKey(_supported(load_pem_private_key(data, None), path))
    except (ValueError, TypeError) as error:
        why = "the passphrase is another, or it is damaged" if b"ENCRYPTED" in data else "it is no private key in PEM"
        if b"OPENSSH" in data or data.startswith(b"ssh-"):
            hint: str | None = "SSH keys are named with `--ssh-key`"
        else:
            hint = "Name the private key, which `KEY.pub` belongs to" if b"PUBLIC KEY" in data else None
        raise EnvbuildError(f"`{path}` cannot be used to sign", why, hint) from error
    except EnvbuildError:
        raise
    except Exception as error:  # an algorithm that cryptography does not have
        raise EnvbuildError(f"`{path}` cannot be used to sign", "it is of a kind that is not supported") from error


def read_public(path: Path) -> PublicKey:
    """The public key in a file. Raises: EnvbuildError, if there is none, or it is of another kind."""
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    data = _read(path)
    try:
        return PublicKey(str(path), _supported(load_pem_public_key(data), path))
    except EnvbuildError:
        raise
    except Exception as error:
        hint = "Name the public key, `KEY.pub`" if b"PRIVATE" in data else None
        raise EnvbuildError(f"`{path}` is no public key in PEM", hint=hint) from error


def _new(algorithm: Algorithm) -> EllipticCurvePrivateKey | Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.generate() if algorithm == "ed25519" else ec.generate_private_key(ec.SECP256R1())


def _ecdsa(*, deterministic: bool = False) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    return ECDSA(SHA256(), deterministic_signing=deterministic)


def _supported(key: Any, path: Path) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    if isinstance(key, (ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey)):
        return key
    curves = (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey)
    if isinstance(key, curves) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise EnvbuildError(f"the key in `{path}` cannot be used", "it is neither ECDSA on P-256 nor ed25519")


def _private_pem(private: PrivateKey, password: bytes | None) -> bytes:
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        KeySerializationEncryption,
        NoEncryption,
        PrivateFormat,
    )

    encryption: KeySerializationEncryption = BestAvailableEncryption(password) if password else NoEncryption()
    return private.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def _write(path: Path, data: bytes, mode: int) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(_LIMIT + 1)
    except OSError as error:
        raise EnvbuildError(f"the key `{path}` cannot be read", error.strerror or str(error)) from error
    if len(data) > _LIMIT:
        raise EnvbuildError(f"`{path}` is no key", "it is too large")
    return data
