"""Sending runs to a server that answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from made_runs import finished_run

from builder.history.export.openlineage import run_uuid

RUN = "20260101T000000Z-train-00aa01"
Run = Callable[..., tuple[int, str, str]]
API = "/api/2.0/mlflow"


class Server(ThreadingHTTPServer):
    """Answers with what stands for a path, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[tuple[str, str | None, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else None
        path = self.path.partition("?")[0]
        self.server.asked.append((self.path, self.headers.get("Authorization"), body))
        status, data = self.server.answers.get(path, (200, b"{}"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.01,))
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _project(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENLINEAGE_URL", "OPENLINEAGE_API_KEY", "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    finished_run(work, id=RUN)


def test_events_are_sent_with_the_key_that_nobody_sees(
    server: Server, envbuild: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENLINEAGE_URL", server.url)
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "very-secret")
    assert envbuild("runs", "export", "--format", "openlineage") == (0, "", "sent 2 events of 1 run\n")
    assert [(path, key) for path, key, _ in server.asked] == [("/api/v1/lineage", "Bearer very-secret")] * 2
    assert [one["eventType"] for _, _, one in server.asked] == ["START", "COMPLETE"]
    server.answers["/api/v1/lineage"] = (403, b'{"message": "very-secret is not allowed\\n\\u001b[31m"}')
    code, _, error = envbuild("runs", "export", "--format", "openlineage")
    assert code == 1
    assert "the server answered 403: **** is not allowed" in error
    assert "very-secret" not in error
    assert "Check the credentials" in error


def test_events_are_written_one_a_line_where_no_server_is_named(envbuild: Run) -> None:
    code, out, _ = envbuild("runs", "export", "--format", "openlineage")
    assert code == 0
    assert [json.loads(line)["run"]["runId"] for line in out.splitlines()] == [run_uuid(RUN)] * 2


def test_an_address_of_nobody_is_told_without_its_password(envbuild: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.fetch.connections._ATTEMPTS", 0)
    for url in ("http://me:hidden@127.0.0.1:9/x", "ftp://me:hidden@127.0.0.1", "http://me:hidden@127.0.0.1:99999"):
        code, _, error = envbuild("runs", "export", "--format", "openlineage", "--url", url)
        assert code == 1
        assert "hidden" not in error
    assert "no MLflow server is named" in envbuild("runs", "export", "--format", "mlflow")[2]


def test_a_run_is_created_once_and_then_brought_up_to_date(
    server: Server, envbuild: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "very-secret")
    server.answers[f"{API}/experiments/get-by-name"] = (404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST"}')
    server.answers[f"{API}/experiments/create"] = (200, b'{"experiment_id": "5"}')
    server.answers[f"{API}/runs/create"] = (200, b'{"run": {"info": {"run_id": "abc"}}}')
    assert envbuild("runs", "export", "--format", "mlflow")[2] == "sent 1 run: 1 new, 0 brought up to date\n"
    paths = [path.removeprefix(API) for path, _, _ in server.asked]
    assert paths[:4] == [
        "/experiments/get-by-name?experiment_name=churn", "/experiments/create", "/runs/search", "/runs/create",
    ]  # fmt: skip
    assert paths[-1] == "/runs/update"
    assert {key for _, key, _ in server.asked} == {"Bearer very-secret"}
    server.answers[f"{API}/experiments/get-by-name"] = (200, b'{"experiment": {"experiment_id": "5"}}')
    server.answers[f"{API}/runs/search"] = (200, b'{"runs": [{"info": {"run_id": "abc"}}]}')
    server.asked.clear()
    assert envbuild("runs", "export", "--format", "mlflow")[2] == "sent 1 run: 0 new, 1 brought up to date\n"
    assert f"{API}/runs/create" not in [path for path, _, _ in server.asked]


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (500, b'{"message": "on fire"}', "answered 500: on fire"),
        (200, b"not json", "has no `experiment.experiment_id`"),
        (200, b'{"experiment": []}', "has no `experiment.experiment_id`"),
        (200, b'{"experiment": {"experiment_id": 5}}', "has no `experiment.experiment_id`"),
        (404, b"<html>", "answered 404"),
        (302, b"", "answered 302"),
        (200, b"[" * 100_000, "has no `experiment.experiment_id`"),
    ],
    ids=["fails", "no json", "a list", "a number", "another server", "leads elsewhere", "too deep"],
)
def test_a_server_that_is_no_mlflow_is_told(
    server: Server, envbuild: Run, status: int, body: bytes, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builder.fetch.connections._ATTEMPTS", 0)
    server.answers[f"{API}/experiments/get-by-name"] = (status, body)
    code, _, error = envbuild("runs", "export", "--format", "mlflow", "--url", server.url)
    assert code == 1
    assert told in error
