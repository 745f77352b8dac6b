from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from builder.errors import DigestMismatchError, EnvbuildError, NotMeasuredError
from builder.fetch import Fetcher, Mirrors, Source
from builder.oci.digest import Digest
from builder.oci.store import Store

DATA = bytes(range(256)) * 20_000
SNAPSHOT = "http://snapshot.debian.org/archive/debian/20260101T000000Z/pool/a.deb"


def source(*urls: str, data: bytes = DATA, size: int | None = -1) -> Source:
    return Source(Digest.of(data), len(data) if size == -1 else size, urls, "a 1.0")


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def leftovers(store: Store) -> int:
    """Bytes of partial files."""
    return sum(path.stat().st_size for path in store.temporary.iterdir())


def test_a_file_is_fetched_once_and_kept_under_its_digest(server: Any, store: Store) -> None:
    server.files["/a"] = DATA
    fetcher = Fetcher(store, Mirrors())
    path = fetcher.blob(source(f"{server.url}/a"))
    assert path.read_bytes() == DATA
    assert path == store.path(Digest.of(DATA))
    assert path.stat().st_mode & 0o777 == 0o644
    fetcher.blobs([source(f"{server.url}/a")] * 2)
    assert len(server.requests) == 1
    assert not list(store.temporary.iterdir())


def test_a_broken_connection_is_resumed_where_it_broke(server: Any, store: Store, faults: Any) -> None:
    server.files["/a"] = DATA
    server.faults += [faults.broken_after(1_000_000, DATA), faults.broken_after(500_000, DATA)]
    assert Fetcher(store, Mirrors()).blob(source(f"{server.url}/a")).read_bytes() == DATA
    assert server.ranges[0] is None
    received = [int(text.removeprefix("bytes=").rstrip("-")) for text in server.ranges[1:]]
    assert len(received) == 2
    assert 0 < received[0] <= 1_000_000
    assert received[0] < received[1] <= 1_500_000


def test_a_later_process_resumes_what_an_earlier_one_left(server: Any, store: Store) -> None:
    server.files["/a"] = DATA
    store.partial_path(Digest.of(DATA).hex).write_bytes(DATA[:777_777])
    assert Fetcher(store, Mirrors()).blob(source(f"{server.url}/a")).read_bytes() == DATA
    assert server.ranges == ["bytes=777777-"]


def test_a_server_without_ranges_is_read_from_the_start(server: Any, store: Store, faults: Any) -> None:
    store.partial_path(Digest.of(DATA).hex).write_bytes(DATA[:777_777])
    server.handlers["/a"] = lambda handler: faults.answer(handler, 200, DATA)
    assert Fetcher(store, Mirrors()).blob(source(f"{server.url}/a")).read_bytes() == DATA


def test_a_server_that_answers_with_an_earlier_range_is_followed(server: Any, store: Store, faults: Any) -> None:
    store.partial_path(Digest.of(DATA).hex).write_bytes(DATA[:777_777])
    server.handlers["/a"] = lambda handler: faults.answer(
        handler, 206, DATA[1000:], Content_Range=f"bytes 1000-{len(DATA) - 1}/{len(DATA)}"
    )
    assert Fetcher(store, Mirrors()).blob(source(f"{server.url}/a")).read_bytes() == DATA


@pytest.mark.parametrize("size", [len(DATA), None])
@pytest.mark.parametrize("left", [b"other bytes" * 1000, DATA, DATA + b"more"])
def test_a_partial_file_of_other_bytes_is_thrown_away(server: Any, store: Store, left: bytes, size: int | None) -> None:
    server.files["/a"] = DATA
    store.partial_path(Digest.of(DATA).hex).write_bytes(left)
    assert Fetcher(store, Mirrors()).blob(source(f"{server.url}/a", size=size)).read_bytes() == DATA


@pytest.mark.parametrize("served", [DATA[:-1] + b"x", DATA + b"x"], ids=["another", "too long"])
def test_bytes_of_another_digest_are_refused_and_not_kept(server: Any, store: Store, served: bytes) -> None:
    server.files["/a"] = served
    with pytest.raises(DigestMismatchError) as caught:
        Fetcher(store, Mirrors()).blob(source(f"{server.url}/a"))
    assert caught.value.exit_code == 5
    assert not store.path(Digest.of(DATA)).exists()
    assert not store.path(Digest.of(served)).exists()
    assert leftovers(store) == 0


