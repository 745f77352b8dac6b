"""`status` and `dag` of a project whose environment is locked, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from made_locks import made_deb, made_wheel, write_made_environment

from builder.cli.machine import open_store
from builder.cli.output import Output
from builder.cli.pipeline import load_stages, open_pipeline
from builder.pipeline.key import key_of, key_parts
from builder.pipeline.stages_lock import StageEntry, StagesLock, write_stages_lock

Envbuild = Callable[..., tuple[int, str, str]]

STAGES = """\
environment: environments/a
stages:
  features: {run: python features.py, inputs: [raw.csv], outputs: [out/features.csv], owner: ana}
  train:
    run: python train.py
    inputs: [out/features.csv]
    outputs: [out/model]
    metrics: [out/metrics.json]
    params: {params.yaml: [rate]}
    why: "the <best> model"
"""


@pytest.fixture
def project(work: Path) -> Path:
    wheel, deb = made_wheel("pandas"), made_deb("libc6")
    write_made_environment(work / "environments/a", ["pandas"], [wheel], [deb])
    (work / "envbuild.yaml").write_text(STAGES)
    (work / "out").mkdir()
    for name in ("features.py", "train.py", "raw.csv", "out/features.csv", "out/model", "out/metrics.json"):
        (work / name).write_text(f"# {name}\n")
    (work / "params.yaml").write_text("rate: 0.1\nother: 1\n")
    return work


def _make(project: Path) -> None:
    pipeline, lock = open_pipeline(load_stages(project), (), open_store(), Output()), StagesLock()
    for stage in pipeline.stages:
        inputs = {port.target: pipeline.contents.of(port) for port in stage.inputs}
        outputs = {port.path: pipeline.contents.at(port.path) for port in stage.outputs}
        parts = key_parts(stage, {target: one for target, one in inputs.items() if one})
        made = {path: one for path, one in outputs.items() if one}
        lock = lock.with_entry(stage.name, StageEntry(key_of(parts), parts, made))
    write_stages_lock(project / "lock", lock)


def test_status_says_which_stages_are_stale_and_why(project: Path, envbuild: Envbuild) -> None:
    code, out, error = envbuild("status")
    assert code == 3
    assert [line.strip() for line in out.splitlines()] == [
        "features  stale", "never run", "train     stale", "stage `features` is stale", "never run",
    ]  # fmt: skip
    assert error == "2 stages to be run, 0 to be restored: `envbuild repro` makes all of them current\n"
    _make(project)
    assert envbuild("status", "-C", str(project)) == (0, "features  current\ntrain     current\n", "")
    (project / "params.yaml").write_text("rate: 0.2\nother: 2\n")
    code, out, _ = envbuild("status", "train")
    assert (code, out) == (3, "features  current\ntrain     stale\n            params rate 0.1 → 0.2\n")
    assert envbuild("status", "features")[0] == 0


def test_status_for_programs_has_states_reasons_and_keys(project: Path, envbuild: Envbuild) -> None:
    _make(project)
    (project / "raw.csv").write_text("other\n")
    code, out, _ = envbuild("status", "--json")
    features, train = json.loads(out)["stages"]
    assert code == 3
    assert features["state"] == "stale"
    assert features["reasons"][0].startswith("input raw.csv changed (sha256 ")
    assert len(features["key"]) == 64
    assert train == {"stage": "train", "state": "stale", "reasons": ["stage `features` is stale"], "key": None}


@pytest.mark.parametrize("lost", ["raw.csv", "out/features.csv"])
def test_what_cannot_be_read_makes_its_stage_unknown_and_those_behind_it_not_the_others(
    project: Path, envbuild: Envbuild, lost: str
) -> None:
    with open(project / "envbuild.yaml", "a") as file:
        file.write("  other: {run: python train.py, outputs: [other.txt]}\n")
    (project / "other.txt").write_text("other")
    _make(project)
    (project / lost).unlink()
    (project / lost).symlink_to("/etc/hostname")  # out of the project
    code, out, _ = envbuild("status")
    assert code == 1
    assert [line.strip() for line in out.splitlines()] == [
        "features  unknown",
        f"cannot be told: `{lost}` is a link that leads out of `.`",
        "other     current",
        "train     unknown",
        "stage `features` cannot be told",
    ]
    assert json.loads(envbuild("status", "--json")[1])["stages"][0]["state"] == "unknown"
    assert envbuild("repro", "--dry-run")[0] == 1


def test_text_from_files_is_no_command_to_the_terminal(project: Path, envbuild: Envbuild) -> None:
    _make(project)
    (project / "params.yaml").write_text('rate: "\\e[31mred"\n')
    assert "\x1b" not in envbuild("status")[1]
    assert "\x1b" not in envbuild("status", "--json")[1]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda project: (project / "envbuild.yaml").write_text("environment: environments/a\n"), "has no stages"),
        (lambda project: (project / "raw.csv").unlink(), "envbuild.yaml:3: `stages.features.inputs`: `raw.csv`"),
        (lambda project: (project / "params.yaml").write_text("rate: ["), "the parameters in"),
        (lambda project: (project / "lock/stages.lock.json").write_text("<<<<<<< a\n"), "merge conflict"),
        (lambda project: (project / "lock/stages.lock.json").write_text("{"), "is not valid JSON"),
        (
            lambda project: (project / "environments/a/environment.yaml").write_text('python: "3.12"\n'),
            "does not match",
        ),
    ],
    ids=["no-stages", "no-input", "no-params", "conflict", "no-json", "stale-environment"],
)
def test_what_cannot_be_judged_is_the_users_to_mend(
    project: Path, envbuild: Envbuild, spoil: Callable[[Path], object], message: str
) -> None:
    _make(project)
    spoil(project)
    code, out, error = envbuild("status")
    assert (code, out) == (1, "")
    assert message in error


def test_a_stage_that_is_not_there_is_told(project: Path, envbuild: Envbuild) -> None:
    for command in ("status", "dag"):
        code, _, error = envbuild(command, "tarin")
        assert (code, "hint: Did you mean `train`?" in error) == (1, True)


def test_dag_needs_no_input_and_no_lock(project: Path, envbuild: Envbuild) -> None:
    (project / "raw.csv").unlink()
    (project / "environments/a/lock/envbuild.lock.json").unlink()
    code, out, _ = envbuild("dag")
    assert (code, out) == (0, "features (python features.py, ana)\n└─ train (python train.py)\n")
    assert envbuild("dag", "features")[1] == "features (python features.py, ana)\n"


def test_dag_with_data_shows_what_is_read_and_written(project: Path, envbuild: Envbuild) -> None:
    _, out, _ = envbuild("dag", "--data")
    assert [line.strip("│├└─ ") for line in out.splitlines()] == [
        "raw.csv",
        "features (python features.py, ana)",
        "out/features.csv",
        "train (python train.py)",
        "out/model",
        "out/metrics.json (metrics)",
    ]


def test_dag_for_others_is_mermaid_svg_and_json(project: Path, envbuild: Envbuild) -> None:
    (project / "envbuild.yaml").write_text(STAGES.replace("python train.py", '[sh, -c, "echo \\"<b>&\\""]', 1))
    _, mermaid, _ = envbuild("dag", "--format", "mermaid")
    assert mermaid.startswith("flowchart LR\n")
    assert "n1 --> n2" in mermaid
    assert "<b>" not in mermaid
    code, out, _ = envbuild("dag", "--format", "svg", "-o", "stages.svg")
    assert (code, out) == (0, "")
    texts = "".join(ET.fromstring((project / "stages.svg").read_bytes()).itertext())
    assert "features" in texts
    assert "ana" in texts
    train = json.loads(envbuild("dag", "--format", "json")[1])["stages"][1]
    assert (train["needs"], train["why"], train["metrics"]) == (["features"], "the <best> model", ["out/metrics.json"])


def test_dag_tells_what_is_wrong_with_the_graph(project: Path, envbuild: Envbuild) -> None:
    (project / "envbuild.yaml").write_text(STAGES.replace("[raw.csv]", "[out/model]"))
    code, out, error = envbuild("dag")
    assert (code, out) == (1, "")
    assert "stages wait for each other" in error
