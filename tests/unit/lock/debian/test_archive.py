from __future__ import annotations

import hashlib
import json
import lzma
from concurrent.futures import ThreadPoolExecutor

import pytest

from builder.errors import DigestMismatchError, EnvbuildError
from builder.lock.debian.archive import Archives, resolve
from builder.lock.debian.release import UnknownSignerError

MAIN = "http://deb.debian.org/debian"
SECURITY = "http://deb.debian.org/debian-security"


@pytest.fixture
def resolver(archives, signer, debian):
    def make() -> Archives:
        return Archives(archives, debian.now, signer.keyring)

    return make


def test_urls_are_the_archives_own_then_the_snapshot_a_day_after_the_release(archives, resolver, debian):
    archives.publish_bookworm({"amd64": [debian.paragraph("a")]})
    (package,) = resolver().resolve("bookworm", "amd64", ["a"]).packages

    assert package.urls == (
        "http://deb.debian.org/debian/pool/main/a/a/a_1.0_amd64.deb",
        "http://snapshot.debian.org/archive/debian/20261122T021046Z/pool/main/a/a/a_1.0_amd64.deb",
    )
    assert (package.name, package.version, package.architecture, package.size) == ("a", "1.0", "amd64", 1000)
    assert package.digest.hex == hashlib.sha256(b"a 1.0").hexdigest()


def test_security_update_wins_with_urls_of_its_own_repository(archives, resolver, debian):
    archives.publish_bookworm({"amd64": [debian.paragraph("a", "1.0")]})
    archives.publish("bookworm-security", {"amd64": [debian.paragraph("a", "1.0+deb12u1")]}, SECURITY)
    (package,) = resolver().resolve("bookworm", "amd64", ["a"]).packages

    assert package.version == "1.0+deb12u1"
    assert package.urls[0].startswith("http://deb.debian.org/debian-security/pool/")
    assert package.urls[1].startswith("http://snapshot.debian.org/archive/debian-security/20261122T021046Z/pool/")


def test_state_of_each_archive_is_told(archives, resolver, debian):
    archives.publish_bookworm({"amd64": [debian.paragraph("a")]})
    states = resolver().resolve("bookworm", "amd64", ["a"]).archives

    assert [(state.url, state.codename) for state in states] == [
        (MAIN, "bookworm"), (MAIN, "bookworm-updates"), (SECURITY, "bookworm-security"),
    ]  # fmt: skip
    raw = archives.files[f"{MAIN}/dists/bookworm/InRelease"]
    assert states[0].digest.hex == hashlib.sha256(raw).hexdigest()
    assert states[0].date.isoformat() == "2026-11-21T02:10:46+00:00"


def test_both_architectures_come_from_one_state(archives, resolver, debian):
    archives.publish_bookworm(
        {"amd64": [debian.paragraph("a")], "arm64": [debian.paragraph("a", Architecture="arm64")]}
    )
    archives_ = resolver()
    both = [archives_.resolve("bookworm", architecture, ["a"]) for architecture in ("amd64", "arm64")]

    assert [resolution.packages[0].architecture for resolution in both] == ["amd64", "arm64"]
    assert both[0].archives == both[1].archives
    assert sum(url.endswith("/InRelease") for url in archives.asked) == 3


def test_index_is_read_once_for_many_targets(archives, resolver, debian):
    archives.publish_bookworm({"amd64": [debian.paragraph("a"), debian.paragraph("b")]})
    archives_ = resolver()
    archives_.resolve("bookworm", "amd64", ["a"])
    asked = len(archives.asked)
    archives_.resolve("bookworm", "amd64", ["b"])
    assert len(archives.asked) == asked


def test_indexes_are_asked_for_by_their_digest(archives, resolver, debian):
    archives.publish_bookworm({"amd64": [debian.paragraph("a")]})
    resolver().resolve("bookworm", "amd64", ["a"])
    indexes = [url for url in archives.asked if "binary-amd64" in url]
    assert [url.rpartition("/by-hash/SHA256/")[0] != "" for url in indexes] == [True, False] * 3


def test_index_of_another_digest_is_refused(archives, resolver, debian):
    archives.publish_bookworm({"amd64": [debian.paragraph("a")]})
    for url in archives.files:
        if "/dists/bookworm/" in url and "by-hash" in url:
            archives.files[url] = lzma.compress(debian.paragraph("a", "666").encode())
    with pytest.raises(DigestMismatchError, match="does not have the digest"):
        resolver().resolve("bookworm", "amd64", ["a"])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"no xz at all", "cannot be decompressed"),
        (lzma.compress(b"Package: a\n" * 100)[:-20], "is cut short"),
        (lzma.compress(bytes(1 << 24)), "larger than its release says"),
    ],
)
def test_damaged_index_is_refused(data, reason, archives, signer, resolver, debian):
    archives.publish_bookworm({"amd64": [debian.paragraph("a")]})
    folder = f"{MAIN}/dists/bookworm"
    listed = {"main/binary-amd64/Packages.xz": data, "main/binary-amd64/Packages": b"x" * 5000}
    archives.files[f"{folder}/InRelease"] = signer.sign(debian.release_text("bookworm", listed))
    archives.files[f"{folder}/main/binary-amd64/by-hash/SHA256/{hashlib.sha256(data).hexdigest()}"] = data
    with pytest.raises(EnvbuildError, match=reason):
        resolver().resolve("bookworm", "amd64", ["a"])


