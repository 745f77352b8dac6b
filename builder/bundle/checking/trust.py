"""Holding a bundle to a policy: who signed it and what is said of it are read, and each rule is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from builder.bundle.attached.attach import found
from builder.bundle.attached.listed import Found
from builder.bundle.checking.installed import installed_packages
from builder.bundle.inside.promised import stated_check
from builder.bundle.reading.reader import Bundle, read_document, read_documents, read_lock_files
from builder.errors import DigestMismatchError, EnvbuildError
from builder.image.skeleton import MODEL
from builder.lock.folder import parse_lock
from builder.oci.archive import ArchiveReader, read_index
from builder.oci.archive_form import check_form
from builder.oci.attachments import named_list
from builder.oci.canonical import parse_json
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.oci.layer_rules import FILE
from builder.oci.registry.layout import RegistryLayout
from builder.oci.validate import Checked
from builder.records.in_toto import PROVENANCE, TEST_RESULT
from builder.records.licenses.collection import LICENSES_FILE, LICENSES_FORMAT
from builder.records.licenses.expression import NOASSERTION, spdx
from builder.records.policy.document import Policy, Signers
from builder.records.policy.outcome import Outcome, Result
from builder.records.policy.rules import (
    Base,
    Licensed,
    check_bases,
    check_builders,
    check_contracts,
    check_licenses,
    check_scan,
    check_vulnerabilities,
    wanted,
)
from builder.records.policy.signatures import Read, check_model, check_signers, read_attached, verifiers, vouched
from builder.records.scan.statement import SCAN_FILE, StatedScan, recorded_scan, stated_scan
from builder.records.signing.model import model_statement
from builder.records.signing.statement import Statement
from builder.records.vulnerabilities.lookup import look_up


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a bundle."""

    policy: Policy
    folder: Path = Path()
    """What the paths of the policy are relative to."""
    today: date = date.max
    """The day on which it is asked."""


def of_keys(keys: Sequence[Path], allowed_signers: Path | None) -> Policy:
    """The policy that every one of some keys has signed, and somebody of a list, if there is one."""
    rules = [Signers(keys=(str(path),)) for path in keys]
    if allowed_signers is not None:
        rules.append(Signers(allowed_signers=str(allowed_signers)))
    return Policy(signatures=tuple(rules))


class Judge:
    """Asks a bundle what a policy asks; what is attached and who is trusted is read once."""

    def __init__(self, bundle: Bundle, asked: Asked) -> None:
        """Raises: EnvbuildError, if a key cannot be read."""
        self._bundle, self._asked, self._policy = bundle, asked, asked.policy
        self._trusted = [verifiers(signers, asked.folder) for signers in asked.policy.signatures or ()]
        self._everybody = [one for group in self._trusted for one in group]
        self._reads: dict[Digest, Read] = {}

    def signatures(self) -> tuple[Outcome, ...]:
        """What comes of the rules about who signed and who built; reads documents only.

        What is signed is the bundle's own digest, below which everything is named by digest.

        Raises: EnvbuildError; DigestMismatchError, if something was changed.
        """
        rules = self._policy.signatures or ()
        if not rules:
            return ()
        _check_archive(self._bundle)
        read = self._read(self._bundle.top.digest)
        outcomes = [
            check_signers(f"signatures[{number}]", read, self._trusted[number], signers.threshold)
            for number, signers in enumerate(rules)
        ]
        if self._policy.builders:
            outcomes.append(check_builders(self._policy.builders, self._provenance()))
        return tuple(outcomes)

    def contents(self, images: Sequence[Checked]) -> tuple[Outcome, ...]:
        """What comes of the other rules; `images` are the bundle's, read and found to be whole.

        Raises: EnvbuildError, if the bundle's documents or the vulnerability database cannot be read.
        """
        policy, outcomes = self._policy, list(self._model(images))
        if policy.bases:
            outcomes.append(check_bases(policy.bases, _bases(self._bundle)))
        if policy.licenses:
            outcomes.append(check_licenses(policy.licenses, _licensed(self._bundle)))
        if policy.scan:
            outcomes.append(check_scan(policy.scan, self._scans()))
        if policy.contracts:
            outcomes.append(check_contracts(policy.contracts, _promised(self._bundle)))
        if policy.vulnerabilities:
            installed = installed_packages(images)
            places = [self._asked.folder / path for path in policy.vulnerabilities.places]
            known = look_up(places, wanted(policy.vulnerabilities, installed))
            outcomes.append(check_vulnerabilities(policy.vulnerabilities, installed, known, self._asked.today))
        return tuple(outcomes)

    def _read(self, subject: Digest) -> Read:
        if subject not in self._reads:
            there = _attached(self._bundle, subject)
            attachments = (attachment for _, attachment in there.records)
            self._reads[subject] = replace(read_attached(subject, attachments), unread=there.unread)
        return self._reads[subject]

    def _stated(self, subject: Digest, kind: str) -> list[Statement]:
        """The statements of a kind about a digest that somebody trusted signed."""
        statements = [one for one in self._read(subject).signed if one.statement.predicate_type == kind]
        return [one.statement for one in vouched(statements, self._everybody)]

    def _provenance(self) -> list[list[Statement]]:
        """Of the bundle as a whole, else of each of its images."""
        if whole := self._stated(self._bundle.top.digest, PROVENANCE):
            return [whole]
        return [self._stated(image.descriptor.digest, PROVENANCE) for image in self._bundle.images.values()]

    def _model(self, images: Sequence[Checked]) -> Iterator[Outcome]:
        """What comes of signatures of the model, which every image has.

        In a registry, anybody can attach what a signer once signed of another model: that says nothing of this one.
        """
        in_registry = isinstance(self._bundle.layout, RegistryLayout)
        outcomes: dict[Outcome, None] = {}
        for image in images if self._trusted else ():
            files = dict(_model_files(image))
            model = model_statement("", files) if files else None
            outcome = check_model(self._read(self._bundle.top.digest), self._everybody, model)
            if outcome and (outcome.result is Result.PASSED or not in_registry):
                outcomes[outcome] = None
        yield from outcomes

    def _scans(self) -> list[StatedScan]:
        """What the record inside each image says, and statements of who is trusted; empty where one is missing.

        Statements that nobody trusted signed could be anybody's.
        """
        records = [_documents(self._bundle, platform).get(SCAN_FILE) for platform in self._bundle.images]
        stated = map(stated_scan, (one.predicate for one in self._stated(self._bundle.top.digest, TEST_RESULT)))
        inside = [recorded_scan(data) for data in records if data is not None]
        signed = [one for one in stated if one is not None]
        return [*inside, *signed] if signed or None not in records else []


