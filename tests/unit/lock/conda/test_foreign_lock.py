from __future__ import annotations

from typing import Any

import pytest
import yaml

from builder.lock.conda.foreign_lock import read_foreign_lock
from builder.lock.interface import CondaPin, Pin

MD5, SHA256 = "a" * 32, "b" * 64
URL = "https://conda.anaconda.org/conda-forge"
PYPI = "https://files.pythonhosted.org/packages/aa/bb/idna-3.4-py3-none-any.whl"


def entry(name: str = "numpy", **more: Any) -> dict[str, Any]:
    usual = {
        "name": name, "version": "1.0", "manager": "conda", "platform": "linux-64",
        "dependencies": {"python": ">=3.11"}, "url": f"{URL}/linux-64/{name}-1.0-0.conda",
        "hash": {"md5": MD5, "sha256": SHA256}, "category": "main", "optional": False,
    }  # fmt: skip
    return {**usual, **more}


def document(*entries: Any, **more: Any) -> str:
    metadata = {
        "content_hash": {"linux-64": "x"}, "channels": [{"url": "conda-forge", "used_env_vars": []}],
        "platforms": ["linux-64"], "sources": ["environment.yml"],
    }  # fmt: skip
    return yaml.safe_dump({"version": 1, "metadata": metadata, "package": list(entries), **more}, sort_keys=False)


def read(text: str, subdir: str = "linux-64") -> tuple[Any, list[tuple[int, str, str | None]]]:
    problems: list[tuple[int, str, str | None]] = []

    def report(*problem: Any) -> None:
        problems.append(problem)

    lock = read_foreign_lock(text, report)
    found = lock.packages(subdir, lambda line: f"x:{line}", report) if lock and lock.platforms else None
    return found, problems


def test_packages_of_every_category_are_taken_once_each() -> None:
    wheel = entry("Idna", version="3.4", manager="pip", url=PYPI, hash={"sha256": SHA256}, dependencies={})
    own = entry("own", manager="pip", url="https://u:p@host/own-1.0-py3-none-any.whl", hash={"sha256": SHA256})
    token = f"{URL.replace('org/', 'org/t/<TOKEN>/')}/linux-64/numpy-1.0-0.conda"
    text = document(
        entry(url=token), entry("tool", category="dev", optional=True), entry("numpy", category="dev", optional=True),
        entry("__glibc", url="x"), wheel, own,
    )  # fmt: skip
    (conda, wheels), problems = read(text)
    assert not problems
    assert conda == (
        CondaPin(f"{URL}/linux-64/numpy-1.0-0.conda", MD5, SHA256, "x:13"),
        CondaPin(f"{URL}/linux-64/tool-1.0-0.conda", MD5, SHA256, "x:25"),
    )
    assert wheels == (
        Pin("idna", "3.4", frozenset({SHA256}), None, None, "x:61"),
        Pin("own", "1.0", frozenset({SHA256}), None, "https://host/own-1.0-py3-none-any.whl", "x:71"),
    )


def test_version_2_is_taken_too() -> None:
    new = {key: value for key, value in entry().items() if key not in ("category", "optional")}
    (conda, _), problems = read(document({**new, "categories": ["main", "dev"]}, version=2))
    assert not problems
    assert [pin.url for pin in conda] == [f"{URL}/linux-64/numpy-1.0-0.conda"]


def test_a_lock_of_an_old_conda_lock_is_told_as_such() -> None:
    old = {key: value for key, value in entry().items() if key != "optional"}
    _, ((line, message, hint),) = read(document(old, {**old, "name": "b", "dependencies": {}, "hash": {}}))
    assert (line, message) == (13, "`optional`: Field required")
    assert hint == "an old conda-lock wrote it; make it anew with a current conda-lock"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"url": f"{URL}/linux-64/other-1.0-0.conda"}, "of another name or version"),
        ({"url": f"{URL}/osx-64/numpy-1.0-0.conda"}, "its file is for `osx-64`"),
        ({"url": f"{URL}/linux-64/numpy.conda"}, "not the name of a conda package"),
        ({"url": "ssh://host/x"}, "not the URL"),
        ({"hash": {"md5": "zz"}}, "neither md5 nor sha256"),
        ({"manager": "pip"}, ""),
        ({"manager": "pip", "hash": {"md5": MD5}}, "it has no sha256"),
        ({"manager": "pip", "url": "git+https://host/x@abc"}, "none of a wheel or sdist"),
        ({"manager": "npm"}, "manager"),
        ({"surprise": 1}, "`surprise`"),
        ({"hash": {"sha256": SHA256}}, "MD5"),
    ],
)
def test_what_cannot_be_taken_is_told_with_its_line(change: dict[str, Any], reason: str) -> None:
    _, problems = read(document(entry("first"), entry(**change)))
    if not reason:
        assert not problems
        return
    ((line, message, _),) = problems
    assert line == (1 if change == {"manager": "npm"} else 25)
    assert reason in message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "neither a `conda-lock.yml`"),
        ("[]", "neither a `conda-lock.yml`"),
        ("version: 3\n", "neither a `conda-lock.yml`"),
        ("a: b\n", "neither a `conda-lock.yml`"),
        ("version: 1\npackage: 3\n", "Input should be a valid list"),
        ("version: 1\npackage: [a\n", "this is not YAML"),
        ("version: 1\na: &a [x]\nb: *a\n", "an alias (`*name`) is not taken"),
        ("version: 1\npackage: " + "[" * 100_000, "it nests deeper"),
        ("version: 1\nmetadata: 2024-99-99\npackage: []\n", ""),
    ],
)
def test_what_is_no_lock_is_refused(text: str, reason: str) -> None:
    _, problems = read(text)
    assert problems
    assert reason in problems[0][1]
    assert problems[0][0] == (3 if "alias" in reason else problems[0][0])


def test_a_lock_for_other_platforms_is_told() -> None:
    _, ((_, message, _),) = read(document(entry()), "linux-aarch64")
    assert message == "it is not for `linux-aarch64`, which the environment is locked for"
