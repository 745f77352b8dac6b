"""Work in forked processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from builder.errors import DigestMismatchError, EnvbuildError
from builder.fetch import Fetcher, Mirrors
from builder.image.processes import can_fork, forked_map
from builder.image.workshop import Workshop
from builder.oci.store import Store

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks safely")


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split())


def test_every_item_is_done_once_with_its_own_number() -> None:
    items = list(range(500))
    assert sorted(forked_map(lambda item: item * 2, items, 3)) == [(item, item * 2) for item in items]


def test_work_is_done_in_other_processes_and_none_is_left() -> None:
    before = children()
    pids = {pid for _, pid in forked_map(lambda _: os.getpid(), range(50), 2)}
    assert os.getpid() not in pids
    assert children() == before


def test_large_results_come_whole() -> None:
    results = dict(forked_map(lambda item: bytes([item]) * 3_000_000, range(8), 2))
    assert all(results[item] == bytes([item]) * 3_000_000 for item in range(8))


def test_an_error_comes_with_its_causes_and_ends_the_others() -> None:
    before = children()

    def work(item: int) -> int:
        if item == 3:
            raise DigestMismatchError("what", ["why", "more"], "hint")
        return item

    with pytest.raises(DigestMismatchError, match="what") as caught:
        list(forked_map(work, range(1000), 2))
    assert (caught.value.why, caught.value.hint) == (("why", "more"), "hint")
    assert children() == before


def test_an_error_that_cannot_be_sent_is_told_by_its_text() -> None:
    class LocalError(Exception):
        pass

    def work(_: int) -> None:
        raise LocalError("some text")

    with pytest.raises(EnvbuildError, match="some text"):
        list(forked_map(work, range(2), 2))


def test_a_killed_worker_is_an_error_and_no_hang() -> None:
    def work(_: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(EnvbuildError, match="was killed"):
        list(forked_map(work, range(4), 2))


def test_a_caller_that_stops_early_leaves_no_process() -> None:
    before = children()
    results = forked_map(lambda item: item, range(1000), 2)
    next(results)
    results.close()
    assert children() == before


def test_other_threads_forbid_forking() -> None:
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    try:
        assert not can_fork(5)
    finally:
        release.set()
        thread.join()


def test_an_interrupted_worker_removes_its_temporary_files(tmp_path: Path) -> None:
    def work(item: int) -> int:
        if item == 0:
            return item
        path = tmp_path / f"{item}-{os.getpid()}"
        try:
            path.touch()
            signal.pause()
        finally:
            path.unlink(missing_ok=True)
        return item

    results = forked_map(work, range(3), 2)
    next(results)
    while not list(tmp_path.iterdir()):
        pass
    with pytest.raises(KeyboardInterrupt):
        results.throw(KeyboardInterrupt())
    assert list(tmp_path.iterdir()) == []


def test_no_worker_goes_on_as_its_parent_whenever_it_is_ended(tmp_path: Path) -> None:
    program = (
        "import os, sys, threading\n"
        "from builder.image.processes import forked_map\n"
        "parent = os.getpid()\n"
        "for _ in range(150):\n"
        "    results = forked_map(lambda item: item, range(40), 4)\n"
        "    next(results)\n"
        "    try:\n"
        "        results.throw(KeyboardInterrupt())\n"
        "    except KeyboardInterrupt:\n"
        "        pass\n"
        "    if os.getpid() != parent:\n"
        "        print('escaped', flush=True)\n"
        "        os._exit(1)\n"
        "print('whole', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == ("whole\n", "")


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_split_gives_results_in_the_order_of_the_items(tmp_path: Path, workers: int) -> None:
    workshop = Workshop(Store(tmp_path), Fetcher(Store(tmp_path), Mirrors()), workers)
    items = ["middle", "a", "the largest", "bb"]
    assert workshop.split(str.upper, items, len, "work") == [item.upper() for item in items]
