"""A real MLflow server, in a virtual environment of its own and on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def install(folder: Path) -> Path:
    """MLflow's program, installed below `folder`."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    subprocess.run([folder / "bin" / "pip", "install", "-q", "mlflow>=3"], check=True, capture_output=True)
    return folder / "bin" / "mlflow"


@contextmanager
def serve(program: Path, folder: Path) -> Iterator[str]:
    """The URL of a server that keeps everything below `folder`."""
    with socket.socket() as claimed:
        claimed.bind(("127.0.0.1", 0))
        port = claimed.getsockname()[1]
    store = f"sqlite:///{folder / 'mlflow.db'}"
    line = [program, "server", "--backend-store-uri", store, "--artifacts-destination", str(folder / "artifacts"),
            "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]  # fmt: skip
    variables = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with open(folder / "mlflow.log", "wb") as log:
        server = subprocess.Popen(line, stdout=log, stderr=log, cwd=folder, env=variables)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, server, folder / "mlflow.log")
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 180
    while time.monotonic() < until:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise AssertionError(f"MLflow does not start: {log.read_text()[-2000:]}")
