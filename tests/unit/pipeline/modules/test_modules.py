from __future__ import annotations

import copy
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from made_modules import MODULE, USE, places, resolved, write_module, write_project

from builder.errors import EnvbuildError
from builder.lock.integrity import StaleLockError
from builder.lock.modules import ModulesLock, PinnedModule, read_modules_lock, write_modules_lock
from builder.oci.store import Store
from builder.pipeline.modules.locking import check_modules_lock, make_modules_lock
from builder.pipeline.modules.source import Source
from builder.pipeline.world import make_world
from builder.spec.reader import SpecError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.create()
    return store


def use(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(USE), **changes}


def lock(loaded: Any, store: Store) -> ModulesLock:
    locked = make_modules_lock(loaded, places(loaded, store)).lock
    write_modules_lock(loaded.folder / "lock", locked)
    return locked


def problems(loaded: Any, store: Store) -> list[str]:
    with pytest.raises(SpecError) as caught:
        make_modules_lock(loaded, places(loaded, store))
    return [re.sub(r"^.*envbuild\.yaml:", "", str(problem)) for problem in caught.value.problems]


def test_a_use_becomes_a_stage_with_the_modules_code_and_paths(tmp_path: Path, store: Store) -> None:
    write_module(tmp_path / "p/modules/scale")
    loaded = write_project(tmp_path / "p", {"scale": use(env={"MORE": "2"}, owner="me")})
    lock(loaded, store)
    stage = resolved(loaded, store)["scale"]
    assert stage.arguments == ("python", "scale.py")
    assert [(port.name, port.path, port.target) for port in (*stage.inputs, *stage.outputs)] == [
        ("table", "data/raw.csv", "/app/in/table.csv"),
        ("scaled", "data/scaled.csv", "/app/result/table.csv"),
    ]
    assert stage.parameters == {"factor": 2, "method": "linear", "columns": ["a"]}
    assert sorted(stage.code.files) == ["scale.py", "shared.py"]
    assert stage.code.root == loaded.folder / "modules/scale"
    assert (stage.variables, stage.owner, stage.module) == ({"LEVEL": "1", "MORE": "2"}, "me", "modules/scale")


def test_data_are_where_the_module_expects_them(tmp_path: Path, store: Store) -> None:
    write_module(tmp_path / "p/modules/scale")
    stage = use(inputs={"table": "raw"})
    data = {"raw": {"url": "data/raw.csv", "sha256": "0" * 64}}
    loaded = write_project(tmp_path / "p", {"scale": stage}, data=data)
    (tmp_path / "p/data/raw.csv").unlink()
    lock(loaded, store)
    (port,) = resolved(loaded, store)["scale"].inputs
    assert (port.source, port.path, port.target) == ("data", "raw", "/app/in/table.csv")


def test_what_stages_and_module_do_not_agree_on_is_told_at_once_with_lines(tmp_path: Path, store: Store) -> None:
    write_module(tmp_path / "p/modules/scale")
    one = use(
        inputs={"tabel": "data/raw.csv"},
        outputs={"scaled": "data/scaled.csv", "more": "x"},
        params={"factor": -1, "method": "cubic", "columns": 3, "speed": 1},
        metrics=["m.json"],
    )
    other = use(params="params.yaml", outputs=["data/other.csv"])
    loaded = write_project(tmp_path / "p", {"one": one, "other": other})
    told = problems(loaded, store)
    assert [line.split(": ", 1)[1] for line in told if "`stages.one" in line] == [
        "`stages.one.inputs.tabel`: the module has no input `tabel` (did you mean `table`?)",
        "`stages.one.inputs`: the input `table` of the module is missing",
        "`stages.one.outputs.more`: the module has no output `more` (known are `figures`, `scaled`)",
        "`stages.one.params.factor`: -1 is less than 0",
        "`stages.one.params.method`: `cubic` is not one of `linear`, `log`",
        "`stages.one.params.columns`: `3` is not of the type `list`",
        "`stages.one.params.speed`: the module has no parameter `speed` (known are `columns`, `factor`, `method`)",
        "`stages.one.metrics`: a module itself says which of its outputs are metrics (map them in `outputs`)",
    ]
    assert len([line for line in told if "`stages.other" in line]) == 2
    lines = (tmp_path / "p/envbuild.yaml").read_text().splitlines()
    assert all(line.split(":")[0].isdigit() for line in told)
    assert lines[int(next(line for line in told if "tabel" in line).split(":")[0]) - 1] == "      tabel: data/raw.csv"


