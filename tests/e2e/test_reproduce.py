"""A bundle is made again from what is inside, and its run repeated: what is the same, and what is told if it is not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder.bundle.attached.attach import attached
from builder.bundle.reading.reader import open_bundle
from builder.cli.machine import host_platform
from builder.oci.canonical import canonical_json
from builder.oci.documents import Descriptor, Index, Manifest
from builder.oci.layout import Layout

SPEC = """\
name: tiny
environment: {{python: "3.11", platforms: [{platform}]}}
code: ["*", src/**]
model: {{path: out/model}}
data:
  numbers: {{url: numbers.txt}}
  more: {{url: "file://{elsewhere}/"}}
  found: {{url: "src/**"}}
commands:
  train:
    run: python train.py
    inputs: [numbers]
    outputs: [model]
    params: params.yaml
    seed: 7
    tolerances: {{loss: 0.5}}
    deterministic: {deterministic}
  check: {{run: python -c pass}}
"""
TRAIN = """\
import json, os, random, sys
parameters = json.load(open(os.environ["ENVBUILD_PARAMS"]))
numbers = [float(line) for line in open(os.environ["ENVBUILD_DATA_NUMBERS"])]
noise = parameters["noise"] * random.SystemRandom().uniform(0.9, 1)
loss = sum(numbers) * parameters["rate"] + random.Random(int(os.environ["ENVBUILD_SEED"])).random() + noise
out = os.environ["ENVBUILD_OUT"]
os.makedirs(out + "/model", exist_ok=True)
with open(out + "/model/weights", "w") as file:
    print(loss, sys.argv[1:], "warm" if "ENVBUILD_MODEL" in os.environ else "cold", file=file)
with open(out + "/metrics.json", "w") as file:
    json.dump({"loss": loss, "rows": len(numbers)}, file)
print("a line of the command")
"""

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def locked(envbuild, tmp_path_factory) -> Path:
    """A small project and its locks: code that is also data, links, an ignore file, data outside of the project."""
    folder = tmp_path_factory.mktemp("locked")
    (folder / "elsewhere/inner").mkdir(parents=True)
    (folder / "elsewhere/inner/x").write_text("x")
    write_spec(folder, folder)
    (folder / ".gitignore").write_text("out/\nelsewhere/\naudit/\n")
    (folder / "src").mkdir()
    (folder / "src/run").write_text("#!/bin/sh\n")
    (folder / "src/run").chmod(0o755)
    (folder / "src/link").symlink_to("run")
    (folder / "train.py").write_text(TRAIN)
    (folder / "params.yaml").write_text("rate: 1.0\nnoise: 0.0\n")
    (folder / "numbers.txt").write_text("1\n2\n")
    envbuild("lock", folder)
    return folder


def write_spec(folder: Path, locked: Path, deterministic: bool = True) -> None:
    values = {"platform": host_platform(), "elsewhere": locked / "elsewhere"}
    text = SPEC.format(deterministic=str(deterministic).lower(), **values)
    (folder / "envbuild.yaml").write_text(text)


@pytest.fixture
def project(locked: Path, workplace: Path) -> Path:
    """A copy of it."""
    shutil.copytree(locked, workplace / "tiny")
    return workplace / "tiny"


@pytest.fixture
def bundled(envbuild, locked: Path, project: Path, workplace: Path) -> Make:
    """Trains with these words, and packs what came of it."""

    def make(*words: str, deterministic: bool = True, target: str = "tiny.tar") -> Path:
        write_spec(project, locked, deterministic)
        envbuild("run", "--engine", "embedded", "--out", project / "out", project, "train", *words)
        envbuild("bundle", project, "-o", workplace / target)
        return workplace / target

    return make


@pytest.fixture
def reproduce(envbuild, workplace: Path) -> Callable[..., dict]:
    """Reproduces a bundle, far from its project: the predicate of the report."""

    def run(bundle: Path, *words: str | Path, code: int = 0, docker: Any = None) -> dict:
        engine, environment = ("docker", docker.environment) if docker else ("embedded", {})
        elsewhere = replace(envbuild, cwd=str(workplace), environment=environment)
        done = elsewhere("reproduce", "--engine", engine, "--json", bundle, *words, code=code)
        assert "a line of the command" not in done.stdout
        statement = json.loads(done.stdout)
        assert statement["subject"][0]["digest"]["sha256"] == open_bundle(bundle).top.digest.hex
        assert statement["predicate"]["dev.envbuild.reproduction"]["exit-code"] == code
        return statement["predicate"]

    return run


def reason(predicate: dict, name: str) -> str:
    checks = predicate["dev.envbuild.reproduction"]["checks"]
    return next(check["reason"] for check in checks if check["name"] == name)


@pytest.fixture
def without_data(locked: Path) -> Iterator[Callable[[], None]]:
    """As on a machine that has not what the spec names outside of the project."""

    def hide() -> None:
        (locked / "elsewhere").rename(locked / "away")

    yield hide
    if (locked / "away").exists():
        (locked / "away").rename(locked / "elsewhere")


def test_a_bundle_gives_the_same_image_and_the_same_model_again(bundled, reproduce, project, workplace, without_data):
    bundle = bundled("--seed", "9", "--param", "rate=2", "--", "--more")
    digest = open_bundle(bundle).top.digest
    shutil.rmtree(project / "out")
    again = bundled("--seed", "9", "--param", "rate=2", "--", "--more", target="again.tar")
    assert open_bundle(again).top.digest == digest
    shutil.rmtree(project)
    without_data()

    report = reproduce(bundle, "--report", workplace / "r.md", "--report", workplace / "r.json", "--attach")
    assert report["result"] == "PASSED"
    assert report["passedTests"] == [
        f"image {host_platform()}", "bundle", "lock", "code", "parameters", "seed", "arguments", "data numbers",
        "metric loss", "metric rows", "output model",
    ]  # fmt: skip
    opened = open_bundle(bundle)
    records = [json.loads(one.data) for _, one in attached(opened, opened.top.digest) if b"test-result" in one.data]
    assert records == [json.loads((workplace / "r.json").read_text())]
    assert (workplace / "r.md").read_text().startswith("# tiny:latest: reproduced\n")


@pytest.mark.slow
def test_results_that_vary_are_held_to_their_tolerances_and_bytes_to_what_is_claimed(bundled, reproduce, docker):
    report = reproduce(bundled("--param", "noise=0.4"), code=3, docker=docker)
    assert report["dev.envbuild.reproduction"]["engine"] == "docker"
    assert (report["result"], report["failedTests"]) == ("FAILED", ["output model"])
    assert "`weights` has other bytes" in reason(report, "output model")
    assert "within the tolerance of 0.5" in reason(report, "metric loss")


@pytest.mark.slow
def test_a_thin_bundle_without_a_record_is_compared_by_digest_and_with_records_that_are_given(
    envbuild, bundled, reproduce, project, workplace
):
    bundled()
    given = workplace / "given.json"
    (project / "out/run.json").rename(given)
    shutil.rmtree(project / "out/runs")
    envbuild("bundle", project, "-o", workplace / "tiny.tar", "--thin", "--modelpack", "raw")
    report = reproduce(workplace / "tiny.tar", code=6)
    assert (report["result"], report["warnedTests"]) == ("WARNED", ["run"])
    assert report["passedTests"] == [f"image {host_platform()}", "bundle"]

    failed, other = workplace / "failed.json", workplace / "other.json"
    failed.write_text(json.dumps(json.loads(given.read_text()) | {"exit_code": 1}))
    other.write_text(json.dumps(json.loads(given.read_text()) | {"seed": 8}))
    records = [word for path in (given, failed, other) for word in ("--against", path)]
    records += ["--command", "train", "--command", "check", "--data", f"numbers={project}/numbers.txt"]
    report = reproduce(workplace / "tiny.tar", *records, code=3)
    assert report["failedTests"] == ["output model"]
    assert report["passedTests"].count("output model") == 1
    assert report["warnedTests"] == ["run check", "run train"]
    assert reason(report, "run train") == "the recorded run did not end well"


@pytest.mark.slow
def test_an_image_that_is_not_of_what_is_inside_is_5_and_names_the_difference(bundled, reproduce, workplace):
    folder = bundled(target="folder")
    layout = Layout(folder)
    layout.create()
    opened = open_bundle(folder)
    image = opened.image(host_platform())
    config = json.loads(layout.read(image.manifest.config))
    config["config"]["Env"].append("PYTHONSTARTUP=/app/evil.py")
    rewrite(layout, opened.top, image.manifest, canonical_json(config))
    report = reproduce(folder, "--no-run", code=5)
    assert report["failedTests"] == [f"image {host_platform()}", "bundle"]
    assert "PYTHONSTARTUP" in reason(report, f"image {host_platform()}")


def rewrite(layout: Layout, top: Descriptor, manifest: Manifest, config: bytes) -> None:
    """Give the first image of a bundle another config."""
    changed = replace(manifest, config=replace(manifest.config, digest=layout.write(config), size=len(config)))
    data = changed.to_bytes()
    first, *others = layout.index(top).manifests
    index = Index((replace(first, digest=layout.write(data), size=len(data)), *others)).to_bytes()
    entry = replace(top, digest=layout.write(index), size=len(index))
    (layout.root / "index.json").write_bytes(Index((entry,)).to_bytes())


@pytest.mark.slow
def test_actions_leave_events_in_the_projects_trail_and_nowhere_else(envbuild, bundled, project, workplace):
    bundled()
    assert not (project / "audit").exists()
    envbuild("audit", "init", project)
    digest = str(open_bundle(bundled()).top.digest)
    envbuild("audit", "add", "approved", workplace / "tiny.tar", "--audit", project, "--note", "looks right")
    events = json.loads(envbuild("audit", "log", project, "--json").stdout)
    assert [event["action"] for event in events] == ["run", "bundled", "approved"]
    assert [event["subject"]["digest"] == digest for event in events] == [False, True, True]
    assert events[0]["details"] == {"command": "train", "exit-code": 0, "engine": "embedded"}
    envbuild("audit", "verify", project)


def test_a_report_that_cannot_be_written_is_told_before_the_work(envbuild, workplace):
    (workplace / "bundle.tar").touch()
    for place in (workplace, workplace / "none/report.md"):
        done = envbuild("reproduce", workplace / "bundle.tar", "--report", place, code=1)
        assert "no report can be written" in done.stderr
