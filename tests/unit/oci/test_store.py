from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.digest import Digest
from builder.oci.documents import Descriptor
from builder.oci.layout import copy_blob
from builder.oci.store import Store

ROOT = Path(__file__).parents[3]


def start(code: str, store: Store) -> subprocess.Popen[str]:
    """A process that runs `code` with a store, and a line on standard output when it wants."""
    header = (
        "import sys\nfrom pathlib import Path\nfrom builder.oci.store import Store\nstore = Store(Path(sys.argv[1]))\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", header + code, str(store.root)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def stop(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def test_a_blob_is_there_when_it_was_committed_and_not_before(store: Store) -> None:
    with store.new_blob() as blob:
        blob.write(b"ab")
        blob.write(memoryview(b"c"))
        assert list(store.blobs()) == []
        assert blob.commit() == Digest.of(b"abc")
    assert store.path(Digest.of(b"abc")).read_bytes() == b"abc"
    assert store.path(Digest.of(b"abc")).stat().st_mode & 0o777 == 0o644
    assert not list(store.temporary.iterdir())


def test_a_blob_that_was_given_up_leaves_nothing(store: Store) -> None:
    with store.new_blob() as blob:
        blob.write(b"abc")
    with pytest.raises(RuntimeError), store.new_blob() as blob:  # noqa: PT012
        blob.write(b"abc")
        raise RuntimeError
    with pytest.raises(DigestMismatchError), store.new_blob() as blob:  # noqa: PT012
        blob.write(b"abc")
        blob.commit(Digest.of(b"another"))
    assert list(store.blobs()) == []
    assert not list(store.temporary.iterdir())


def test_a_blob_of_another_size_counts_as_missing(store: Store) -> None:
    digest = store.write(b"abcdef")
    assert store.has(digest, 6)
    store.path(digest).write_bytes(b"abc")
    assert not store.has(digest, 6)
    assert store.write(b"abcdef") == digest
    assert store.has(digest, 6)


def test_reading_checks_size_digest_and_limit(store: Store) -> None:
    descriptor = Descriptor("x", store.write(b"abcdef"), 6)
    assert store.read(descriptor) == b"abcdef"
    with pytest.raises(EnvbuildError, match="too large"):
        store.read(descriptor, limit=5)
    for data in (b"abcdeX", b"abc", b"abcdefg"):
        store.path(descriptor.digest).write_bytes(data)
        with pytest.raises(DigestMismatchError):
            store.read(descriptor)
    store.discard(descriptor.digest)
    with pytest.raises(EnvbuildError, match="is not in"):
        store.read(descriptor)


@pytest.mark.parametrize("data", [b"abcdeX", b"abc", b"abcdefg" * 1000])
def test_copying_a_damaged_blob_keeps_nothing(data: bytes, store: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "other")
    other.create()
    descriptor = Descriptor("x", store.write(b"abcdef"), 6)
    store.path(descriptor.digest).write_bytes(data)
    with pytest.raises(DigestMismatchError):
        copy_blob(store, other, descriptor)
    assert list(other.blobs()) == []


def test_a_record_is_kept_and_one_that_was_cut_short_is_none(store: Store) -> None:
    value = {"digest": "x", "size": [1, None]}
    store.keep_record("layers", "key", value)
    assert store.record("layers", "key") == value
    path = store.root / "records/layers/key.json"
    data = path.read_bytes()
    for damaged in (b"", data[:-1], data[:3], bytes(len(data)), b"\xff"):
        path.write_bytes(damaged)
        assert store.record("layers", "key") is None
    assert store.record("layers", "other") is None
    assert store.record("nothing", "key") is None


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "..", "a\0b", "a\n"])
def test_names_that_lead_out_of_the_store_are_refused(name: str, store: Store) -> None:
    for call in (store.unpacked_path, store.partial_path, lambda name: store.locked(name).__enter__()):
        if call == store.partial_path and "/" not in name and name.isprintable():
            continue
        with pytest.raises(ValueError, match="not a name"):
            call(name)


def test_a_lock_keeps_other_processes_out_until_its_holder_ends(store: Store) -> None:
    holder = start("with store.locked('work'):\n print('held', flush=True)\n input()", store)
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    code = "import fcntl\nfile = open(store.root / 'locks/work', 'ab')\ntry:\n "
    code += "fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)"
    code += "\n print('free')\nexcept BlockingIOError:\n print('taken')"
    assert start(code, store).communicate()[0] == "taken\n"
    stop(holder)
    assert start(code, store).communicate()[0] == "free\n"