def test_a_changed_interface_fails_at_lock_and_says_what_changed_for_whom(tmp_path: Path, store: Store) -> None:
    write_module(tmp_path / "p/modules/scale")
    stages = {"keeps": use(), "breaks": use(outputs={"scaled": "data/b.csv"}, params={"columns": ["a"], "factor": 1.5})}
    loaded = write_project(tmp_path / "p", stages)
    lock(loaded, store)
    before = (tmp_path / "p/lock/modules.lock.json").read_bytes()
    changed = MODULE.replace("factor: {type: number", "factor: {type: integer")
    write_module(tmp_path / "p/modules/scale", changed)
    told = problems(loaded, store)
    assert [line.split(": ", 1)[1] for line in told] == [
        "`stages.breaks.uses`: the module is not as it was locked: parameter `factor`: type number → integer",
        "`stages.breaks.params.factor`: `1.5` is not of the type `integer`",
    ]
    with pytest.raises(StaleLockError, match=r"parameter `factor`: type number → integer"):
        check_modules_lock(loaded)
    with pytest.raises(SpecError, match=r"is not as it was locked: parameter `factor`: type number → integer"):
        resolved(loaded, store)
    assert (tmp_path / "p/lock/modules.lock.json").read_bytes() == before


def test_a_change_that_no_stage_breaks_by_is_locked_and_told(tmp_path: Path, store: Store) -> None:
    write_module(tmp_path / "p/modules/scale")
    loaded = write_project(tmp_path / "p", {"scale": use()})
    lock(loaded, store)
    write_module(tmp_path / "p/modules/scale", MODULE.replace("default: 2", "default: 3"))
    locked = make_modules_lock(loaded, places(loaded, store))
    assert locked.notes == (
        "the module `modules/scale` changed, and its stages keep to it: parameter `factor`: default 2 → 3",
    )
    assert resolved(loaded, store, locked.lock)["scale"].parameters["factor"] == 3


def test_changed_code_of_a_module_in_the_project_is_a_change_of_code(tmp_path: Path, store: Store) -> None:
    write_module(tmp_path / "p/modules/scale")
    loaded = write_project(tmp_path / "p", {"scale": use()})
    lock(loaded, store)
    before = resolved(loaded, store)["scale"].code.files
    (tmp_path / "p/modules/scale/shared.py").write_text("x = 1\n")
    check_modules_lock(loaded)
    after = resolved(loaded, store)["scale"].code.files
    assert {name for name in after if after[name] != before[name]} == {"shared.py"}


def test_without_a_lock_modules_are_not_taken(tmp_path: Path, store: Store) -> None:
    write_module(tmp_path / "p/modules/scale")
    loaded = write_project(tmp_path / "p", {"scale": use()})
    with pytest.raises(SpecError, match=r"the module is not in the lock \(Run `envbuild lock"):
        resolved(loaded, store)
    with pytest.raises(StaleLockError, match="`modules/scale` is not locked"):
        check_modules_lock(loaded)


def test_a_lock_that_no_stage_needs_any_more_is_stale_then_gone(tmp_path: Path, store: Store) -> None:
    write_module(tmp_path / "p/modules/scale")
    lock(write_project(tmp_path / "p", {"scale": use()}), store)
    loaded = write_project(tmp_path / "p", {"other": {"run": "true"}})
    with pytest.raises(StaleLockError, match="is used no more"):
        check_modules_lock(loaded)
    assert lock(loaded, store) == ModulesLock()
    assert not (tmp_path / "p/lock/modules.lock.json").exists()


def test_the_stages_environment_goes_before_the_modules_and_that_before_the_projects(
    tmp_path: Path, store: Store
) -> None:
    project = tmp_path / "p"
    for folder in ("modules/scale/env", "mine"):
        (project / folder).mkdir(parents=True)
        (project / folder / "environment.yaml").write_text('python: "3.11"\n')
    write_module(project / "modules/scale", MODULE + "environment: env\n")
    write_module(project / "modules/plain")
    stages = {
        "own": use(environment="mine"),
        "brought": use(outputs={"scaled": "b.csv"}),
        "plain": use(uses="modules/plain", outputs={"scaled": "c.csv"}),
    }
    loaded = write_project(project, stages)
    lock(loaded, store)
    found = {name: stage.environment.file.parent for name, stage in resolved(loaded, store).items()}
    assert found == {"own": project / "mine", "brought": project / "modules/scale/env", "plain": project}


