"""Every command of the guide to CI is run as it stands there, against a real registry."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def blocks() -> list[str]:
    text = (ROOT / "docs/guides/ci.md").read_text("utf-8")
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


@pytest.mark.slow
def test_the_guide_to_ci_can_be_followed_word_by_word(workplace, store, program, free_port, read_until):
    (workplace / "bin").mkdir()
    command = workplace / "bin/envbuild"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m builder "$@"\n')
    command.chmod(0o755)
    port = free_port()
    config = workplace / "registry.yml"
    storage = {"filesystem": {"rootdirectory": str(workplace / "registry")}}
    config.write_text(json.dumps({"version": "0.1", "storage": storage, "http": {"addr": f"127.0.0.1:{port}"}}))
    environment = {
        **os.environ,
        "PATH": f"{workplace / 'bin'}:{os.environ['PATH']}",
        "ENVBUILD_CACHE": str(store),
        "REGISTRY": f"127.0.0.1:{port}/team",
        "GIT_CONFIG_GLOBAL": str(workplace / "gitconfig"),
    }
    (workplace / "gitconfig").write_text("[user]\n\tname = a\n\temail = a@example.com\n")
    script = "set -eux\n" + "\n".join(blocks())
    with program("docker-registry").start("serve", config) as registry:
        assert "listening on" in read_until(registry.stdout, "listening on")
        rest = threading.Thread(target=registry.stdout.read, daemon=True)
        rest.start()
        try:
            done = subprocess.run(
                ["bash", "-c", script], cwd=workplace, env=environment, capture_output=True, text=True, timeout=600
            )
            assert done.returncode == 0, done.stdout + done.stderr
            reference = (workplace / "team/reference.txt").read_text().strip()
            pushed = f"docker://127.0.0.1:{port}/team/plain:latest"
            raw = program("skopeo")("inspect", "--raw", "--tls-verify=false", pushed, text=False).stdout
        finally:
            registry.terminate()
            registry.wait()
            rest.join()
    assert reference == f"127.0.0.1:{port}/team/plain@sha256:{hashlib.sha256(raw).hexdigest()}"
    assert "| + | `idna` |" in done.stdout
    assert "asked for itself" in done.stdout
    assert "`idna` was added to `pypi.requirements`" in done.stderr


def test_the_guide_has_commands() -> None:
    assert sum("envbuild " in block for block in blocks()) >= 6
