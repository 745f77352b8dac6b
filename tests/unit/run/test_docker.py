"""What is said when Docker Engine does not answer or refuses; no engine is needed."""

from __future__ import annotations

import gc
import socket
import warnings

import pytest

from builder.run.docker import DockerEngine
from builder.run.docker.container import port_hint
from builder.run.interface import PortMapping, RunRequest


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize("scheme", ["unix", "tcp"])
def test_an_engine_that_does_not_answer_is_named_with_the_systems_reason(scheme, tmp_path, monkeypatch):
    address = f"unix://{tmp_path}/none.sock" if scheme == "unix" else f"tcp://127.0.0.1:{free_port()}"
    monkeypatch.setenv("DOCKER_HOST", address)
    reason = "No such file or directory" if scheme == "unix" else "Connection refused"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the library leaves its socket to the collector
        answer = DockerEngine().unavailable()
        gc.collect()
    assert answer == f"no Docker Engine answers at {address}: {reason}"


@pytest.mark.parametrize("address", ["nonsense://x", "tcp://127.0.0.1:port"])
def test_an_address_that_is_none_is_a_reason_too(address, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", address)
    reason = DockerEngine().unavailable()
    assert reason is not None
    assert address in reason


@pytest.mark.parametrize(
    "text",
    [
        "failed to bind host port for 127.0.0.1:8080:172.17.0.2:80/tcp: address already in use",
        "Bind for 127.0.0.1:8080 failed: port is already allocated",
    ],
)
def test_a_port_that_is_taken_gets_a_hint(text):
    ports = (PortMapping("127.0.0.1", 9090, 90), PortMapping("127.0.0.1", 8080, 80))
    hint = port_hint(text, RunRequest(ports=ports))
    assert hint == "Port 8080 of this machine is taken; take another: `-p OTHER:80`"
    assert port_hint("no such image", RunRequest(ports=ports)) is None
