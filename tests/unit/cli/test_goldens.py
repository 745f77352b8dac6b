"""The whole output of commands that cannot go on, as text files. ENVBUILD_REWRITE_GOLDENS=1 writes them anew."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

GOLDEN = Path(__file__).parent / "golden"
REWRITE = os.environ.get("ENVBUILD_REWRITE_GOLDENS") == "1"
SHA = "0" * 64
MINIMAL = 'python: "3.11"\n'

SPECS = {
    "environment-many-problems": """\
pyhton: "3.11"
platforms: [linux/amd64, linux/amd46]
base: {suite: bullseye}
debian: [Libgomp1, ~]
debian: []
pypi:
  requirements:
    - pandas >
    - torch @ https://example.com/torch.whl
  exclude-newer: 2026-11-01
  index: https://example.com
""",
    "environment-empty": "",
    "environment-list": "- python\n",
    "environment-not-yaml": 'python: "3.11\n',
    "environment-control-characters": 'python: "3.11\\e[31m"\n"\\e]0;title\\a": 1\n',
    "environment-too-deep": "[" * 10_000,
    "environment-null": "python:\npypi: ~\n",
    "project-many-problems": f"""\
name: Churn Model
environment: ../nowhere
code: [/etc/passwd, src/../../x, ~]
model: {{path: out/model, card: NONE.md}}
data:
  train:
    url: https://user:hunter2@example.com/train.csv
    sha256: {SHA}
  test: {{url: ftp://bucket/test.csv, sha256: abc, size: 1kB}}
commands:
  train: {{run: "python 'train.py", inputs: [trian], seed: x, params: params.yaml}}
  serve: {{run: [], ready: readyz, port: 99999, env: {{1A: b}}}}
""",
}


def compare(name: str, code: int, out: str, error: str) -> None:
    text = f"exit code {code}\n--- standard output\n{out}--- standard error\n{error}"
    path = GOLDEN / f"{name}.txt"
    if REWRITE:
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")


@pytest.mark.parametrize("name", SPECS)
def test_a_wrong_spec_gives_this_output(name: str, envbuild: Any, work: Path) -> None:
    file = "envbuild.yaml" if name.startswith("project") else "environment.yaml"
    (work / file).write_text(SPECS[name], "utf-8")
    code, out, error = envbuild("lock", "--check")
    assert (code, out) == (1, "")
    assert "hunter2" not in error
    compare(name, code, out, error)


def _no_spec(work: Path) -> list[str]:
    return ["lock"]


def _no_folder(work: Path) -> list[str]:
    return ["build", "nothing"]


def _no_lock(work: Path) -> list[str]:
    (work / "environment.yaml").write_text(MINIMAL)
    return ["build"]


def _stale(work: Path) -> list[str]:
    path = work / "env/environment.yaml"
    path.write_text(path.read_text().replace("- pandas\n", "- polars\n").replace('"3.11"', '"3.12"'))
    return ["lock", "--check", "env"]


def _tampered(work: Path) -> list[str]:
    path = work / "env/lock/pylock.linux-arm64.toml"
    path.write_text(path.read_text() + "\n")
    return ["lock", "--check", "env"]


def _missing_sibling(work: Path) -> list[str]:
    (work / "env/lock/pylock.linux-arm64.toml").unlink()
    return ["lock", "--check", "env"]


def _newer(work: Path) -> list[str]:
    path = work / "env/lock/envbuild.lock.json"
    path.write_text(path.read_text().replace('\n  "version": 2\n', '\n  "version": 9\n'))
    return ["lock", "--check", "env"]


def _edited(work: Path) -> list[str]:
    path = work / "env/lock/envbuild.lock.json"
    path.write_text(path.read_text().replace('"pandas"', '"polars"'))
    return ["lock", "--check", "env"]


def _conflict(work: Path) -> list[str]:
    path = work / "env/lock/envbuild.lock.json"
    path.write_text("<<<<<<< ours\n" + path.read_text())
    return ["lock", "--check", "env"]


def _platform(work: Path) -> list[str]:
    return ["build", "env", "--platform", "linux/riscv64", "--dry-run"]


def _bad_platform(work: Path) -> list[str]:
    return ["build", "env", "--platform", "amd64", "--dry-run"]


def _no_bundle(work: Path) -> list[str]:
    return ["verify", "nothing.tar"]


def _not_a_bundle(work: Path) -> list[str]:
    (work / "x.tar").write_bytes(b"hello" * 1000)
    return ["inspect", "x.tar"]


def _not_a_project(work: Path) -> list[str]:
    return ["bundle", "env"]


def _unknown_command(work: Path) -> list[str]:
    return ["lokc"]


CASES = [
    _no_spec, _no_folder, _no_lock, _stale, _tampered, _missing_sibling, _newer, _edited, _conflict, _platform,
    _bad_platform, _no_bundle, _not_a_bundle, _not_a_project, _unknown_command,
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__.strip("_"))
def test_a_state_that_is_wrong_gives_this_output(case: Any, envbuild: Any, work: Path, locked: Path) -> None:
    code, out, error = envbuild(*case(work))
    assert code in (1, 2)
    compare(case.__name__.strip("_").replace("_", "-"), code, out, error)


def test_there_is_no_golden_that_nothing_makes() -> None:
    expected = {*SPECS, *(case.__name__.strip("_").replace("_", "-") for case in CASES)}
    assert {path.stem for path in GOLDEN.iterdir()} == expected
