"""A policy: what a bundle must be before it is taken. Declared as the specs are, and read as strictly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import ClassVar, Literal

from builder.errors import EnvbuildError
from builder.spec.fields import Form, key, missing_file
from builder.spec.reader import Reader, SpecError

_FILE = Form(r".+", "a file", missing_file=missing_file)
_TEXT = Form(r"(?:.|\n)*\S(?:.|\n)*", "a text")
_GLOB = Form(r"\S+", "a name or a glob")
_URL = Form(r"https?://\S+", "the URL of an OpenID provider")


def _missing(folder: Path, path: str) -> str | None:
    return None if (folder / path).exists() else f"`{path}` is not there"


def _date(text: str) -> object:
    return date.fromisoformat(text)


_PLACE = Form(r".+", "a folder or a file", missing_file=_missing)
_DAY = Form(r"\d{4}-\d{2}-\d{2}", "a day (2027-01-31)", _date)

Level = Literal["none", "low", "medium", "high", "critical"]
ScanLevel = Literal["none", "low", "medium", "high"]
Kind = Literal["python", "debian", "conda"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who signs without a key, and who vouches for that."""

    identity: str = key("An address, or the URI of a workflow.", form=_TEXT)
    issuer: str = key("The URL of the OpenID provider.", form=_URL)


@dataclass(frozen=True, slots=True)
class Signers:
    """Those of whom some must have signed."""

    ONE_OF: ClassVar = ("keys", "allowed-signers", "keyless")

    keys: tuple[str, ...] = key("Files of public keys, PEM.", default=(), form=_FILE)
    allowed_signers: str | None = key(
        "A file of SSH keys and who has them, as `ssh-keygen` reads it.", default=None, form=_FILE
    )
    identities: tuple[str, ...] = key(
        "Who of `allowed-signers`, as globs (`*@example.org`).", default=("*",), form=_GLOB
    )
    revoked: str | None = key(
        "A file of SSH keys that are revoked: a KRL, or public keys one a line.", default=None, form=_FILE
    )
    keyless: tuple[Identity, ...] = key("Identities that sign without a key.", default=())
    trusted_root: str | None = key(
        "The `trusted_root.json` that keyless signatures are checked with; without it, the public one that sigstore "
        "has kept on this machine.",
        default=None,
        form=_FILE,
    )
    threshold: int = key("How many of them must have signed.", default=1)

    def problems(self) -> Iterable[tuple[str, str, str | None]]:
        """What single keys cannot tell."""
        if self.threshold is not None and self.threshold < 1:
            yield "threshold", "at least 1 must have signed", None
        most = len(self.keys or ()) + len(self.keyless or ())
        if self.threshold is not None and not self.allowed_signers and most and self.threshold > most:
            yield "threshold", f"there are only {most} who could have signed", None
        if self.revoked and not self.allowed_signers:
            yield "revoked", "it belongs to `allowed-signers`", None


@dataclass(frozen=True, slots=True)
class BaseImage:
    """A base that may be used; both must match."""

    ONE_OF: ClassVar = ("name", "digest")

    name: str = key("A name or a glob: `debian:bookworm`, `registry.example/team/*`.", default="*", form=_GLOB)
    digest: str = key(
        "The digest or a glob of digests of the platform's manifest; a Debian suite has none.", default="*", form=_GLOB
    )


@dataclass(frozen=True, slots=True)
class LicenseRule:
    """Which licences packages may have, as SPDX names them; `*` stands for anything, as in `GPL-*`."""

    deny: tuple[str, ...] = key("No package may be under one of these alone.", default=())
    allow: tuple[str, ...] = key("Every package must be under one of these, if any is named.", default=())
    ignore: Mapping[str, str] = key("Packages that are not held to it, by name, and why.", default=dict)
    unknown: bool = key(
        "Whether packages may be there of whose licence nothing is known; else that is not measured.", default=False
    )


@dataclass(frozen=True, slots=True)
class ScanRule:
    """What scans may have found."""

    at_most: ScanLevel = key("The highest level of a finding that the spec has not allowed.", default="low")


@dataclass(frozen=True, slots=True)
class ContractRule:
    """What must have come of holding data to their contracts: every rule was evaluated, and passed."""

    required: bool = key(
        "Whether all data must have a contract; else those that have none are not asked.", default=True
    )


@dataclass(frozen=True, slots=True)
class Ignored:
    """A vulnerability that is known and taken."""

    id: str = key("Its id, or an alias: `CVE-2026-1234`.", form=_GLOB)
    reason: str = key("Why it does no harm here.", form=_TEXT)
    until: str = key("The last day on which it is taken; for ever, if none is named.", default="", form=_DAY)

    def holds(self, today: date) -> bool:
        """Whether it still counts."""
        return not self.until or today <= date.fromisoformat(self.until)


@dataclass(frozen=True, slots=True)
class Vulnerabilities:
    """Which known vulnerabilities packages may have, by a copy of an OSV database."""

    database: str | tuple[str, ...] = key(
        "Folders, or files as osv.dev publishes them (`all.zip` of each ecosystem).", form=_PLACE
    )
    at_most: Level = key("The highest severity that may be there.", default="medium")
    ignore: tuple[Ignored, ...] = key("Vulnerabilities that are known and taken.", default=())
    skip: tuple[Kind, ...] = key("Kinds of packages that are not looked up.", default=())

    @property
    def places(self) -> tuple[str, ...]:
        """`database` as a list."""
        return (self.database,) if isinstance(self.database, str) else self.database


@dataclass(frozen=True, slots=True)
class Policy:
    """What a bundle must be; paths are relative to the policy's file."""

    ONE_OF: ClassVar = ("signatures", "builders", "bases", "licenses", "scan", "contracts", "vulnerabilities")

    signatures: tuple[Signers, ...] | None = key("Who must have signed; each of these.", default=None)
    builders: tuple[str, ...] | None = key(
        "Ids of builders, as globs; a signed provenance must name one of them.", default=None, form=_GLOB
    )
    bases: tuple[BaseImage, ...] | None = key("Bases that images may stand on.", default=None)
    licenses: LicenseRule | None = key("Which licences packages may have.", default=None)
    scan: ScanRule | None = key(
        "What scans for secrets, unsafe pickles and personal data may have found.", default=None
    )
    contracts: ContractRule | None = key("Whether data must keep what is promised of them.", default=None)
    vulnerabilities: Vulnerabilities | None = key("Which known vulnerabilities packages may have.", default=None)

    def problems(self) -> Iterable[tuple[str, str, str | None]]:
        """What single keys cannot tell."""
        for name in ("signatures", "builders", "bases"):
            if getattr(self, name) == ():
                yield name, "it is empty, and so asks for nothing", "leave it out, or name some"
        if self.builders and not self.signatures:
            yield "builders", "it needs `signatures`", "provenance is believed if one of the signers signed it"


def read_policy(path: Path) -> Policy:
    """The policy in a file. Raises: SpecError, with every problem; EnvbuildError, if it cannot be read."""
    reader = Reader(str(path), path.parent)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EnvbuildError(f"the policy `{path}` cannot be read", error.strerror or str(error)) from error
    policy = reader.read(data, Policy)
    if policy is None:
        raise SpecError(str(path), reader.problems)
    return policy