def test_the_network_of_a_module_is_allowed_by_the_stage(tmp_path: Path, store: Store) -> None:
    write_module(tmp_path / "p/modules/scale", MODULE + "network: true\n")
    loaded = write_project(tmp_path / "p", {"scale": use()})
    assert problems(loaded, store)[0].endswith(
        "the module needs the network (allow it with `network: true`, if you trust the module)"
    )
    loaded = write_project(tmp_path / "p", {"scale": use(network=True)})
    lock(loaded, store)
    assert resolved(loaded, store)["scale"].network


def test_a_kind_that_the_module_does_not_read_is_told(tmp_path: Path, store: Store) -> None:
    write_module(tmp_path / "p/modules/scale")
    loaded = write_project(tmp_path / "p", {"scale": use(inputs={"table": "data"}, outputs={"scaled": "x.csv"})})
    assert "`data` is a folder, where the module reads a file" in problems(loaded, store)[0]


def contract(**column: Any) -> str:
    name = column.pop("name", "a")
    table = {"name": "t", "logicalType": "object", "properties": [{"name": name, "logicalType": "number", **column}]}
    return json.dumps(
        {
            "apiVersion": "v3.1.0",
            "kind": "DataContract",
            "id": f"of-{name}",
            "version": "1.0.0",
            "status": "active",
            "schema": [table],
        }
    )


@pytest.mark.parametrize(
    ("promised", "demanded", "told"),
    [
        pytest.param({"required": True}, {}, None, id="more-is-promised"),
        pytest.param({}, {"required": True}, "required", id="less-is-promised"),
        pytest.param({"name": "b"}, {}, "it has no column `t.a`", id="no-such-column"),
    ],
)
def test_a_contract_must_promise_what_the_module_demands(
    tmp_path: Path, store: Store, promised: dict[str, Any], demanded: dict[str, Any], told: str | None
) -> None:
    project = tmp_path / "p"
    demanding = MODULE.replace("path: in/table.csv,", "path: in/table.csv, contract: table.yaml,")
    (project / "modules/scale").mkdir(parents=True)
    (project / "modules/scale/table.yaml").write_text(contract(**demanded))
    (project / "raw.yaml").write_text(contract(**promised))
    write_module(project / "modules/scale", demanding)
    stages = {
        "make": {"run": "true", "outputs": ["made.csv"], "contracts": {"made.csv": "raw.yaml"}},
        "scale": use(inputs={"table": "made.csv"}),
    }
    loaded = write_project(project, stages)
    if told is None:
        lock(loaded, store)
    else:
        (line,) = problems(loaded, store)
        assert "does not promise what the module demands" in line
        assert told in line


