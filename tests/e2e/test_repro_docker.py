"""Stages on a real Docker Engine: two environments, a limit of memory, a scheduler that is killed."""

from __future__ import annotations

import json
import signal
import uuid

import pytest

from builder.cli.machine import host_platform

HERE = 'python: "3.11"\nplatforms: [{platform}]\n'
THERE = HERE + "pypi: {{requirements: [six]}}\n"
SPEC = """\
name: tiny
environment: here
stages:
  begin: {run: python begin.py, params: {params.json: [token]}, outputs: [begun.txt]}
  wait:
    run: python wait.py
    environment: there
    inputs: [begun.txt]
    params: {params.json: [seconds]}
    outputs: [waited.txt]
  eat: {run: [python, -c, "bytearray(400 << 20)"], resources: {memory: 64m}, outputs: [never]}
"""
BEGIN = """\
import importlib.util, json
token = json.load(open("params.json"))["token"]
open("begun.txt", "w").write(f"{token}, six: {importlib.util.find_spec('six') is not None}")
"""
WAIT = """\
import json, os, time
import six
print("waiting", flush=True)
time.sleep(json.load(open("params.json"))["seconds"])
open("waited.txt", "w").write(open("begun.txt").read() + f", then {six.PY3}")
"""


@pytest.mark.slow
def test_stages_run_in_their_images_and_what_a_killed_scheduler_leaves_is_removed(
    with_docker, docker, workplace, read_until
):
    def containers() -> list[str]:
        return docker("ps", "-aq", "--filter", "label=dev.envbuild.project").stdout.split()

    def values(seconds: int) -> None:
        (project / "params.json").write_text(json.dumps({"token": token, "seconds": seconds}))

    project, token = workplace / "tiny", str(uuid.uuid4())
    for name, text in (("here", HERE), ("there", THERE)):
        (project / name).mkdir(parents=True)
        (project / name / "environment.yaml").write_text(text.format(platform=host_platform()))
    for name, text in (("envbuild.yaml", SPEC), ("begin.py", BEGIN), ("wait.py", WAIT)):
        (project / name).write_text(text)
    values(3600)
    with_docker("lock", "--all", project)

    line = ("repro", "-C", project, "--engine", "docker", "wait")
    with with_docker.start(*line) as scheduler:
        begun = read_until(scheduler.stdout, "waiting")
        scheduler.send_signal(signal.SIGKILL)
        scheduler.wait(60)
    assert len(containers()) == 1, begun

    values(0)
    said = with_docker(*line).stderr
    assert not containers()
    assert "running `begin`" not in said  # it goes on at the stage
    assert (project / "waited.txt").read_text() == f"{token}, six: False, then True"
    runs = json.loads(with_docker("runs", "list", "--project", project, "--json").stdout)
    told = {(run["command"], run["outcome"]) for run in runs}
    assert told == {("begin", "ok"), ("wait", "killed"), ("wait", "ok")}
    record = json.loads((project / "runs" / runs[0]["id"] / "run.json").read_text())
    assert record["host"]["engine"] == f"docker {docker('version', '--format', '{{.Server.Version}}').stdout.strip()}"

    failed = with_docker(*line[:-1], "eat", code=1).stderr
    assert "memory" in failed
    assert "`eat` failed" in failed