def asks_for_contents(policy: Policy) -> bool:
    """Whether it has rules for which every layer must be read."""
    return any((policy.bases, policy.licenses, policy.scan, policy.contracts, policy.vulnerabilities))


def _attached(bundle: Bundle, subject: Digest) -> Found:
    """What is attached to a digest. Of a file or a folder, whatever is no record there was changed by somebody."""
    try:
        return found(bundle, subject)
    except DigestMismatchError:
        raise
    except EnvbuildError as error:
        if isinstance(bundle.layout, RegistryLayout):
            raise
        raise DigestMismatchError(error.what, error.why, error.hint) from error


def _model_files(image: Checked) -> Iterator[tuple[str, Digest]]:
    for path, placed in image.files.below(MODEL.encode()):
        if placed.node.kind == FILE:
            name = path.removeprefix(f"{MODEL}/".encode()).decode(errors="surrogateescape")
            yield name, Digest(placed.node.checksum.hex())


def _documents(bundle: Bundle, platform: Platform) -> dict[str, bytes]:
    return read_documents(replace(bundle, images={platform: bundle.images[platform]}))


def _check_archive(bundle: Bundle) -> None:
    if isinstance(bundle.layout, ArchiveReader):
        archive = bundle.layout
        annotations = read_index(archive.index_json(), str(archive.file_path)).annotations
        check_form(archive, bundle.top, named_list(annotations))


def _bases(bundle: Bundle) -> list[Base] | None:
    """What the images stand on, by the lock inside; None where there is none."""
    try:
        lock = parse_lock(read_lock_files(bundle), bundle.name)
    except DigestMismatchError:
        raise
    except EnvbuildError:
        return None
    bases = []
    for platform in bundle.images:
        locked = lock.document.platforms.get(platform)
        if locked is None:
            return None
        bases.append(Base(locked.base_name, str(locked.image.manifest.digest) if locked.image else ""))
    return bases


def _promised(bundle: Bundle) -> dict[str, str]:
    """What the records inside each image say of data and their contracts; of several images, the worst."""
    found: dict[str, str] = {}
    for platform, image in bundle.images.items():
        documents = _documents(bundle, platform)
        for name, entry in read_document(bundle.layout, image).get("data", {}).items():
            result = stated_check(name, entry, documents)
            found[name] = result if found.get(name, "passed") == "passed" else found[name]
    return found


def _licensed(bundle: Bundle) -> list[Licensed] | None:
    """What the records inside each image say of licences; None where one has none, or one that cannot be read."""
    licensed: set[Licensed] = set()
    for platform in bundle.images:
        data = _documents(bundle, platform).get(LICENSES_FILE)
        document = parse_json(data, f"`{LICENSES_FILE}`") if data is not None else None
        packages = document.get("packages") if isinstance(document, dict) else None
        if (
            not isinstance(document, dict)
            or not isinstance(packages, list)
            or document.get("format") != LICENSES_FORMAT
        ):
            return None
        for entry in packages:
            if not isinstance(entry, dict):
                return None
            expression = spdx(str(entry.get("license"))) or NOASSERTION
            licensed.add(Licensed(str(entry.get("name")), str(entry.get("version")), expression))
    return sorted(licensed)