HOSTILE = {
    "absolute": ("inputs: {a: {path: /etc/passwd}}", "is not a path inside the module"),
    "upwards": ("inputs: {a: {path: x/../../y}}", "is not a path inside the module"),
    "environment-outside": ("environment: ../env", "is not a folder inside the module"),
    "one-in-another": ("inputs: {a: {path: x}}\noutputs: {b: {path: x/y}}", "is, holds or is in `x`, its input `a`"),
    "unknown-key": ("secret: 1", "this key is not known"),
    "no-type": ("params: {p: {default: 1}}", "the key `type` is missing"),
    "default-of-another-type": ("params: {p: {type: integer, default: x}}", "`x` is not of the type `integer`"),
    "true-is-no-number": ("params: {p: {type: number, default: true}}", "`true` is not of the type `number`"),
    "limits-of-a-text": ("params: {p: {type: string, minimum: 1}}", "it is of numbers, not of the type `string`"),
    "default-beyond": ("params: {p: {type: number, default: 5, maximum: 4}}", "5 is more than 4"),
    "metrics-of-another-form": ("outputs: {m: {path: m.txt, metrics: true}}", "`m.txt` is no file of metrics"),
    "bomb": ("why: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]", "a single value is expected"),
    "deep": ("why: " + "[" * 3000, "nest"),
    "shell": ("why: x", None),
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_module_that_is_not_one_is_refused_with_its_line(tmp_path: Path, store: Store, name: str) -> None:
    text, told = HOSTILE[name]
    command = "a | b" if name == "shell" else "python scale.py"
    write_module(tmp_path / "p/modules/scale", f"name: scale\nrun: {command}\n{text}\n")
    loaded = write_project(tmp_path / "p", {"scale": {"uses": "modules/scale"}})
    (line,) = problems(loaded, store)
    assert re.search(r"modules/scale/module.yaml:\d+: ", line)
    assert (told or "there is no shell") in line


def test_links_out_of_a_module_are_refused(tmp_path: Path, store: Store) -> None:
    write_module(tmp_path / "elsewhere")
    project = tmp_path / "p"
    write_module(project / "modules/linked")
    (project / "modules/linked/module.yaml").unlink()
    os.symlink(tmp_path / "elsewhere/module.yaml", project / "modules/linked/module.yaml")
    os.symlink(tmp_path / "elsewhere", project / "modules/whole")
    stages = {
        "a": use(uses="modules/linked"),
        "b": use(uses="modules/whole", outputs={"scaled": "b"}),
        "c": use(uses="modules/none", outputs={"scaled": "c"}),
    }
    told = problems(write_project(project, stages), store)
    assert "module.yaml` is a link that leads out of the module" in told[0]
    assert "is a link that leads out of the project" in told[1]
    assert "there is no folder `modules/none`" in told[2]


@pytest.mark.parametrize(
    ("uses", "told"),
    [
        ("../elsewhere", "is not inside the project"),
        ("/abs", "is not inside the project"),
        ("ftp://host/x", "is no place of a module"),
        ("git+https://host/x@main", "is not pinned to a commit"),
        ("git+https://user:secret@host/x@" + COMMIT, "holds credentials"),
        ("git+https://host/x@" + COMMIT + "#../y", "is not inside it"),
        ("oci://host.example/x:1", "is not pinned to a digest"),
    ],
    ids=["up", "absolute", "scheme", "branch", "login", "folder-out", "tag"],
)
def test_places_that_move_or_lead_out_are_refused(uses: str, told: str) -> None:
    with pytest.raises(EnvbuildError, match=told) as caught:
        Source.parse(uses)
    assert "secret" not in str(caught.value)


def test_places_are_pinned_in_one_form() -> None:
    assert Source.parse("./modules//a/") == Source("path", "modules/a")
    git = Source.parse(f"git+https://host/x@{COMMIT}#subdirectory=a/b")
    assert (git.kind, git.pin) == ("git", f"git+https://host/x@{COMMIT}#a/b")
    digest = "sha256:" + "a" * 64
    assert Source.parse(f"oci://host.example/x:1@{digest}").pin == f"oci://host.example/x@{digest}"


def test_a_lock_changed_by_hand_or_not_one_is_refused(tmp_path: Path) -> None:
    lock = ModulesLock({"modules/a": PinnedModule({"inputs": {}, "outputs": {}, "params": {}})})
    write_modules_lock(tmp_path, lock)
    assert read_modules_lock(tmp_path) == lock
    file = tmp_path / "modules.lock.json"
    text = file.read_text()
    for wrong, told in (
        (text.replace('"inputs": {}', '"inputs": {"x": {}}'), "changed by hand"),
        (text.replace('"inputs": {}', '"inputs": []'), "not as it should be"),
        (text.replace('"params": {}', '"params": {"p": {"type": "number", "minimum": "x"}}'), "not as it should be"),
        (text.replace('"version": 1', '"version": 9'), "is of version 9"),
        ("<<<<<<< ours\n" + text, "merge conflict"),
        ("[]", "not one of envbuild"),
    ):
        assert wrong != text
        file.write_text(wrong)
        with pytest.raises(EnvbuildError, match=told):
            read_modules_lock(tmp_path)


def test_the_world_of_a_module_has_its_own_code_and_its_inputs_where_it_expects_them(
    tmp_path: Path, store: Store
) -> None:
    write_module(tmp_path / "p/modules/scale")
    loaded = write_project(tmp_path / "p", {"scale": use()})
    lock(loaded, store)
    stage = resolved(loaded, store)["scale"]
    (tmp_path / "world").mkdir()
    sources = {"/app/in/table.csv": loaded.folder / "data/raw.csv"}
    world = make_world(stage, tmp_path / "world", sources, own_group=False)
    found = {path.relative_to(world.code).as_posix() for path in world.code.rglob("*") if path.is_file()}
    assert found == {"scale.py", "shared.py", "in/table.csv"}
    assert world.place(stage.outputs[0]) == world.code / "result/table.csv"
