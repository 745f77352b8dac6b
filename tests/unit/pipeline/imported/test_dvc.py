from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from builder.errors import EnvbuildError
from builder.pipeline.imported.dvc import import_dvc
from builder.pipeline.imported.result import Imported, stage_name
from builder.pipeline.imported.write import check_project, project_text


def imported(folder: Path, text: str, below: str = "", **files: str) -> Imported:
    place = folder / below
    place.mkdir(parents=True, exist_ok=True)
    (place / "dvc.yaml").write_text(text)
    for name, content in files.items():
        (place / name.replace("__", ".")).write_text(content)
    found = import_dvc(place / "dvc.yaml", folder)
    check_project(project_text(found, {"python": "3.11"}), folder / "envbuild.yaml")
    return found


def stage(folder: Path, text: str, below: str = "", **files: str) -> dict[str, Any]:
    (found,) = imported(folder, f"stages: {{s: {text}}}", below, **files).stages.values()
    return dict(found)


def notes(found: Imported) -> list[str]:
    return [str(note).rpartition("dvc.yaml:")[2] for note in found.notes]


def test_a_stage_keeps_its_command_inputs_outputs_and_parameters(tmp_path: Path) -> None:
    text = """
stages:
  train:
    desc: It learns.
    cmd: python src/train.py --fast
    deps: [src/train.py, data/clean, src/lib.py]
    params: [lr, train.depth, conf.json: [a, b], all.toml: ]
    outs:
      - model.pkl: {cache: false}
    metrics: [m.json, m.yaml]
    plots: [curve.csv: {x: step}]
    always_changed: true
"""
    found = imported(tmp_path, text)
    assert found.stages == {
        "train": {
            "run": "python src/train.py --fast",
            "inputs": ["data/clean", "src/lib.py"],
            "outputs": ["model.pkl", "m.yaml", "curve.csv"],
            "metrics": ["m.json"],
            "params": {"params.yaml": ["lr", "train.depth"], "conf.json": ["a", "b"], "all.toml": None},
            "always": True,
            "why": "It learns.",
        }
    }
    (told,) = notes(found)
    assert told == (
        "10: `stages.train.metrics[1]`: `m.yaml` is kept as an output, but no metrics are read of it (write one of "
        ".json, .jsonl, .csv)"
    )


@pytest.mark.parametrize(
    ("command", "run"),
    [
        ("python a.py 'x y'", "python a.py 'x y'"),
        ("python a.py > log", ["sh", "-c", "python a.py > log"]),
        ("SEED=1 python a.py", ["sh", "-c", "SEED=1 python a.py"]),
        ("cat *.txt", ["sh", "-c", "cat *.txt"]),
        (["a b", "c || d"], ["sh", "-c", "( a b ) && ( c || d )"]),
    ],
    ids=["plain", "redirected", "variable", "glob", "several"],
)
def test_what_needs_a_shell_gets_one(tmp_path: Path, command: Any, run: Any) -> None:
    assert stage(tmp_path, yaml.safe_dump({"cmd": command}, default_flow_style=True, width=999).strip())["run"] == run


def test_paths_are_of_the_project_wherever_the_stage_works(tmp_path: Path) -> None:
    found = stage(tmp_path, "{cmd: make, wdir: w, deps: [in, ../up], outs: [out], params: [a]}", below="sub dir")
    assert found == {
        "run": ["sh", "-c", "cd 'sub dir/w' && make"],
        "inputs": ["sub dir/w/in", "sub dir/up"],
        "outputs": ["sub dir/w/out"],
        "params": {"sub dir/w/params.yaml": ["a"]},
    }


def test_values_are_written_into_commands_and_paths(tmp_path: Path) -> None:
    text = r"""
vars: [{opts: {depth: 3, fast: true, slow: false, files: [a, b]}}, "more.json:name"]
stages:
  s:
    vars: [{own: {n: 1}}]
    cmd: go ${opts} --lr ${lr} ${own.n} ${list[1]} \${HOME}
    outs: ["${name}.bin"]
"""
    found = imported(tmp_path, text, params__yaml="lr: 0.1\nlist: [x, y]", more__json='{"name": "model", "other": 1}')
    assert found.stages["s"]["run"] == ["sh", "-c", "go --depth 3 --fast --files a b --lr 0.1 1 y ${HOME}"]
    assert found.stages["s"]["outputs"] == ["model.bin"]
    assert "values of `${…}` were written into the command" in notes(found)[0]


