"""What a stage sees: copies of its code and parameters, variables, mounts."""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from pathlib import Path

import pytest
import yaml

from builder.errors import EnvbuildError
from builder.pipeline.stage import Port, ResolvedStage, StageCode
from builder.pipeline.world import make_world, parameter_bytes, stage_variables
from builder.spec.environment import Environment
from builder.spec.load import LoadedEnvironment

VALUES = {"train": {"rate": 0.5, "names": ["a", "ä"], "on": True}}


def stage(root: Path, *paths: str, **more: object) -> ResolvedStage:
    files = {path: hashlib.sha256((root / path).read_bytes()).hexdigest() for path in paths}
    environment = LoadedEnvironment(Environment(python="3.11"), "env", root / "envbuild.yaml")
    given = {
        "inputs": (),
        "outputs": (Port("made/by/it", "made/by/it", "/app/made/by/it"),),
        "parameters": VALUES,
        "parameter_files": {"params.json": VALUES},
        "seed": 7,
        **more,
    }
    return ResolvedStage(
        "train", ("python", "x.py"), metrics=frozenset(), environment=environment, environment_key="k",
        platform="linux/amd64", code=StageCode(root, files, "declared"), **given,
    )  # fmt: skip


def test_files_of_parameters_hold_the_declared_values_in_their_own_format():
    assert json.loads(parameter_bytes("a.json", VALUES)) == VALUES
    assert yaml.safe_load(parameter_bytes("a.yaml", VALUES)) == VALUES
    assert tomllib.loads(parameter_bytes("a.toml", VALUES).decode()) == VALUES


def test_variables_are_those_of_commands(tmp_path):
    told = stage_variables(stage(tmp_path, inputs=(Port("raw-data", "raw-data", "/data/raw-data", "data"),)))
    assert told == {
        "PYTHONPATH": "/app:/run/envbuild/python",
        "ENVBUILD_COMMAND": "train",
        "ENVBUILD_PARAMS": "/run/envbuild/parameters.json",
        "ENVBUILD_OUT": "/out",
        "ENVBUILD_METRICS": "/run/envbuild/metrics.jsonl",
        "ENVBUILD_PARAM_TRAIN_RATE": "0.5",
        "ENVBUILD_PARAM_TRAIN_NAMES": '["a", "\\u00e4"]',
        "ENVBUILD_PARAM_TRAIN_ON": "true",
        "ENVBUILD_DATA_RAW_DATA": "/data/raw-data",
        "ENVBUILD_SEED": "7",
        "PYTHONHASHSEED": "7",
    }


def test_a_world_has_the_code_the_parameters_and_places_for_outputs(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/x.py").write_text("1")
    (tmp_path / "run.sh").write_text("2")
    (tmp_path / "run.sh").chmod(0o755)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    given = tmp_path / "given"
    given.mkdir()
    one = stage(tmp_path, "src/x.py", "run.sh", inputs=(Port("given", "given", "/app/given"),))
    world = make_world(one, scratch, {"/app/given": given}, own_group=False)
    found = sorted(str(path.relative_to(world.code)) for path in world.code.rglob("*"))
    assert found == ["given", "made", "made/by", "out", "params.json", "run.sh", "src", "src/x.py"]
    assert os.access(world.code / "run.sh", os.X_OK)
    assert world.result() == {}


def test_code_that_is_not_what_its_key_says_is_refused(tmp_path):
    (tmp_path / "x.py").write_text("1")
    one = stage(tmp_path, "x.py")
    (tmp_path / "x.py").write_text("2")
    (tmp_path / "scratch").mkdir()
    with pytest.raises(EnvbuildError, match="changed while it was read"):
        make_world(one, tmp_path / "scratch", {}, own_group=False)


def test_what_stands_in_the_way_of_another_is_told(tmp_path):
    (tmp_path / "made").write_text("a file of the code, below which an output is")
    one = stage(tmp_path, "made")
    (tmp_path / "scratch").mkdir()
    with pytest.raises(EnvbuildError, match="do not fit into one folder") as failure:
        make_world(one, tmp_path / "scratch", {}, own_group=False)
    assert failure.value.why == ("something else is in the way of `made/by`",)


@pytest.mark.parametrize("left", ["pipe", "link", "deep"])
def test_what_a_stage_leaves_in_the_place_of_its_result_is_none(tmp_path: Path, left: str) -> None:
    (tmp_path / "world").mkdir()
    (tmp_path / "x.py").touch()
    world = make_world(stage(tmp_path, "x.py"), tmp_path / "world", {}, own_group=True)
    (tmp_path / "secret").write_text('{"signal": "secret"}')
    place = world.control / "result.json"
    if left == "pipe":
        os.mkfifo(place)
    elif left == "link":
        place.symlink_to(tmp_path / "secret")
    else:
        place.write_text("[" * 50_000)
    assert world.result() == {}


def test_an_output_behind_a_link_of_the_stage_is_not_reached(tmp_path: Path) -> None:
    (tmp_path / "world").mkdir()
    (tmp_path / "x.py").touch()
    made = stage(tmp_path, "x.py")
    world = make_world(made, tmp_path / "world", {}, own_group=True)
    (port,) = made.outputs
    assert world.is_reached(port)
    (world.code / "made/by").rmdir()
    (world.code / "made/by").symlink_to(tmp_path)
    (tmp_path / "it").write_text("of this machine")
    assert not world.is_reached(port)
