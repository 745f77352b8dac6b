from __future__ import annotations

from typing import Any

import pytest
from made_stages import file_content

from builder.history.content import Content
from builder.pipeline.changes import differences, missing_or_changed

PARTS: dict[str, Any] = {
    "format": 1,
    "arguments": ["python", "-m", "train"],
    "inputs": {
        "/app/data/raw.csv": {"kind": "file", "sha256": "a" * 64},
        "/data/visits": {"kind": "folder", "sha256": "b" * 64},
    },
    "outputs": ["/app/out/x"],
    "code": {"src/a.py": "1" * 64, "src/c.py": "3" * 64},
    "parameters": {"train": {"rate": 0.1, "layers": [1, 2]}, "on": True},
    "parameter-files": {"params.yaml": "c" * 64},
    "seed": 7,
    "environment": "e" * 64,
    "platform": "linux/amd64",
    "variables": {"A": "1"},
    "network": False,
}


def _told(found: str = "declared", **changes: Any) -> list[str]:
    return list(differences(PARTS, {**PARTS, **changes}, found, {"/app/data/raw.csv": "data/raw.csv"}))


def test_nothing_changed_says_nothing() -> None:
    assert _told() == []


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        (
            {"inputs": {**PARTS["inputs"], "/app/data/raw.csv": {"kind": "file", "sha256": "c" * 64}}},
            ["input data/raw.csv changed (sha256 aaaaaaaa… → cccccccc…)"],
        ),
        (
            {"inputs": {**PARTS["inputs"], "/data/visits": {"kind": "file", "sha256": "b" * 64}}},
            ["input visits changed (from a folder to a file)"],
        ),
        (
            {"inputs": {"/app/new.csv": {"kind": "file", "sha256": "c" * 64}}},
            ["input data/raw.csv is gone", "input new.csv is new", "input visits is gone"],
        ),
        ({"arguments": ["python"]}, ["command"]),
        ({"code": {**PARTS["code"], "src/a.py": "9" * 64}}, ["code src/a.py changed"]),
        ({"code": {"src/a.py": "1" * 64, "src/b.py": "2" * 64}}, ["code src/b.py is new", "code src/c.py is gone"]),
        ({"parameters": {"train": {"rate": 0.2, "layers": [1, 2]}, "on": True}}, ["params train.rate 0.1 → 0.2"]),
        ({"parameters": {**PARTS["parameters"], "on": 1}}, ["params on true → 1"]),
        ({"parameters": {"train": {"layers": [1, 2]}, "new": "x"}},
         ["params new is new: x", "params on is gone", "params train.rate is gone"]),
        ({"parameter-files": {"other.yaml": "c" * 64}}, ["params are in other files"]),
        ({"seed": None}, ["seed 7 → none"]),
        ({"environment": "f" * 64}, ["environment changed"]),
        ({"environment": "f" * 64, "platform": "linux/arm64"}, ["platform linux/amd64 → linux/arm64"]),
        ({"variables": {"A": "secret", "B": "2"}}, ["variable A changed", "variable B is new"]),
        ({"network": True}, ["network is open"]),
        ({"outputs": ["/app/out/y"]}, ["output out/y is new", "output out/x is no longer declared"]),
        ({"format": 2}, ["this envbuild runs stages in another way"]),
    ],
    ids=[
        "input", "kind", "inputs", "command", "code", "code-files", "param", "param-type", "params", "param-files",
        "seed", "environment", "platform", "variables", "network", "outputs", "format",
    ],
)  # fmt: skip
def test_each_change_is_told_in_words(changes: dict[str, Any], reasons: list[str]) -> None:
    assert _told(**changes) == reasons


def test_who_chose_the_code_is_told_where_files_come_and_go() -> None:
    code = {"src/a.py": "9" * 64, "src/b.py": "2" * 64}
    assert _told("imports", code=code) == [
        "code src/a.py changed",
        "code found by imports: src/b.py is new",
        "code found by imports: src/c.py is gone",
    ]


def test_a_long_value_is_cut() -> None:
    (told,) = _told(parameters={**PARTS["parameters"], "on": "x" * 5000})
    assert len(told) < 100


def test_outputs_are_missing_or_changed_by_hand() -> None:
    made = {"out/x": file_content("x"), "out/y": file_content("y"), "out/z": file_content("z")}
    found: dict[str, Content | None] = {"out/x": file_content("x"), "out/y": file_content("other"), "out/z": None}
    assert list(missing_or_changed(made, found)) == [
        "output out/y is not what was made last",
        "output out/z is missing",
    ]