def test_a_file_that_is_too_long_is_refused_before_its_end(server: Any, store: Store) -> None:
    def endless(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(bytes(1 << 16))

    server.handlers["/a"] = endless
    with pytest.raises(DigestMismatchError, match="could not be fetched") as caught:
        Fetcher(store, Mirrors()).blob(source(f"{server.url}/a", data=b"small"))
    assert "more than 5 bytes were sent" in caught.value.why[0]
    assert leftovers(store) == 0


def test_a_file_that_is_too_short_says_how_much_came(server: Any, store: Store, monkeypatch: Any) -> None:
    monkeypatch.setattr("builder.fetch.fetcher.time.sleep", lambda _: None)
    server.handlers["/a"] = lambda handler: (
        handler.send_response(200), handler.send_header("Content-Length", "3"), handler.end_headers(),
        handler.wfile.write(DATA[:3]),
    )  # fmt: skip
    with pytest.raises(EnvbuildError) as caught:
        Fetcher(store, Mirrors()).blob(source(f"{server.url}/a"))
    assert "3 of 5120000 bytes were sent" in caught.value.why[0]
    assert not store.path(Digest.of(DATA)).exists()


def test_a_wrong_mirror_does_not_keep_the_right_one_from_being_asked(server: Any, store: Store) -> None:
    server.files |= {"/wrong": b"x" * len(DATA), "/right": DATA}
    urls = [f"{server.url}/{name}" for name in ("none", "wrong", "right")]
    assert Fetcher(store, Mirrors()).blob(source(*urls)).read_bytes() == DATA


def test_a_version_that_a_debian_mirror_dropped_comes_from_the_snapshot(
    server: Any, other_server: Any, store: Store
) -> None:
    other_server.files["/snap/archive/debian/20260101T000000Z/pool/a.deb"] = DATA
    mirrors = Mirrors.from_environment(
        {"ENVBUILD_DEBIAN_MIRROR": f"{server.url}/debian", "ENVBUILD_SNAPSHOT_MIRROR": f"{other_server.url}/snap/"}
    )
    wanted = source("http://deb.debian.org/debian/pool/a.deb", SNAPSHOT)
    assert Fetcher(store, mirrors).blob(wanted).read_bytes() == DATA
    assert [path for path, _ in server.requests] == ["/debian/pool/a.deb"]


def test_whether_a_file_can_be_had_is_asked_without_fetching_it(server: Any, store: Store) -> None:
    server.files["/file"] = DATA
    Fetcher(store, Mirrors()).probe(source(server.url + "/file"))
    assert not store.has(Digest.of(DATA), len(DATA))
    with pytest.raises(EnvbuildError, match="can no longer be had") as caught:
        Fetcher(store, Mirrors()).probe(source(server.url + "/gone"))
    assert not isinstance(caught.value, NotMeasuredError)
    assert server.ranges[0] == f"bytes={len(DATA) - 1}-"
    for other in (DATA + b"more", DATA[:-1], b""):
        server.files["/file"] = other
        with pytest.raises(EnvbuildError, match="can no longer be had") as caught:
            Fetcher(store, Mirrors()).probe(source(server.url + "/file"))
        assert not isinstance(caught.value, NotMeasuredError)


def test_a_server_that_does_not_answer_is_not_one_that_has_no_file(server: Any, store: Store, faults: Any) -> None:
    with pytest.raises(NotMeasuredError, match="cannot be asked for"):
        Fetcher(store, Mirrors()).probe(source("http://127.0.0.1:9/file"))
    server.handlers["/file"] = lambda handler: faults.answer(handler, 403)
    with pytest.raises(NotMeasuredError) as caught:
        Fetcher(store, Mirrors()).probe(source(server.url + "/file"))
    assert "403" in caught.value.why[0]


def test_a_file_that_nobody_has_is_an_error_with_every_answer(server: Any, store: Store) -> None:
    mirrors = Mirrors.from_environment(
        {"ENVBUILD_DEBIAN_MIRROR": f"{server.url}/debian", "ENVBUILD_SNAPSHOT_MIRROR": server.url}
    )
    with pytest.raises(EnvbuildError) as caught:
        Fetcher(store, mirrors).blob(source("http://deb.debian.org/debian/pool/a.deb", SNAPSHOT))
    assert caught.value.exit_code == 1
    assert [line.partition(": ")[2] for line in caught.value.why] == ["the server answered 404 Not Found"] * 2


def test_a_busy_server_is_asked_again_when_it_says(server: Any, store: Store, faults: Any) -> None:
    server.files["/a"] = DATA
    server.faults += [faults.status(503, Retry_After="0"), faults.status(429, Retry_After="0"), faults.status(500)]
    assert Fetcher(store, Mirrors()).blob(source(f"{server.url}/a")).read_bytes() == DATA
    assert len(server.requests) == 4


def test_a_server_cannot_ask_for_a_pause_of_hours() -> None:
    from urllib3 import HTTPResponse

    from builder.fetch.connections import _retries

    assert _retries().get_retry_after(HTTPResponse(headers={"Retry-After": "86400"})) == 60
    assert _retries().new().get_retry_after(HTTPResponse(headers={"Retry-After": "7"})) == 7


def test_credentials_of_a_mirror_go_to_its_host_alone(
    server: Any, other_server: Any, store: Store, faults: Any
) -> None:
    other_server.files["/a"] = DATA
    server.handlers["/debian/pool/a.deb"] = faults.status(302, Location=f"{other_server.url}/a")
    address = server.url.replace("http://", "http://user:p%40ss@") + "/debian"
    mirrors = Mirrors.from_environment({"ENVBUILD_DEBIAN_MIRROR": address})
    Fetcher(store, mirrors).blob(source("http://deb.debian.org/debian/pool/a.deb"))
    assert server.requests[0][1]["authorization"] == basic("user", "p@ss")
    assert "authorization" not in other_server.requests[0][1]


def test_no_message_repeats_the_credentials_of_a_mirror(server: Any, store: Store) -> None:
    address = server.url.replace("http://", "http://user:hunter2@") + "/debian"
    mirrors = Mirrors.from_environment({"ENVBUILD_DEBIAN_MIRROR": address, "UV_INDEX_URL": f"{address}/simple"})
    wanted = source("http://deb.debian.org/debian/a", "https://files.pythonhosted.org/packages/a/b/c/a-1.whl")
    for call in (lambda: Fetcher(store, mirrors).blob(wanted), lambda: Fetcher(store, mirrors).read(wanted.urls, 9)):
        with pytest.raises(EnvbuildError) as caught:
            call()
        assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(mirrors)


def test_netrc_is_used_for_its_host_and_no_other(server: Any, other_server: Any, store: Store, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    server.files["/a"] = other_server.files["/a"] = DATA
    Fetcher(store, Mirrors()).blob(source(f"{server.url}/a"))
    assert server.requests[0][1]["authorization"] == basic("user", "secret")
    Fetcher(store, Mirrors()).read([f"{other_server.url.replace('127.0.0.1', 'localhost')}/a"], len(DATA))
    assert "authorization" not in other_server.requests[0][1]


@pytest.mark.parametrize("text", ["machine", "\xff\xfe", "machine a login"])
def test_a_netrc_that_cannot_be_read_is_no_error(server: Any, store: Store, tmp_path: Path, text: str) -> None:
    (tmp_path / "netrc").write_bytes(text.encode("latin-1"))
    server.files["/a"] = DATA
    Fetcher(store, Mirrors()).blob(source(f"{server.url}/a"))


@pytest.mark.parametrize("form", ["http://user:p%40ss@{}", "http://{}", "{}"])
def test_a_proxy_is_used_with_its_credentials(server: Any, store: Store, monkeypatch: Any, form: str) -> None:
    monkeypatch.setenv("http_proxy", form.format(server.url.removeprefix("http://")))
    server.files["http://files.invalid/a"] = DATA
    assert Fetcher(store, Mirrors()).blob(source("http://files.invalid/a")).read_bytes() == DATA
    assert server.requests[0][0] == "http://files.invalid/a"
    expected = basic("user", "p@ss") if "@" in form else None
    assert server.requests[0][1].get("proxy-authorization") == expected


def test_no_proxy_is_used_for_hosts_that_are_left_out(server: Any, store: Store, monkeypatch: Any) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.files["/a"] = DATA
    Fetcher(store, Mirrors()).blob(source(f"{server.url}/a"))


HASH_PATH = "aa/bb/" + "c" * 60
WHEEL_URL = f"https://files.pythonhosted.org/packages/{HASH_PATH}/My_Pkg-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    "page",
    [
        (
            '{{"files": [{{"filename": "x", "url": "x", "hashes": {{}}}}, '
            '{{"filename": "w", "url": "../../f/w?a=1&b=2", "hashes": {{"sha256": "{0}"}}}}]}}'
        ),
        '<a href="../../f/w?a=1&amp;b=2#sha256={0}">w</a>',
        "<A class='x' HREF = '../../f/w?a=1&amp;b=2#sha256={0}'>w</A>",
    ],
    ids=["json", "html", "other html"],
)
def test_a_mirror_of_pypi_is_asked_through_its_index(server: Any, store: Store, page: str) -> None:
    server.files["/simple/my-pkg/"] = page.format(Digest.of(DATA).hex).encode()
    server.files["/f/w?a=1&b=2"] = DATA
    mirrors = Mirrors.from_environment({"PIP_INDEX_URL": server.url.replace("//", "//user:pass@") + "/simple"})
    assert Fetcher(store, mirrors).blob(source(WHEEL_URL)).read_bytes() == DATA
    assert {headers.get("authorization") for _, headers in server.requests} == {basic("user", "pass")}


@pytest.mark.parametrize(
    "page", [None, b"{", b"{}", b'{"files": 1}', b'{"files": [1]}', b'{"files": []}', b"<html>", b"\xff", b"[" * 99999]
)
def test_an_index_without_the_file_is_an_error_that_says_so(server: Any, store: Store, page: bytes | None) -> None:
    if page is not None:
        server.files["/simple/my-pkg/"] = page
    mirrors = Mirrors.from_environment({"UV_DEFAULT_INDEX": f"internal={server.url}/simple"})
    with pytest.raises(EnvbuildError) as caught:
        Fetcher(store, mirrors).blob(source(WHEEL_URL))
    assert caught.value.why


@pytest.mark.parametrize(
    "url", ["http://[x/a", "ftp://a/b", "file:///no/such", "file:///", "file:///a%00b", "http://", "", "http://a b/"]
)
def test_a_url_that_cannot_be_read_is_a_clear_error(store: Store, url: str) -> None:
    with pytest.raises(EnvbuildError, match=r"a 1\.0 could not be fetched"):
        Fetcher(store, Mirrors()).blob(source(url))


def test_files_of_this_machine_are_taken_by_their_url(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a b.bin").write_bytes(DATA)
    assert Fetcher(store, Mirrors()).blob(source((tmp_path / "a b.bin").as_uri(), size=None)).read_bytes() == DATA


@pytest.mark.parametrize("size", [len(DATA), None])
def test_a_blob_that_was_cut_short_is_fetched_anew(server: Any, store: Store, size: int | None) -> None:
    server.files["/a"] = DATA
    store.path(Digest.of(DATA)).write_bytes(DATA[:100])
    assert Fetcher(store, Mirrors()).blob(source(f"{server.url}/a", size=size)).read_bytes() == DATA


def test_offline_nothing_is_asked_of_anybody(server: Any, store: Store) -> None:
    server.files["/a"] = DATA
    fetcher = Fetcher(store, Mirrors(), offline=True)
    for call in (lambda: fetcher.blob(source(f"{server.url}/a")), lambda: fetcher.read([f"{server.url}/a"], 10)):
        with pytest.raises(EnvbuildError, match="offline"):
            call()
    store.write(DATA)
    assert fetcher.blob(source(f"{server.url}/a")).read_bytes() == DATA
    assert not server.requests


def test_a_document_over_its_limit_is_refused(server: Any, store: Store) -> None:
    server.files["/a"] = DATA
    with pytest.raises(EnvbuildError) as caught:
        Fetcher(store, Mirrors()).read([f"{server.url}/a"], 1000)
    assert "more than 1000 bytes were sent" in caught.value.why[0]


def test_one_failed_download_stops_the_others_and_keeps_what_they_have(server: Any, store: Store) -> None:
    started, failed = threading.Event(), threading.Event()

    def slow(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(1 << 40))
        handler.end_headers()
        for _ in range(2000):
            handler.wfile.write(bytes(1 << 16))
            started.set()
            failed.wait(0.01)

    def missing(handler: Any) -> None:
        started.wait(30)
        handler.send_error(404)
        failed.set()

    server.handlers |= {"/slow": slow, "/missing": missing}
    endless = Source(Digest("1" * 64), 1 << 40, (f"{server.url}/slow",), "endless")
    with pytest.raises(EnvbuildError):
        Fetcher(store, Mirrors()).blobs([endless, source(f"{server.url}/missing")])
    assert failed.is_set()
    assert leftovers(store) > 0


SCRIPT = """
import sys
from pathlib import Path
from builder.fetch import Fetcher, Mirrors, Source
from builder.oci.digest import Digest
from builder.oci.store import Store
store = Store(Path(sys.argv[1]))
store.create()
source = Source(Digest(sys.argv[3]), int(sys.argv[4]), (sys.argv[2],), "a")
print(Fetcher(store, Mirrors()).blob(source).stat().st_size)
"""


def process(store: Store, url: str, **options: Any) -> subprocess.Popen[str]:
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", SCRIPT, str(store.root), url, Digest.of(DATA).hex, str(len(DATA))]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def test_eight_processes_that_want_one_file_download_it_once(server: Any, store: Store) -> None:
    server.files["/a"] = DATA
    processes = [process(store, f"{server.url}/a") for _ in range(8)]
    assert [(child.communicate()[0], child.returncode) for child in processes] == [(f"{len(DATA)}\n", 0)] * 8
    assert len(server.requests) == 1
    assert not list(store.temporary.iterdir())


def test_a_killed_download_is_resumed(server: Any, store: Store) -> None:
    half = threading.Event()
    release = threading.Event()

    def stall(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(DATA)))
        handler.end_headers()
        handler.wfile.write(DATA[:3_000_000])
        half.set()
        release.wait(60)

    server.faults.append(stall)
    server.files["/a"] = DATA
    child = process(store, f"{server.url}/a")
    half.wait(60)
    partial = store.partial_path(Digest.of(DATA).hex)
    while not (partial.exists() and partial.stat().st_size):
        assert child.poll() is None
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    release.set()
    assert Fetcher(store, Mirrors()).blob(source(f"{server.url}/a")).read_bytes() == DATA
    assert server.ranges[-1] is not None


def test_a_full_disk_is_said_and_leaves_no_wrong_blob(server: Any, store: Store, tmp_path: Path) -> None:
    server.files["/a"] = DATA
    (tmp_path / "source").write_bytes(DATA)
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))  # noqa: E731
    for url in (f"{server.url}/a", (tmp_path / "source").as_uri()):
        child = process(store, url, preexec_fn=limit)
        _, errors = child.communicate()
        assert child.returncode == 1
        assert os.strerror(errno.EFBIG) in errors.splitlines()[-1]
        assert "OSError" in errors.splitlines()[-1]
        assert not store.path(Digest.of(DATA)).exists()
    assert Fetcher(store, Mirrors()).blob(source(f"{server.url}/a")).read_bytes() == DATA


