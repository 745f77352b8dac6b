"""Signatures for an identity instead of a key, by sigstore's library, which is an extra."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError, NotMeasuredError
from builder.records.in_toto import IN_TOTO
from builder.records.signing.dsse import SignatureError
from builder.records.signing.statement import Statement

_HINT = "Install it: `pip install 'envbuild[sigstore]'`"


@dataclass(frozen=True, slots=True)
class KeylessIdentity:
    """For whom Fulcio made the certificate that signed."""

    identity: str
    """An address, or the URI of a workflow."""
    issuer: str
    """The URL of the OpenID provider that knows it."""
    trusted_root: Path | None = None
    """A `trusted_root.json`; without one, that of the public instance, as this machine last had it."""

    def check(self, bundle: bytes) -> bytes:
        """The payload that this identity signed; nothing is asked of the network.

        Raises: SignatureError, if it did not; NotMeasuredError, if the library or the trusted root is not there.
        """
        library = _library()
        try:
            verifier = library.verifier(self.trusted_root)
        except Exception as error:
            place = f"`{self.trusted_root}`" if self.trusted_root else "the public instance's trusted root"
            raise NotMeasuredError(f"{place} cannot be used to check keyless signatures", _one_line(error)) from error
        try:
            kind, payload = verifier.verify_dsse(library.parse(bundle), library.policy(self.identity, self.issuer))
        except Exception as error:
            raise SignatureError(f"this is no signature of {self.identity}", _one_line(error)) from error
        if kind != IN_TOTO:
            raise SignatureError("a keyless signature is not of an in-toto statement", str(kind)[:100])
        return bytes(payload)


def sign(statement: Statement) -> bytes:
    """A Sigstore bundle for the identity of this CI job, else for whoever logs in by a browser.

    Asks a certificate authority and a transparency log, which are public.

    Raises: EnvbuildError, if the library is not there or the services cannot be asked.
    """
    library = _library()
    try:
        return library.sign(statement.to_bytes())
    except Exception as error:
        raise EnvbuildError("nothing was signed: sigstore's services did not do it", _one_line(error)) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _library() -> _Library:
    try:
        import sigstore  # noqa: F401
    except ImportError as error:
        raise NotMeasuredError("keyless signatures need the extra `sigstore`", hint=_HINT) from error
    return _Library()


class _Library:
    """What is used of sigstore (4.x), imported when it is used."""

    def verifier(self, trusted_root: Path | None) -> Any:
        from sigstore.models import TrustedRoot
        from sigstore.verify import Verifier

        if trusted_root is None:
            return Verifier.production(offline=True)
        return Verifier(trusted_root=TrustedRoot.from_file(str(trusted_root)))

    def parse(self, data: bytes) -> Any:
        from sigstore.models import Bundle

        return Bundle.from_json(data)

    def policy(self, identity: str, issuer: str) -> Any:
        from sigstore.verify.policy import Identity

        return Identity(identity=identity, issuer=issuer)

    def sign(self, statement: bytes) -> bytes:
        from sigstore.dsse import Statement as SigstoreStatement
        from sigstore.models import ClientTrustConfig
        from sigstore.oidc import IdentityToken, Issuer, detect_credential
        from sigstore.sign import SigningContext

        config = ClientTrustConfig.production()
        token = detect_credential()
        identity = IdentityToken(token) if token else Issuer(config.signing_config.get_oidc_url()).identity_token()
        with SigningContext.from_trust_config(config).signer(identity) as signer:
            return str(signer.sign_dsse(SigstoreStatement(statement)).to_json()).encode()
