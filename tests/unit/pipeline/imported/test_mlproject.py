from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from builder.errors import EnvbuildError
from builder.pipeline.imported.mlproject import import_mlproject
from builder.pipeline.imported.result import Imported
from builder.pipeline.imported.write import check_project, project_text

PROJECT = """
name: wine
{environment}
entry_points:
  main:
    parameters:
      alpha: {{type: float, default: 0.5}}
      data-file: path
      steps: {{type: string, default: all}}
    command: "python train.py {{alpha}} --data {{data-file}} {{other}}"
  Validate Model:
    command: python validate.py
"""


def imported(folder: Path, environment: str = "", **files: str) -> Imported:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    (folder / "MLproject").write_text(PROJECT.format(environment=environment))
    return import_mlproject(folder / "MLproject", folder)


def test_entry_points_become_stages_whose_parameters_are_in_files(tmp_path: Path) -> None:
    found = imported(tmp_path)
    assert found.stages == {
        "main": {
            "run": [
                "sh",
                "-c",
                'python train.py "$ENVBUILD_PARAM_ALPHA" --data "$ENVBUILD_PARAM_DATA_FILE" {other}',
            ],
            "params": "params/main.yaml",
        },
        "validate-model": {"run": "python validate.py"},
    }
    assert yaml.safe_load(found.files["params/main.yaml"]) == {"alpha": 0.5, "data-file": "", "steps": "all"}
    told = " ".join(map(str, found.notes))
    for part in (
        "has no default, so it is empty",
        "`{other}` is no parameter",
        "names what is read",
        "is said nowhere",
    ):
        assert part in told


@pytest.mark.parametrize(
    ("environment", "files", "expected", "told"),
    [
        (
            "python_env: python_env.yaml",
            {"python_env__yaml": "python: '3.10.8'\ndependencies: [-r requirements.txt, 'numpy>=1', --pre]"},
            {"python": "3.10", "pypi": {"file": "requirements.txt", "requirements": ["numpy>=1"]}},
            "`--pre` of its dependencies is not taken",
        ),
        ("conda_env: conda.yaml", {"conda__yaml": "name: x"}, {"conda": {"file": "conda.yaml"}}, ""),
        ("docker_env: {image: python, volumes: [a]}", {}, {"base": {"image": "python"}}, "docker_env.volumes"),
        ("python_env: ../x.yaml", {}, None, "it is outside of the project"),
        ("", {}, None, ""),
    ],
    ids=["python", "conda", "docker", "outside", "none"],
)
def test_the_environment_is_taken(
    tmp_path: Path, environment: str, files: dict[str, str], expected: object, told: str
) -> None:
    found = imported(tmp_path, environment, **files)
    assert found.environment == expected
    assert told in " ".join(map(str, found.notes))
    if expected:
        (tmp_path / "requirements.txt").touch()
        for name, data in found.files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(data)
        check_project(project_text(found, expected), tmp_path / "envbuild.yaml")


@pytest.mark.parametrize("text", ["[]", "entry_points: [1]", "entry_points: {a: &a [*a]}"])
def test_what_is_no_mlproject_is_refused_or_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "MLproject").write_text(text)
    with pytest.raises(EnvbuildError):
        import_mlproject(tmp_path / "MLproject", tmp_path)
