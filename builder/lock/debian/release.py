"""An archive's `InRelease`: who signed it, which archive it is, how long it holds, and what its indexes hash to.

Source: Debian repository format (https://wiki.debian.org/DebianRepository/Format), apt-secure(8). Pure, apart from
the verifier (Sequoia), which looks at the machine's clock to see whether a signing key has expired.

`archive-keyring.pgp` is `/usr/share/keyrings/debian-archive-keyring.pgp` of the Debian package
debian-archive-keyring 2025.1 (sha256 of the `.deb`
9ea7778e443144ca490668737a8ab22dd3e748bb99e805e22ec055abeb3c7fac), whose keys sign bookworm, trixie, forky and sid.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path

import pysequoia
from pysequoia.packet import PacketPile

from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.digest import Digest

KEYRING = Path(__file__).with_name("archive-keyring.pgp")

RELEASE_LIMIT = 8 << 20
"""Bytes of an InRelease file at most; Debian's have about 200 KB."""

_ENTRY = re.compile(r"([0-9a-f]{64})\s+([0-9]{1,15})\s+(\S+)")


class BadSignatureError(DigestMismatchError):
    """The bytes are not those that were signed, or they were not signed at all."""


class UnknownSignerError(DigestMismatchError):
    """The bytes are signed, by nobody who is trusted."""


class ExpiredReleaseError(EnvbuildError):
    """The archive has said that this state of it holds no more."""


class WrongReleaseError(EnvbuildError):
    """The statement is of another archive than the one that was asked for."""


@dataclass(frozen=True, slots=True)
class IndexFile:
    """An index that a release lists."""

    digest: Digest
    size: int
    """In bytes."""


@dataclass(frozen=True, slots=True)
class Release:
    """The verified statement of an archive about one state of itself."""

    suite: str
    """As the archive calls it now, such as `stable`."""
    codename: str
    date: datetime
    valid_until: datetime | None
    by_hash: bool
    """Whether indexes can be had by their digest, so that a new state of the archive does not take them away."""
    indexes: Mapping[str, IndexFile]
    """By path below `dists/<codename>/`."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """The certificates that are trusted, in OpenPGP's binary or armoured form."""

    data: bytes

    @classmethod
    def shipped(cls) -> Keyring:
        """Debian's."""
        return cls(KEYRING.read_bytes())

    def certificates(self) -> list[pysequoia.Cert]:
        """Each of them, parsed."""
        return _certificates(self.data)

    def key_ids(self) -> frozenset[str]:
        """Fingerprints and key ids of all keys and subkeys, in lower case."""
        packets = [packet for packet in PacketPile.from_bytes(self.data) if packet.fingerprint]
        return frozenset(text.lower() for p in packets for text in (p.fingerprint, p.key_id) if text)


def verify_release(raw: bytes, codename: str, now: datetime, keyring: Keyring, what: str) -> Release:
    """The statement in an InRelease file, if a trusted key signed it and it is about `codename` and holds at `now`.

    `what` is the file's name in messages.

    Raises: BadSignatureError, UnknownSignerError, WrongReleaseError, ExpiredReleaseError; EnvbuildError, if it is
    malformed.
    """
    release = _parse(_verified(raw, keyring, what), what)
    if release.codename != codename:
        raise WrongReleaseError(
            f"{what} is not about `{codename}`",
            f"the archive signed it for `{release.codename[:80]}`",
            "Look whether the mirror is one of Debian, and whether it is complete",
        )
    if release.valid_until is not None and now > release.valid_until:
        raise ExpiredReleaseError(
            f"{what} has expired",
            f"it is of {release.date:%Y-%m-%d} and was valid until {release.valid_until:%Y-%m-%d %H:%M} UTC",
            "Use a mirror that is kept up to date, and look whether this machine's clock is right",
        )
    return release


def _verified(raw: bytes, keyring: Keyring, what: str) -> bytes:
    """The bytes that a trusted key signed: what stands before or after them in `raw` is not among them."""
    issuers: list[str] = []

    def certificates(ids: list[str]) -> list[pysequoia.Cert]:
        issuers.extend(ids)
        return keyring.certificates()

    try:
        result = pysequoia.verify(bytes=raw, store=certificates)
        content = result.bytes if result.valid_sigs else None
    except RuntimeError as error:
        if issuers and not keyring.key_ids() & {issuer.lower() for issuer in issuers}:
            raise UnknownSignerError(
                f"{what} is signed by nobody who is trusted",
                "the keys are " + ", ".join(issuer[:40].upper() for issuer in issuers[:5]),
                "Look whether the mirror is one of Debian; only Debian's own archive keys are trusted",
            ) from error
        reason = (str(error).strip().splitlines() or ["it cannot be read"])[0]
        raise BadSignatureError(f"{what} has no good signature", reason[:200]) from error
    if content is None:
        raise BadSignatureError(f"{what} has no good signature")
    return bytes(content)


@cache
def _certificates(data: bytes) -> list[pysequoia.Cert]:
    return list(pysequoia.Cert.split_bytes(data))


def _parse(content: bytes, what: str) -> Release:
    fields: dict[str, str] = {}
    for line in re.split(r"\n(?![ \t])", content.decode("utf-8", "replace")):
        name, _, value = line.partition(":")
        fields.setdefault(name, value.strip())
    try:
        valid_until = fields.get("Valid-Until")
        return Release(
            fields.get("Suite", ""),
            fields["Codename"],
            _date(fields["Date"]),
            None if valid_until is None else _date(valid_until),
            fields.get("Acquire-By-Hash") == "yes",
            {path: IndexFile(Digest(digest), int(size)) for digest, size, path in _entries(fields["SHA256"])},
        )
    except KeyError as error:
        raise EnvbuildError(f"{what} is malformed", f"it has no field {error.args[0]}") from error
    except ValueError as error:
        raise EnvbuildError(f"{what} is malformed", str(error)[:200]) from error


def _date(text: str) -> datetime:
    """A date such as `Sat, 21 Nov 2026 02:10:46 UTC`, which the archive always gives in UTC."""
    date = parsedate_to_datetime(text)
    if date.tzinfo is None or date.utcoffset():
        raise ValueError(f"`{text[:80]}` is not a date in UTC")
    return date


def _entries(table: str) -> list[tuple[str, str, str]]:
    entries = []
    for line in filter(None, map(str.strip, table.splitlines())):
        match = _ENTRY.fullmatch(line)
        if match is None:
            raise ValueError(f"`{line[:120]}` is not a digest, a size and a path")
        entries.append((match[1], match[2], match[3]))
    return entries
