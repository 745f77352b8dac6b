"""`lock` of projects that use modules, and `import`, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from made_locks import made_deb, made_wheel, write_made_environment
from made_modules import MODULE, USE, write_module, write_project

Envbuild = Callable[..., tuple[int, str, str]]


@pytest.fixture
def project(work: Path) -> Path:
    write_made_environment(work / "environments/a", ["pandas"], [made_wheel("pandas")], [made_deb("libc6")])
    write_module(work / "modules/scale")
    write_project(work, {"scale": USE}, environment="environments/a")
    return work


def test_lock_pins_modules_and_check_refuses_what_is_not_pinned(project: Path, envbuild: Envbuild) -> None:
    code, _, error = envbuild("lock", "--check")
    assert code == 1
    assert "`modules/scale` is not locked" in error
    code, _, error = envbuild("lock")
    assert (code, "modules: 1 module" in error) == (0, True)
    code, out, _ = envbuild("lock", "--check", "--json")
    assert (code, json.loads(out)["modules"]) == (0, {"current": True, "changed": False, "entries": 1})
    code, out, _ = envbuild("dag")
    assert (code, "scale" in out) == (0, True)
    code, out, _ = envbuild("status", "--json")
    assert (code, json.loads(out)["stages"][0]["reasons"]) == (3, ["never run"])


def test_a_changed_interface_fails_at_lock_and_leaves_the_lock(project: Path, envbuild: Envbuild) -> None:
    envbuild("lock")
    before = (project / "lock/modules.lock.json").read_bytes()
    write_module(project / "modules/scale", MODULE.replace("  table:", "  rows:"))
    for command in (("lock",), ("lock", "--check"), ("status",), ("dag",)):
        code, _, error = envbuild(*command)
        assert (code, "input `rows` is new, and required" in error) == (1, True), command
    assert "envbuild.yaml:" in envbuild("lock")[2]
    code, out, _ = envbuild("lock", "--all", "--check")
    assert (code, "(modules)" in out, (project / "lock/modules.lock.json").read_bytes() == before) == (1, True, True)


def test_import_writes_a_project_once(work: Path, envbuild: Envbuild) -> None:
    (work / "requirements.txt").write_text("pandas\n")
    (work / "dvc.yaml").write_text("stages: {a: {cmd: python a.py, outs: [x: {persist: true}]}}")
    code, out, error = envbuild("import", "dvc.yaml", "--dry-run")
    assert (code, yaml.safe_load(out)) == (0, {"stages": {"a": {"run": "python a.py", "outputs": ["x"]}}})
    assert "dvc.yaml:1: `stages.a.outs[0]`: `persist` of `x` is not taken" in error
    assert not (work / "envbuild.yaml").exists()
    code, out, _ = envbuild("import", "dvc.yaml")
    assert (code, out) == (0, "envbuild.yaml\n")
    written = (work / "envbuild.yaml").read_text()
    assert yaml.safe_load(written)["environment"] == {"python": "3.11", "pypi": {"file": "requirements.txt"}}
    code, out, error = envbuild("import", "dvc.yaml")
    assert (code, "has stages already" in error, "python a.py" in out) == (1, True, True)
    assert (work / "envbuild.yaml").read_text() == written
    assert envbuild("import", "dvc.yaml", "--force", "--json")[0] == 0


def test_an_environment_that_import_writes_has_the_shell_that_stages_need(work: Path, envbuild: Envbuild) -> None:
    (work / "dvc.yaml").write_text("stages: {a: {cmd: 'cat x | sort > y', outs: [y]}}")
    assert envbuild("import", "dvc.yaml")[0] == 0
    assert yaml.safe_load((work / "envbuild.yaml").read_text())["environment"]["debian"] == ["dash"]
    (work / "env").mkdir()
    (work / "env/environment.yaml").write_text("python: '3.11'\n")
    code, _, error = envbuild("import", "dvc.yaml", "--force", "--environment", "env")
    assert code == 0, error
    assert "`debian: [dash]`" in error
    (work / "dvc.yaml").write_text("stages: {a: {cmd: python x.py, outs: [y]}}")
    assert "shell" not in envbuild("import", "dvc.yaml", "--force", "--environment", "env")[2]


def test_import_adds_to_a_document_without_changing_a_word_of_it(work: Path, envbuild: Envbuild) -> None:
    (work / "dvc.yaml").write_text("stages: {a: {cmd: python a.py}}")
    before = "# ours\nenvironment: {python: '3.11'}   # kept\n"
    (work / "envbuild.yaml").write_text(before)
    code, _, _ = envbuild("import", "dvc.yaml")
    assert (code, (work / "envbuild.yaml").read_text().startswith(before)) == (0, True)


def test_import_writes_the_parameters_of_an_mlproject_and_replaces_none(work: Path, envbuild: Envbuild) -> None:
    (work / "MLproject").write_text("entry_points: {main: {command: 'x {a}', parameters: {a: {default: 1}}}}")
    (work / "params").mkdir()
    (work / "params/main.yaml").write_text("a: 2\n")
    code, _, error = envbuild("import", "MLproject")
    assert (code, (work / "envbuild.yaml").exists(), "is there" in error) == (1, False, True)
    (work / "params/main.yaml").unlink()
    assert envbuild("import", "MLproject")[0] == 0
    assert yaml.safe_load((work / "params/main.yaml").read_text()) == {"a": 1}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("Makefile", "", "is neither a `dvc.yaml` nor an `MLproject`"),
        ("dvc.yaml", "stages: [", "this is not YAML"),
        ("dvc.yaml", "stages: {a: {cmd: 'x', outs: [lock/x, ../y]}}", None),
    ],
    ids=["another", "no-yaml", "out-of-the-project"],
)
def test_what_cannot_be_imported_is_told(
    work: Path, envbuild: Envbuild, name: str, text: str, told: str | None
) -> None:
    (work / name).write_text(text)
    code, _, error = envbuild("import", name)
    assert (code, (told or "`../y` is left out as an output: it is outside of the project") in error) == (
        (1, True) if told else (0, True)
    )