def test_eight_processes_write_the_same_blobs_and_records(store: Store) -> None:
    code = (
        "store.create()\n"
        "for number in range(50):\n"
        " store.write(b'%d' % number * 1000)\n"
        " store.keep_record('layers', f'k{number}', {'n': number})\n"
        "store.prune()\n"
        "print('done')"
    )
    assert [process.communicate()[0] for process in [start(code, store) for _ in range(8)]] == ["done\n"] * 8
    assert sum(1 for _ in store.blobs()) == 50
    assert [store.record("layers", f"k{number}") for number in range(50)] == [{"n": number} for number in range(50)]
    assert not list(store.temporary.iterdir())


WORK = """
import contextlib
with contextlib.ExitStack() as stack:
    blob = stack.enter_context(store.new_blob())
    blob.write(b"x" * 1000)
    folder = stack.enter_context(store.scratch())
    (folder / "file").write_bytes(b"y" * 1000)
    print("working", flush=True)
    input()
    print(blob.commit().hex, (folder / "file").read_bytes() == b"y" * 1000, flush=True)
"""


def test_prune_keeps_what_is_in_use_and_deletes_what_was_left(store: Store) -> None:
    worker = start(WORK, store)
    assert worker.stdout
    assert worker.stdout.readline() == "working\n"
    for everything in (False, True):
        assert store.prune(everything) == 0
    assert worker.communicate("\n")[0] == f"{Digest.of(b'x' * 1000).hex} True\n"
    killed = start(WORK, store)
    assert killed.stdout
    assert killed.stdout.readline() == "working\n"
    stop(killed)
    assert store.prune() == 2000
    assert not list(store.temporary.iterdir())
    assert store.has(Digest.of(b"x" * 1000), 1000)


def test_prune_deletes_broken_off_downloads_and_keeps_running_ones(store: Store) -> None:
    broken, running = store.partial_path("0" * 64), store.partial_path("1" * 64)
    broken.write_bytes(b"12345")
    store.write(b"123")
    store.keep_record("layers", "k", 1)
    with open(running, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert store.prune() == 5
        assert running.exists()
    assert store.prune(everything=True) == 4
    assert sum(part.size for part in store.usage()) == 0


def test_prune_deletes_folders_that_forbid_it(store: Store) -> None:
    folder = store.unpacked_path("abc") / "a/b"
    folder.mkdir(parents=True)
    (folder / "file").write_text("x")
    folder.chmod(0)
    folder.parent.chmod(0o500)
    store.prune(everything=True)
    assert not store.unpacked_path("abc").exists()


def test_usage_counts_every_part(store: Store, samples: Any) -> None:
    samples.index()
    store.keep_record("layers", "k", {"a": 1})
    usage = {part.name: part for part in store.usage()}
    assert usage["blobs"].files == 8
    assert usage["records"].size == len(b'{"a":1}')
    assert usage["unfinished"].files == 0


def test_prune_keeps_what_records_of_a_kind_name(store: Store) -> None:
    kept, lost = store.write(b"built here"), store.write(b"from an index")
    store.keep_record("built-wheels", "one", {"digest": str(kept)})
    store.keep_record("built-wheels", "gone", {"digest": f"sha256:{'0' * 64}"})
    store.keep_record("built-wheels", "damaged", ["digest"])
    store.keep_record("images", "one", {"digest": str(lost)})
    assert store.named_blobs(["built-wheels", "checkouts"]) == {kept}
    store.prune(everything=True, keep=["built-wheels", "checkouts"])
    assert list(store.blobs()) == [kept]
    assert store.record("built-wheels", "one") == {"digest": str(kept)}
    assert store.record("images", "one") is None
    store.prune(everything=True)
    assert not list(store.blobs())


def test_a_folder_is_removed_whatever_its_modes_and_however_deep_it_is(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    store = Store(tmp_path / "store")
    store.create()
    with store.scratch() as scratch:
        (scratch / "locked" / "inside").mkdir(parents=True)
        (scratch / "locked" / "link").symlink_to(outside)
        (scratch / "locked" / "inside" / "file").touch()
        (scratch / "locked" / "inside").chmod(0)
        (scratch / "locked").chmod(0)
        folder = os.open(scratch, os.O_RDONLY)
        for _ in range(1200):  # deeper than functions can call themselves
            os.mkdir("d", dir_fd=folder)
            inner = os.open("d", os.O_RDONLY, dir_fd=folder)
            os.close(folder)
            folder = inner
        os.close(folder)

    assert not scratch.exists()
    assert outside.exists()
