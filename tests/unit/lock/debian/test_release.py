from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from builder.errors import DigestMismatchError, EnvbuildError
from builder.lock.debian.release import (
    BadSignatureError,
    ExpiredReleaseError,
    Keyring,
    UnknownSignerError,
    WrongReleaseError,
    verify_release,
)


@pytest.fixture
def verify(signer, debian):
    def call(raw: bytes, codename: str = "bookworm", now: datetime = debian.now, keyring: Keyring = signer.keyring):
        return verify_release(raw, codename, now, keyring, "The InRelease file")

    return call


def test_signed_fields_are_read(signer, verify, debian):
    release = verify(signer.sign(debian.release_text("bookworm", {"main/binary-amd64/Packages.xz": b"content"})))

    assert (release.suite, release.codename, release.by_hash) == ("oldstable", "bookworm", True)
    assert release.date == datetime(2026, 11, 21, 2, 10, 46, tzinfo=UTC)
    assert release.valid_until == datetime(2026, 11, 28, 2, 10, 46, tzinfo=UTC)
    assert release.indexes["main/binary-amd64/Packages.xz"].size == 7


def test_tampered_release_is_refused(signer, verify, debian):
    raw = signer.sign(debian.release_text("bookworm")).replace(b"oldstable", b"newstable")
    with pytest.raises(BadSignatureError, match="has no good signature"):
        verify(raw)


def test_foreign_signer_is_refused_by_fingerprint(stranger, verify, debian):
    with pytest.raises(UnknownSignerError, match="signed by nobody who is trusted") as caught:
        verify(stranger.sign(debian.release_text("bookworm")))
    assert len(caught.value.why[0].removeprefix("the keys are ")) == 40


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"hello",
        b"Codename: bookworm\n",
        b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nCodename: bookworm\n",
    ],
)
def test_unsigned_release_is_refused(raw, verify):
    with pytest.raises(BadSignatureError) as caught:
        verify(raw)
    assert all("\n" not in line for line in caught.value.why)
    assert isinstance(caught.value, DigestMismatchError)


def test_only_signed_bytes_are_read(signer, verify, debian):
    raw = b"Codename: trixie\n\n" + signer.sign(debian.release_text("bookworm")) + b"\nSuite: evil\n"
    release = verify(raw)
    assert (release.codename, release.suite) == ("bookworm", "oldstable")


def test_another_archive_is_refused(signer, verify, debian):
    with pytest.raises(WrongReleaseError, match="not about `bookworm`") as caught:
        verify(signer.sign(debian.release_text("bookworm-security")))
    assert "`bookworm-security`" in caught.value.why[0]


def test_release_holds_until_its_last_second(signer, verify, debian):
    raw = signer.sign(debian.release_text("bookworm"))
    last = datetime(2026, 11, 28, 2, 10, 46, tzinfo=UTC)

    assert verify(raw, now=last)
    with pytest.raises(ExpiredReleaseError, match="has expired") as caught:
        verify(raw, now=last + timedelta(seconds=1))
    assert "2026-11-28 02:10" in caught.value.why[0]


def test_release_without_an_end_always_holds(signer, verify, debian):
    raw = signer.sign(debian.release_text("bookworm", Valid_Until=None))
    assert verify(raw, now=datetime(2040, 1, 1, tzinfo=UTC)).valid_until is None


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"Date": None}, "no field Date"),
        ({"Codename": None}, "no field Codename"),
        ({"Date": "yesterday"}, "yesterday"),
        ({"Date": "Sat, 21 Nov 2026 02:10:46"}, "not a date in UTC"),
        ({"Date": "Sat, 21 Nov 2026 02:10:46 +0200"}, "not a date in UTC"),
        ({"Valid_Until": "never"}, "never"),
    ],
)
def test_malformed_fields_are_named(fields, reason, signer, verify, debian):
    with pytest.raises(EnvbuildError, match="is malformed") as caught:
        verify(signer.sign(debian.release_text("bookworm", **fields)))
    assert reason in caught.value.why[0]


@pytest.mark.parametrize("line", ["short 5 main/x", "g" * 64 + " 5 main/x", "a" * 64 + " -5 main/x", "a" * 64 + " 5"])
def test_malformed_table_is_refused(line, signer, verify, debian):
    with pytest.raises(EnvbuildError, match="is malformed"):
        verify(signer.sign(debian.release_text("bookworm") + f" {line}\n"))


def test_shipped_keyring_has_the_keys_of_each_suite():
    keys = Keyring.shipped().key_ids()
    assert {
        "4cb50190207b4758a3f73a796ed0e7b82643e131",
        "b8e5f13176d2a7a75220028078dba3bc47ef2265",
        "4d64fec119c2029067d6e791f8d2585b8783d481",
        "41587f7db8c774bccf131416762f67a0b2c39de4",
        "b0cab9266e8c3929798b3eeebde6d2b9216ec7a8",
        "89c87acea5dd6b8e6a7068808e9f831205b4ba95",
    } <= keys