def test_foreign_archive_is_refused_by_the_shipped_keyring(archives, debian):
    archives.publish_bookworm({"amd64": [debian.paragraph("a")]})
    with pytest.raises(UnknownSignerError, match="`bookworm`"):
        resolve("bookworm", "amd64", ["a"], archives, debian.now)


def test_missing_security_archive_is_no_reason_to_do_without(archives, resolver, debian):
    archives.publish_bookworm({"amd64": [debian.paragraph("a")]})
    del archives.files[f"{SECURITY}/dists/bookworm-security/InRelease"]
    with pytest.raises(EnvbuildError, match="bookworm-security"):
        resolver().resolve("bookworm", "amd64", ["a"])


def test_architecture_that_is_not_locked_for_is_refused(resolver):
    with pytest.raises(EnvbuildError, match="`riscv64`") as caught:
        resolver().resolve("bookworm", "riscv64", ["a"])
    assert caught.value.hint == "Use `amd64` or `arm64`"


def test_archive_without_the_architecture_is_told(archives, resolver, debian):
    archives.publish_bookworm({"amd64": [debian.paragraph("a")]})
    with pytest.raises(EnvbuildError, match="arm64 in Debian's archive `bookworm` is not there"):
        resolver().resolve("bookworm", "arm64", ["a"])


def test_several_threads_use_one_state(archives, resolver, debian):
    paragraphs = [debian.paragraph(name) for name in "abcdefgh"]
    suites = ("bookworm", "trixie")
    for suite in suites:
        for archive in (suite, f"{suite}-updates"):
            archives.publish(archive, {"amd64": paragraphs, "arm64": []}, MAIN)
        archives.publish(f"{suite}-security", {"amd64": [], "arm64": []}, SECURITY)
    archives_ = resolver()
    wishes = [(suite, "amd64", [name]) for suite in suites for name in "abcdefgh"] * 4
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda wish: archives_.resolve(*wish), wishes))
    assert [[package.name for package in one.packages] for one in found] == [names for _, _, names in wishes]
    assert sum(url.endswith("/InRelease") for url in archives.asked) == 6


class Records(dict):
    """In memory, what a store keeps on disk."""

    def record(self, kind, key):
        return self.get((kind, key))

    def keep_record(self, kind, key, value):
        self[kind, key] = json.loads(json.dumps(value))


def test_a_closure_of_the_same_indexes_is_solved_once(archives, signer, debian):
    archives.publish_bookworm({"amd64": [debian.paragraph("a", Depends="b"), debian.paragraph("b")]})
    records = Records()
    first = Archives(archives, debian.now, signer.keyring, records).resolve("bookworm", "amd64", ["a"])
    archives.asked.clear()
    assert Archives(archives, debian.now, signer.keyring, records).resolve("bookworm", "amd64", ["a"]) == first
    assert all(url.endswith("/InRelease") for url in archives.asked)


def test_a_closure_is_solved_anew_for_other_names_or_indexes(archives, signer, debian):
    archives.publish_bookworm({"amd64": [debian.paragraph("a"), debian.paragraph("b")]})
    records = Records()

    def versions(*names):
        resolution = Archives(archives, debian.now, signer.keyring, records).resolve("bookworm", "amd64", names)
        return [(package.name, package.version) for package in resolution.packages]

    assert versions("a") == [("a", "1.0")]
    assert versions("b") == [("b", "1.0")]
    archives.publish_bookworm({"amd64": [debian.paragraph("a", "2.0")]})
    assert versions("a") == [("a", "2.0")]


@pytest.mark.parametrize("value", [None, [], {"packages": [[1]], "roots": []}, {"packages": "x"}])
def test_a_damaged_record_of_a_closure_is_made_anew(archives, signer, debian, value):
    archives.publish_bookworm({"amd64": [debian.paragraph("a")]})
    records = Records()

    def resolve_again():
        return Archives(archives, debian.now, signer.keyring, records).resolve("bookworm", "amd64", ["a"])

    first = resolve_again()
    for key in records:
        records[key] = value
    assert resolve_again() == first
