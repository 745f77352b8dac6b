from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_stages import file_content

from builder.history.content import Content
from builder.pipeline.key import key_of, key_parts, stage_key
from builder.pipeline.stage import Port, ResolvedStage, StageCode
from builder.spec import Environment, LoadedEnvironment
from builder.spec.stages import Resources

ENVIRONMENT = LoadedEnvironment(Environment("3.11"), "demo", Path("environment.yaml"))
STAGE = ResolvedStage(
    name="train",
    arguments=("python", "-m", "train"),
    inputs=(Port("raw", "raw", "/data/raw", "data"), Port("x.csv", "x.csv", "/app/x.csv")),
    outputs=(Port("model", "model", "/app/model"), Port("m.json", "m.json", "/app/m.json")),
    metrics=frozenset({"m.json"}),
    parameters={"rate": 0.1, "net": {"depth": 3}},
    parameter_files={"params.yaml": {"rate": 0.1, "net": {"depth": 3}}},
    seed=7,
    environment=ENVIRONMENT,
    environment_key="e" * 64,
    platform="linux/amd64",
    code=StageCode(Path("/project"), {"src/train.py": "1" * 64, "src/util.py": "2" * 64}, "imports"),
    variables={"A": "1", "B": "2"},
)
INPUTS = {"/data/raw": file_content("raw"), "/app/x.csv": file_content("x")}


def test_the_key_of_a_stage_is_pinned() -> None:
    """Whoever changes it makes all that teams have kept worthless, which `STAGE_FORMAT` is for."""
    assert stage_key(STAGE, INPUTS) == "0f2130b3722d4fcc280176d18935dcd9627909bfb3f142329799f0f7baf89ab2"


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_declarations_and_files_changes_no_key(shuffler: Any) -> None:
    def shuffled(values: Any) -> Any:
        items = list(values.items()) if isinstance(values, dict) else list(values)
        shuffler.shuffle(items)
        return dict(items) if isinstance(values, dict) else tuple(items)

    other = replace(
        STAGE,
        inputs=shuffled(STAGE.inputs),
        outputs=shuffled(STAGE.outputs),
        parameters=shuffled(dict(STAGE.parameters)),
        variables=shuffled(dict(STAGE.variables)),
        code=replace(STAGE.code, files=shuffled(dict(STAGE.code.files))),
    )
    assert stage_key(other, shuffled(INPUTS)) == stage_key(STAGE, INPUTS)


@pytest.mark.parametrize(
    "change",
    [
        {"arguments": ("python", "-m", "other")},
        {"parameters": {"rate": 0.2, "net": {"depth": 3}}},
        {"parameter_files": {"other.yaml": {"rate": 0.1, "net": {"depth": 3}}}},
        {"seed": None},
        {"environment_key": "f" * 64},
        {"platform": "linux/arm64"},
        {"variables": {"A": "2", "B": "2"}},
        {"network": True},
        {"outputs": STAGE.outputs[:1]},
        {"code": replace(STAGE.code, files={"src/train.py": "1" * 64})},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_a_stage_sees_is_in_its_key(change: dict[str, Any]) -> None:
    assert stage_key(replace(STAGE, **change), INPUTS) != stage_key(STAGE, INPUTS)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"owner": "ana"},
        {"why": "because"},
        {"resources": Resources(8.0, "2g", 1)},
        {"always": True},
        {"deterministic": True},
        {"tolerances": {"auc": 0.1}},
        {"metrics": frozenset()},
        {"module": "modules/train"},
        {"code": replace(STAGE.code, root=Path("/elsewhere"), found="declared")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_changes_no_output_is_not_in_the_key(change: dict[str, Any]) -> None:
    assert stage_key(replace(STAGE, **change), INPUTS) == stage_key(STAGE, INPUTS)


def test_a_file_and_a_folder_of_one_digest_are_two_inputs() -> None:
    as_folder = {**INPUTS, "/app/x.csv": Content("folder", INPUTS["/app/x.csv"].sha256, 1)}
    assert stage_key(STAGE, as_folder) != stage_key(STAGE, INPUTS)


def test_the_size_and_the_list_of_files_are_in_the_digest_already() -> None:
    brief = {target: Content(content.kind, content.sha256, 0) for target, content in INPUTS.items()}
    assert key_of(key_parts(STAGE, brief)) == stage_key(STAGE, INPUTS)