def test_loops_are_a_stage_each(tmp_path: Path) -> None:
    text = """
stages:
  scalar: {foreach: [US, eu_1], do: {cmd: "a ${item}"}}
  listed: {foreach: [{x: 1}, {x: 2}], do: {cmd: "a ${item.x} ${key}"}}
  keyed: {foreach: "${regions}", do: {cmd: "a ${item.z} ${key}"}}
  grid: {matrix: {a: [1, 2], b: [x, {y: 3}]}, cmd: "a ${item.a} ${key}"}
"""
    found = imported(tmp_path, text, params__yaml="regions: {n: {z: 8}, s: {z: 9}}")
    assert {name: one["run"] for name, one in found.stages.items()} == {
        "scalar-us": "a US",
        "scalar-eu_1": "a eu_1",
        "listed-0": "a 1 0",
        "listed-1": "a 2 1",
        "keyed-n": "a 8 n",
        "keyed-s": "a 9 s",
        "grid-1-x": "a 1 1-x",
        "grid-1-b1": "a 1 1-b1",
        "grid-2-x": "a 2 2-x",
        "grid-2-b1": "a 2 2-b1",
    }


def test_nothing_is_dropped_without_a_word(tmp_path: Path) -> None:
    text = """
metrics: [m.json]
plots: [p.csv]
artifacts: {m: {path: x}}
zzz: 1
stages:
  a:
    cmd: python a.py
    deps: [https://host/x, ../outside, raw.csv, ok.txt]
    outs: [{keep: {persist: true}}, {far: {remote: r, push: false}}, /abs]
    params: [conf.py: [A]]
    meta: {who: me}
  frozen: {cmd: x, frozen: true, outs: [f]}
  empty: {deps: [ok.txt]}
  broken: {cmd: "x ${nothing.here}"}
  listed: [1]
"""
    found = imported(tmp_path, text, raw__csv__dvc="outs: []", dvc__lock="schema: '2.0'")
    assert found.stages == {
        "a": {
            "run": "python a.py",
            "inputs": ["raw.csv", "ok.txt", "conf.py"],
            "outputs": ["keep", "far"],
        }
    }
    keys = [line.split("`")[1] for line in notes(found)]
    assert keys == [
        "metrics",
        "plots",
        "artifacts",
        "zzz",
        "stages",
        "stages.a.deps[0]",
        "stages.a.deps[1]",
        "stages.a.deps[2]",
        "stages.a.outs[0]",
        "stages.a.outs[1]",
        "stages.a.outs[1]",
        "stages.a.outs[2]",
        "stages.a.params[0]",
        "stages.a.meta",
        "stages.frozen.frozen",
        "stages.empty.cmd",
        "stages.broken",
        "stages.broken.cmd",
        "stages.listed",
    ]


def test_anchors_and_merges_are_carried_out(tmp_path: Path) -> None:
    text = "base: &base {deps: [a], cmd: x}\nstages: {s: {<<: *base, cmd: y}}"
    assert imported(tmp_path, text).stages == {"s": {"run": "y", "inputs": ["a"]}}


_TENFOLD = "{0}: &{0} [*{1},*{1},*{1},*{1},*{1},*{1},*{1},*{1},*{1},*{1}]\n"
BOMB = "a: &a [1,1,1]\n" + "".join(_TENFOLD.format(*pair) for pair in ("ba", "cb", "dc", "ed", "fe", "gf"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("stages: [", "this is not YAML"),
        ("[]", "is no mapping"),
        ("stages: 3", "its `stages` is no mapping"),
        ("", "it is empty"),
        ("stages: " + "[" * 5000, "nest"),
        (BOMB, "repeats too much"),
        ("stages: {s: {foreach: [" + "1," * 10_001 + "], do: {cmd: 'x ${key}'}}}", "more than 10000 stages"),
    ],
    ids=["no-yaml", "list", "number", "empty", "deep", "bomb", "many"],
)  # fmt: skip
def test_what_is_no_dvc_yaml_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(EnvbuildError, match=told):
        imported(tmp_path, text)


def test_variables_outside_of_the_project_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("password: hunter2")
    (tmp_path / "p").mkdir()
    (tmp_path / "p/link.yaml").symlink_to("../secret.yaml")
    found = imported(tmp_path / "p", "vars: [../secret.yaml, link.yaml]\nstages: {s: {cmd: 'x ${password}'}}")
    assert found.stages == {}
    assert "hunter2" not in str(found.notes)
    assert len([line for line in notes(found) if "are not read" in line]) == 2


def test_a_dvc_yaml_outside_of_the_project_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a/dvc.yaml").write_text("stages: {s: {cmd: x}}")
    with pytest.raises(EnvbuildError, match="is not in the project"):
        import_dvc(tmp_path / "a/dvc.yaml", tmp_path / "b")


def test_control_characters_of_a_foreign_file_are_not_printed(tmp_path: Path) -> None:
    found = imported(tmp_path, 'stages: {"a\\u001b[31m": [1]}')
    assert "\x1b" not in notes(found)[0]


def test_names_are_made_fit_and_stay_apart() -> None:
    assert stage_name("Train@US--1.x", ()) == "train-us-1.x"
    assert stage_name("a@b", {"a-b", "a-b-2"}) == "a-b-3"
    assert stage_name("@@", ()) == "stage"
