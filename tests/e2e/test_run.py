"""`envbuild run` on each engine, as root and as a user without any privilege: every option arrives at the command."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

UNPRIVILEGED = 47111
TABLE = "a,b\n1,2\n"
NOTES = "notes.txt"
PROJECT = """
name: probe
version: "2"
environment: ../../environments/sklearn
code: [src/**, params.yaml]
data:
  table: {url: table.csv, sha256: DIGEST, size: 8}
commands:
  probe: {run: python -m probe, inputs: [table], params: params.yaml, seed: 1, outputs: [report.json]}
  serve: {run: python -m http.server --directory /app PORT, port: PORT}
"""
PROBE = """
import json, os, resource, socket, sys
from pathlib import Path

names = [name for name in os.environ if name.startswith(("ENVBUILD_", "PROBE_"))]
shared = os.statvfs("/dev/shm")


def can_write(path):
    try:
        Path(path, "written").write_text("")
    except OSError:
        return False
    return True


report = {
    "arguments": sys.argv[1:],
    "environment": {name: os.environ[name] for name in names},
    "parameters": json.loads(Path(os.environ["ENVBUILD_PARAMS"]).read_text()),
    "data": Path(os.environ["ENVBUILD_DATA_TABLE"]).read_text(),
    "uid": os.getuid(),
    "input": sys.stdin.read(),
    "interfaces": [name for _, name in socket.if_nameindex()],
    "shared memory": shared.f_blocks * shared.f_frsize,
    "writable": [path for path in ("/", "/app", "/opt/env", "/tmp", "/out") if can_write(path)],
    "code": sorted(os.listdir("/app")),
}
Path(os.environ["ENVBUILD_OUT"], "report.json").write_text(json.dumps(report))
print("printed")
print("complained", file=sys.stderr)
if "allocate" in sys.argv:
    hog = bytearray(os.urandom(1 << 20)) * 600
sys.exit(int(sys.argv[1]) if sys.argv[1:] and sys.argv[1].isdigit() else 0)
"""


@dataclass(frozen=True)
class Runner:
    """The command as a user, with an engine and a project of that user."""

    envbuild: object
    engine: str
    project: Path
    user: int

    def line(self, *arguments: str | Path) -> list[str | Path]:
        target, *rest = arguments
        return ["run", target, "--engine", self.engine, *rest]

    def __call__(self, *arguments: str | Path, **options: object):
        return self.envbuild(*self.line(self.project, *arguments), **options)

    def report(self, *arguments: str | Path, **options: object) -> dict[str, object]:
        """Run the probe; what it saw."""
        self("probe", *arguments, **options)
        return json.loads((self.project / "out/report.json").read_text())

    def record(self) -> dict[str, object]:
        return json.loads((self.project / "out/run.json").read_text())


def write_probe(projects: Path, port: int) -> Path:
    folder = projects / "examples/probe"
    (folder / "src").mkdir(parents=True)
    (folder / "table.csv").write_text(TABLE)
    digest = hashlib.sha256(TABLE.encode()).hexdigest()
    (folder / "envbuild.yaml").write_text(PROJECT.replace("PORT", str(port)).replace("DIGEST", digest))
    (folder / "params.yaml").write_text("rate: 0.5\nmodel: {depth: 3}\n")
    (folder / "src/probe.py").write_text(PROBE)
    (folder / NOTES).write_text("not a part of the code")
    return folder


USERS = ["caller", "unprivileged"] if os.geteuid() == 0 else ["caller"]
ENGINES = [("docker", user) for user in USERS] + [("embedded", user) for user in USERS] + [("podman", "caller")]


few = pytest.mark.parametrize("runner", [ENGINES[0], ENGINES[-2]], ids="-".join, indirect=True)
"""For what is the same for every engine but where it mounts files."""
one = pytest.mark.parametrize("runner", [("embedded", "caller")], ids="-".join, indirect=True)
"""For what no engine has a part in."""


SLOW = {("docker", "unprivileged"), ("embedded", "unprivileged"), ("podman", "caller")}
PARAMS = [pytest.param(one, marks=[pytest.mark.slow] if one in SLOW else []) for one in ENGINES]


@pytest.fixture(params=PARAMS, ids="-".join)
def runner(request, users, copies, free_port) -> Runner:
    engine, user = request.param
    envbuild = users(user)
    number = UNPRIVILEGED if user == "unprivileged" else os.geteuid()
    project = write_probe(copies, free_port())
    for path in (copies, *copies.rglob("*")):
        os.chown(path, number, number if number == UNPRIVILEGED else -1)
    if engine == "podman":
        envbuild = replace(
            envbuild, environment={**envbuild.environment, **request.getfixturevalue("podman").environment}
        )
    if engine == "docker":
        docker = request.getfixturevalue("docker")
        if not docker.is_open_to(number):
            pytest.skip("this engine is not open to other users")
        envbuild = replace(envbuild, environment={**envbuild.environment, **docker.environment})
    return Runner(replace(envbuild, cwd=str(project)), engine, project, number)


def test_parameters_seed_data_and_the_digest_arrive(runner, tmp_path):
    report = runner.report("--param", "rate=0.25", "--param", "model.depth=9", "--seed", "42")
    built = runner.envbuild("build", runner.project, "--platform", "linux/amd64").stdout.strip()
    assert report["parameters"] == {"rate": 0.25, "model": {"depth": 9}}
    assert report["data"] == "a,b\n1,2\n"
    assert NOTES not in report["code"]
    assert report["environment"]["ENVBUILD_SEED"] == "42"
    assert report["environment"]["ENVBUILD_PARAM_MODEL_DEPTH"] == "9"
    assert report["uid"] == runner.user
    assert (runner.project / "out/report.json").stat().st_uid == runner.user
    record = runner.record()
    assert record["image"] == built.rpartition("@")[2]
    assert (record["seed"], record["exit_code"], record["state"]) == (42, 0, "finished")


def test_streams_arguments_and_the_exit_code_are_the_commands_own(runner):
    done = runner("probe", "--", "17", "--flag", "two words", code=17, input="given")
    report = json.loads((runner.project / "out/report.json").read_text())
    assert report["arguments"] == ["17", "--flag", "two words"]
    assert report["input"] == "given"
    assert done.stdout == "printed\n"
    assert "complained" in done.stderr
    assert runner.record()["exit_code"] == 17


def test_variables_come_from_options_and_files_and_from_nowhere_else(runner):
    file = runner.project / "variables"
    file.write_text("# a comment\nPROBE_FILE=from the file\nPROBE_BOTH=file\n\n")
    file.chmod(0o644)
    inherited = {"PROBE_HERE": "inherited", "PROBE_SECRET": "not passed"}
    envbuild = replace(runner.envbuild, environment={**runner.envbuild.environment, **inherited})
    options = ["--env-file", file, "--env", "PROBE_BOTH=option", "-e", "PROBE_HERE"]
    seen = replace(runner, envbuild=envbuild).report(*options)["environment"]
    probed = {name: value for name, value in seen.items() if name.startswith("PROBE_")}
    assert probed == {"PROBE_FILE": "from the file", "PROBE_BOTH": "option", "PROBE_HERE": "inherited"}


def test_network_shared_memory_and_root_are_as_they_were_asked_for(runner):
    report = runner.report("--network", "none", "--shm-size", "96m", "--read-only")
    assert report["interfaces"] == ["lo"]
    assert report["shared memory"] == 96 << 20
    assert report["writable"] == ["/tmp", "/out"]


@pytest.mark.slow
@few
def test_another_file_for_data_is_verified_too(runner):
    other, same = runner.project / "other.csv", runner.project / "same.csv"
    other.write_text("a,b\n3,4\n")
    same.write_text("a,b\n1,2\n")
    assert runner.report("--data", f"table={same}")["data"] == "a,b\n1,2\n"
    assert "the data `table` is another" in runner("probe", "--data", f"table={other}", code=5).stderr


@few
def test_outputs_go_where_they_are_asked_to(runner):
    runner("probe", "--out", runner.project / "elsewhere/deep")
    assert (runner.project / "elsewhere/deep/report.json").exists()
    assert not (runner.project / "out").exists()


def test_mounted_code_is_the_working_tree(runner):
    assert NOTES in runner.report("--mount-code")["code"]


def test_memory_is_limited_or_the_command_is_not_started(runner):
    """Without root the embedded engine may limit memory only where a cgroup was given to the user."""
    done = runner.envbuild.attempt(*runner.line(runner.project, "probe", "--memory", "300m", "--", "allocate"))
    if runner.engine == "embedded" and done.returncode == 1:
        assert "memory" in done.stderr
        assert "hint: " in done.stderr
        assert not (runner.project / "out/report.json").exists()
    else:
        assert done.returncode == 137


def test_a_published_port_is_reached_and_a_signal_ends_the_server(runner, read_until):
    port = int(re.search(r"port: (\d+)", (runner.project / "envbuild.yaml").read_text())[1])
    line = runner.line(runner.project, "serve", "-p", f"{port}:{port}", "-e", "PYTHONUNBUFFERED=1")
    with runner.envbuild.start(*line) as server:
        said = read_until(server.stdout, "Serving HTTP")
        assert "Serving HTTP" in said
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/params.yaml", timeout=30) as answer:
            assert b"rate" in answer.read()
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    assert server.returncode == 143


@few
def test_a_bundle_runs_like_its_project(runner, tmp_path):
    bundle = runner.project / "probe.tar"
    runner.envbuild("bundle", runner.project, "-o", bundle, "--platform", "linux/amd64")
    table, out = runner.project / "table.csv", runner.project / "out"
    runner.envbuild(*runner.line(bundle, "probe", "--data", f"table={table}", "--out", out))
    assert runner.record()["exit_code"] == 0


@one
def test_commands_are_listed(runner):
    listed = runner().stdout
    for text in ("probe 2", "rate=0.5", "/data/table", "/out/report.json"):
        assert text in listed


@one
def test_an_unknown_command_starts_nothing(runner):
    assert "Did you mean `probe`?" in runner("prob", code=1).stderr
    assert not (runner.project / "out").exists()


def test_trains_the_example(runner):
    project = runner.project.parent / "penguins"
    runner.envbuild(*runner.line(project, "train"))
    assert json.loads((project / "out/metrics.json").read_text())["accuracy"] > 0.9
