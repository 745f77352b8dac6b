"""No byte of a signed bundle's file can be another without that being told."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from signed_bundles import attach_provenance, made_bundle, new_key, rewritten, sign

from builder.bundle.checking.check import check
from builder.bundle.checking.subject import open_file
from builder.bundle.checking.trust import Asked, Judge, of_keys
from builder.bundle.reading.reader import open_bundle
from builder.errors import DigestMismatchError, EnvbuildError
from builder.records.policy.outcome import failure

KINDS = ("signatures", "application/vnd.oci.image.index", "history", "subject", "layers", "{}")
"""What tells the kinds of blobs apart, by a text that is in them."""


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Path, Path]:
    """A signed bundle, a place to put changed ones, and the public key."""
    folder = tmp_path_factory.mktemp("tampering")
    signer, public = new_key(folder / "key")
    bundle = made_bundle(folder / "toy.tar")
    attach_provenance(bundle, "https://ci.example")
    sign(bundle, signer)
    return bundle.read_bytes(), folder / "changed.tar", Path(public.name)


def refusal(path: Path, key: Path) -> EnvbuildError | None:
    """What `verify --key` says against a file; None if it passes."""
    asked = Asked(of_keys([key], None))
    try:
        verdict = check(open_file(path))
        if verdict.problems:
            return EnvbuildError(verdict.problems[0].message)
        judge = Judge(open_bundle(path), asked)
        return failure("toy", (*judge.signatures(), *judge.contents(verdict.images)))
    except EnvbuildError as error:
        return error


def test_what_was_not_changed_passes(signed):
    data, place, key = signed
    place.write_bytes(data)
    assert refusal(place, key) is None


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@example(where=0.0, bit=0)
def test_a_flipped_bit_anywhere_is_noticed(signed, where, bit):
    data, place, key = signed
    changed = bytearray(data)
    changed[int(where * len(data))] ^= 1 << bit
    place.write_bytes(changed)
    assert refusal(place, key) is not None, f"byte {int(where * len(data))}, bit {bit}"


def spots(data: bytes) -> dict[str, int]:
    """One byte of each kind of thing that is in the file."""
    found = {"behind the end": len(data) - 1}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            kind = member.name if "/" not in member.name else "blob"
            content = archive.extractfile(member).read()
            if kind == "blob":
                kind = next((word for word in KINDS if word.encode() in content), "layer")
            found[f"header of {kind}"] = member.offset + 136
            found[f"end of the checksum of {kind}"] = member.offset + 155
            found[kind] = member.offset_data + member.size // 2
            if member.size % 512:
                found[f"padding behind {kind}"] = member.offset_data + member.size
    return found


def test_each_kind_of_byte_is_noticed(signed):
    data, place, key = signed
    chosen = spots(data)
    assert len(chosen) > 20
    for kind, position in chosen.items():
        for bit in range(8):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            place.write_bytes(changed)
            assert refusal(place, key) is not None, f"{kind}, bit {bit}"


def test_every_byte_of_the_name_in_index_json_is_noticed(signed):
    data, place, key = signed
    start = data.index(b"toy:1")
    for position in range(start, start + 5):
        changed = bytearray(data)
        changed[position] ^= 1
        place.write_bytes(changed)
        assert isinstance(refusal(place, key), DigestMismatchError)


def test_more_at_the_end_or_an_unnamed_blob_is_noticed(signed):
    data, place, key = signed
    place.write_bytes(data + bytes(512))
    assert "behind its end" in str(refusal(place, key))
    place.write_bytes(data)
    rewritten(place, lambda files: files.update({"blobs/sha256/" + "0" * 64: b"hidden"}))
    assert refusal(place, key) is not None


def test_archives_of_other_tools_are_let_be(signed, tmp_path):
    data, _, key = signed
    foreign = tmp_path / "foreign.tar"
    with tarfile.open(fileobj=io.BytesIO(data)) as source, tarfile.open(foreign, "w") as target:
        for member in source:
            member.mtime = 0
            target.addfile(member, source.extractfile(member))
    assert refusal(foreign, key) is None
