from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator

import pytest
from data_projects import DataProject

from builder.errors import DigestMismatchError, EnvbuildError
from builder.lock.data import download

DATA = bytes(range(256)) * 400
SHA = hashlib.sha256(DATA).hexdigest()


class Site:
    """A web server of one file, with faults."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.data = DATA
        self.asked: list[str] = []
        self.break_off = 0


class _Handler(http.server.BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        self.site.asked.append(self.path)
        if self.path == "/loop":
            self.send_response(302)
            self.send_header("Location", "/loop")
            self.end_headers()
            return
        if self.path != "/train.csv":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.site.data)))
        self.end_headers()
        whole = not self.site.break_off
        self.site.break_off -= not whole
        self.wfile.write(self.site.data if whole else self.site.data[: len(self.site.data) // 2])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(download.time, "sleep", lambda _: None)
    handler = type("Handler", (_Handler,), {})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        handler.site = Site(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield handler.site
        server.shutdown()
        thread.join()


def test_a_file_is_read_once_and_its_bytes_are_kept(site: Site, project: DataProject) -> None:
    project.spec({"train": {"url": f"{site.url}/train.csv"}})
    entry = project.lock().data["train"]
    assert (entry.digest.hex, entry.size) == (SHA, len(DATA))
    assert project.store.path(entry.digest).read_bytes() == DATA
    site.data = b"other"
    assert project.lock().data["train"] == entry
    project.check()
    assert site.asked == ["/train.csv"]
    assert project.lock(upgrade=True).data["train"].size == 5


@pytest.mark.parametrize("times", [1, 3])
def test_a_body_that_breaks_off_is_read_anew(site: Site, project: DataProject, times: int) -> None:
    site.break_off = times
    project.spec({"train": {"url": f"{site.url}/train.csv"}})
    assert project.lock().data["train"].digest.hex == SHA


@pytest.mark.parametrize(
    ("path", "said"),
    [("/nothing", "404"), ("/loop", "leads to other URLs more than"), ("/train.csv", "IncompleteRead")],
)
def test_what_cannot_be_read_changes_no_file(site: Site, project: DataProject, path: str, said: str) -> None:
    site.break_off = 99
    project.spec({"train": {"url": site.url + path}})
    with pytest.raises(EnvbuildError) as caught:
        project.lock()
    assert caught.value.what == f"`{site.url}{path}` could not be read"
    assert said in caught.value.why[0]
    assert not project.lock_file.exists()
    assert list(project.store.temporary.iterdir()) == []


def test_a_promised_size_that_does_not_hold_is_a_wrong_digest(site: Site, project: DataProject) -> None:
    project.spec({"train": {"url": f"{site.url}/train.csv", "size": 7}})
    with pytest.raises(DigestMismatchError) as caught:
        project.lock()
    assert caught.value.why == (f"`data.train.size` is 7, and the data has {len(DATA)} bytes",)
    assert not project.lock_file.exists()


def test_the_query_of_an_url_is_part_of_it(site: Site, project: DataProject) -> None:
    project.spec({"train": {"url": f"{site.url}/train.csv?version=2"}})
    with pytest.raises(EnvbuildError):
        project.lock()
    assert site.asked == ["/train.csv?version=2"]