def test_progress_is_told_of_every_byte(server: Any, store: Store) -> None:
    class Recorder:
        def __init__(self) -> None:
            self.events: list[tuple[str, Any]] = []

        def start(self, _: str, total: int | None = None) -> None:
            self.events.append(("start", total))

        def advance(self, _: str, amount: int) -> None:
            self.events.append(("advance", amount))

        def finish(self, _: str) -> None:
            self.events.append(("finish", None))

    server.files["/a"] = DATA
    recorder = Recorder()
    Fetcher(store, Mirrors(), recorder).blob(source(f"{server.url}/a"))
    assert recorder.events[0] == ("start", len(DATA))
    assert recorder.events[-1] == ("finish", None)
    assert sum(amount for kind, amount in recorder.events if kind == "advance") == len(DATA)


def test_the_json_page_of_an_index_may_be_large(server: Any, store: Store) -> None:
    files = [
        {"filename": f"{n}", "url": f"{n}", "hashes": {"sha256": hashlib.sha256(str(n).encode()).hexdigest()}}
        for n in range(5000)
    ]
    files.append({"filename": "f", "url": "/f", "hashes": {"sha256": Digest.of(DATA).hex}})
    server.files |= {"/simple/my-pkg/": json.dumps({"files": files}).encode(), "/f": DATA}
    mirrors = Mirrors.from_environment({"UV_INDEX_URL": f"{server.url}/simple/"})
    assert Fetcher(store, mirrors).blob(source(WHEEL_URL)).read_bytes() == DATA
