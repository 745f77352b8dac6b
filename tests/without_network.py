"""A command where there is no network interface but loopback: trained and served there, by root."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

PENGUIN = {"bill_length_mm": 46.5, "bill_depth_mm": 17.9, "flipper_length_mm": 192, "body_mass_g": 3500}
ASK = """
import json, sys, urllib.request
body = json.dumps({"input": json.loads(sys.argv[1])}).encode()
request = urllib.request.Request("http://127.0.0.1:8080/predictions", body, {"content-type": "application/json"})
print(urllib.request.urlopen(request, timeout=30).read().decode())
"""
ALONE = """
import fcntl, json, os, signal, socket, struct, subprocess, sys
assert [name for _, name in socket.if_nameindex()] == ["lo"]
if sys.argv[1] == "serve":  # a port can be reached on a loopback interface alone
    with socket.socket() as control:
        fcntl.ioctl(control, 0x8914, struct.pack("16sh22x", b"lo", 1))
server = subprocess.Popen(json.loads(sys.argv[2]), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
if sys.argv[1] == "train":
    sys.exit(sys.stdout.write(server.communicate()[0]) and server.returncode)
said = next((line for line in server.stdout if "Uvicorn running on" in line), "it did not start")
sys.stdout.write(said)
subprocess.run([sys.executable, "-c", *json.loads(sys.argv[3])], check=True)
server.send_signal(signal.SIGTERM)
server.stdout.read()
sys.exit(server.wait() != 128 + signal.SIGTERM)
"""


def train_alone(unshare: Callable[..., Any], envbuild: Any, arguments: Sequence[object]) -> None:
    """Run a command line of envbuild that ends by itself."""
    line = [*envbuild.line, *map(str, arguments)]
    unshare("--net", sys.executable, "-c", ALONE, "train", json.dumps(line), **_options(envbuild))


def serve_alone(unshare: Callable[..., Any], envbuild: Any, arguments: Sequence[object]) -> Any:
    """Run a command line of envbuild that serves the example, and ask for a prediction; the answer."""
    line = [*envbuild.line, *map(str, arguments)]
    asked = json.dumps([ASK, json.dumps(PENGUIN)])
    done = unshare("--net", sys.executable, "-c", ALONE, "serve", json.dumps(line), asked, **_options(envbuild))
    return json.loads(done.stdout.splitlines()[-1])["output"]


def _options(envbuild: Any) -> dict[str, Any]:
    return {key: value for key, value in envbuild.options.items() if value is not None}
