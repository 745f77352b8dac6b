"""What strangers attach in a registry: it blocks no verification of what is signed, and makes nothing pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_layouts import fill
from registry_simulator import INDEX, Simulator
from signed_bundles import made_bundle, new_key, sign

from builder.bundle.attached.attach import attached
from builder.bundle.checking.trust import Asked, Judge, of_keys
from builder.bundle.reading.reader import open_bundle, read_bundle
from builder.image.contents.wanted import WANTED
from builder.oci.attachments import ATTACHMENT_LIMIT, MOST_ATTACHED, Attachment, Draft, write_attachment
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_EMPTY, MEDIA_TYPE_MANIFEST, Descriptor, Manifest
from builder.oci.registry import Reference
from builder.oci.registry.layout import RegistryLayout
from builder.oci.validate import Question, validate
from builder.records.policy.outcome import Result
from builder.records.signing import sigstore_bundle
from builder.records.signing.keys import read_private
from builder.records.signing.model import model_statement
from builder.records.signing.signers import KeySigner

KIND = sigstore_bundle.MEDIA_TYPE


class Place:
    """A registry with a bundle in it, and what is listed as attached to that under its tag."""

    def __init__(self, simulator: Simulator, registries: Any, folder: Path) -> None:
        self.simulator, self.folder, self.registries = simulator, folder, registries
        self.bundle = open_bundle(sign(made_bundle(folder / "toy"), new_key(folder / "key")[0]))
        fill(simulator, "team/toy", self.bundle.layout, self.bundle.top, "1")
        self.top = self.bundle.top

    def signatures(self) -> list[Any]:
        return [entry.to_dict() for entry, _ in attached(self.bundle, self.top.digest)]

    def attach(self, data: bytes, kind: str = KIND, subject: Descriptor | None = None) -> dict[str, Any]:
        draft = Draft()
        entry = write_attachment(draft, subject or self.top, Attachment(kind, kind, data))
        for blob in draft.added.values():
            self.simulator.add_blob("team/toy", blob)
        self.simulator.add_manifest("team/toy", draft.read(entry), MEDIA_TYPE_MANIFEST)
        return entry.to_dict()

    def listing(self, entries: list[Any]) -> RegistryLayout:
        document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
        tag = f"sha256-{self.top.digest.hex}"
        self.simulator.add_manifest("team/toy", json.dumps(document).encode(), INDEX, tag)
        return RegistryLayout(self.registries(), Reference.parse(f"{self.simulator.host}/team/toy:1"))

    def judged(self, entries: list[Any]) -> Result:
        layout = self.listing(entries)
        judge = Judge(read_bundle(layout, layout.top), Asked(of_keys([self.folder / "key.pub"], None)))
        return judge.signatures()[0].result


@pytest.fixture
def place(simulator: Simulator, registries: Any, tmp_path: Path) -> Place:
    return Place(simulator, registries, tmp_path)


def malformed_manifest(place: Place) -> list[Any]:
    data = b'{"schemaVersion":2,"config":1}'
    digest = place.simulator.add_manifest("team/toy", data, MEDIA_TYPE_MANIFEST)
    return [{"mediaType": MEDIA_TYPE_MANIFEST, "digest": digest, "size": len(data), "artifactType": KIND}]


def missing_manifest(_: Place) -> list[Any]:
    return [{"mediaType": MEDIA_TYPE_MANIFEST, "digest": f"sha256:{7:064x}", "size": 9, "artifactType": KIND}]


def another_size(place: Place) -> list[Any]:
    return [entry | {"size": 9} for entry in [place.attach(b"{}")]]


def another_subject(place: Place) -> list[Any]:
    return [place.attach(b"{}", subject=next(iter(place.bundle.images.values())).descriptor)]


def missing_blob(place: Place) -> list[Any]:
    entry = place.attach(b'{"gone":1}')
    place.simulator.blobs["team/toy"] = {
        digest: data for digest, data in place.simulator.blobs["team/toy"].items() if data != b'{"gone":1}'
    }
    return [entry]


def no_descriptor(_: Place) -> list[Any]:
    return [7, {"digest": "sha512:" + "1" * 128, "mediaType": MEDIA_TYPE_MANIFEST, "size": 3}]


def more_than_is_read(place: Place) -> list[Any]:
    entries = []
    for number in range(9):
        config = Descriptor(MEDIA_TYPE_EMPTY, Draft().write(b"{}"), 2)
        blob = Descriptor(KIND, Draft().write(b"%d" % number), ATTACHMENT_LIMIT)
        data = Manifest(config, (blob,), {}, KIND, place.top).to_bytes()
        digest = place.simulator.add_manifest("team/toy", data, MEDIA_TYPE_MANIFEST)
        entries.append({"mediaType": MEDIA_TYPE_MANIFEST, "digest": digest, "size": len(data), "artifactType": KIND})
    return entries


MAKERS = [
    malformed_manifest, missing_manifest, another_size, another_subject, missing_blob, no_descriptor, more_than_is_read,
]  # fmt: skip


@pytest.mark.parametrize("make", MAKERS)
def test_what_cannot_be_read_blocks_no_signature_that_holds_and_is_no_pass(
    make: Callable[[Place], list[Any]], place: Place
) -> None:
    bad, good = make(place), place.signatures()
    assert place.judged([*bad, *good]) is Result.PASSED
    assert place.judged([*good, *bad]) is Result.PASSED
    assert place.judged(bad) is Result.NOT_MEASURED
    assert place.judged([]) is Result.MISSING


def test_a_malformed_signature_blocks_none_that_holds_and_is_wrong_by_itself(place: Place) -> None:
    bad = [place.attach(b"{"), place.attach(b"{}", "application/vnd.envbuild.ssh-signature.v1+json")]
    assert place.judged([*bad, *place.signatures()]) is Result.PASSED
    assert place.judged(bad) is Result.WRONG


def test_a_models_signature_that_is_replayed_blocks_nothing(place: Place, tmp_path: Path) -> None:
    signer = KeySigner(read_private(tmp_path / "key", lambda: b""))
    other = model_statement("toy", {"weights.bin": Digest.of(b"other")})
    replayed = place.attach(signer.sign(other).data)
    layout = place.listing([replayed, *place.signatures()])
    bundle = read_bundle(layout, layout.top)
    judge = Judge(bundle, Asked(of_keys([tmp_path / "key.pub"], None)))
    images = validate(place.bundle.layout, place.bundle.top, Question(WANTED)).images
    assert [outcome.result for outcome in (*judge.signatures(), *judge.contents(images))] == [Result.PASSED] * 2


def test_more_than_is_read_behind_the_signatures_does_not_hide_them(place: Place) -> None:
    many = [{"mediaType": "text/plain", "digest": f"sha256:{n:064x}", "size": 3} for n in range(MOST_ATTACHED)]
    assert place.judged([*place.signatures(), *many]) is Result.PASSED
    assert place.judged([*many, *place.signatures()]) is Result.NOT_MEASURED


def test_what_cannot_be_read_keeps_nobody_from_looking_into_the_bundle(place: Place) -> None:
    layout = place.listing([*malformed_manifest(place), *place.signatures()])
    assert len(attached(read_bundle(layout, layout.top), place.top.digest)) == len(place.signatures())
