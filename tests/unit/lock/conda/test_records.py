from __future__ import annotations

from typing import Any

import pytest

from builder.errors import EnvbuildError
from builder.lock.conda.records import UNKNOWN, merged_depends, package_of, with_dependencies

RECORD = {
    "name": "numpy", "version": "1.26.4", "build": "py311_0", "subdir": "linux-64", "md5": "a" * 32, "sha256": "b" * 64,
    "size": 10, "depends": ["python >=3.11,<3.12.0a0", "libblas >=3.9"], "license": "BSD-3-Clause",
    "fn": "numpy-1.26.4-py311_0.conda", "url": "https://u:p@h/t/tk/c/linux-64/numpy-1.26.4-py311_0.conda",
    "channel": "https://h/c/",
}  # fmt: skip
SUBDIRS = ("linux-64", "noarch")


def test_a_record_becomes_a_package_without_credentials() -> None:
    package = package_of(RECORD, SUBDIRS)
    assert package.url == "https://h/c/linux-64/numpy-1.26.4-py311_0.conda"
    assert (package.channel, package.subdir, package.build) == ("https://h/c", "linux-64", "py311_0")
    assert package.depends == ("libblas >=3.9", "python >=3.11,<3.12.0a0")


def test_what_a_channel_does_not_tell_is_left_open() -> None:
    package = package_of({**RECORD, "md5": None, "sha256": None, "size": None}, SUBDIRS)
    assert (package.digest, package.md5, package.size) == (UNKNOWN, "", 0)


@pytest.mark.parametrize(
    "change",
    [
        {"url": "https://h/c/linux-64/../../numpy-1.26.4-py311_0.conda"},
        {"url": "https://h/c/osx-64/numpy-1.26.4-py311_0.conda"},
        {"url": "https://h/c/linux-64/numpy-1.26.4-py311_0.conda?x"},
        {"url": "https://h/c/linux-64/other-1.26.4-py311_0.conda"},
        {"url": "file:///etc/linux-64/numpy-1.26.4-py311_0.conda"},
        {"url": "ftp://h/c/linux-64/numpy-1.26.4-py311_0.conda"},
        {"url": 3},
        {"name": "NumPy"},
        {"version": "1.26.5"},
        {"build": "../x"},
        {"md5": "z" * 32},
        {"md5": ["a"]},
        {"sha256": "b" * 63},
        {"size": "10"},
        {"size": 1 << 60},
        {"depends": "python"},
        {"depends": [1]},
        {"depends": ["a\0b"]},
        {"depends": ["$(x)"]},
        {"depends": ["a" * 2000]},
        {"depends": [f"p{number}" for number in range(3000)]},
        {"license": "x" * 5000},
        {"license": {"a": 1}},
    ],
)
def test_a_hostile_record_is_one_clean_error(change: dict[str, Any]) -> None:
    if change == {"depends": "python"}:  # letters, each of which is a name
        assert len(package_of({**RECORD, **change}, SUBDIRS).depends) == 6
        return
    with pytest.raises(EnvbuildError, match="a channel tells nonsense of `numpy-1"):
        package_of({**RECORD, **change}, SUBDIRS)


@pytest.mark.parametrize("missing", ["name", "version", "build", "url", "channel"])
def test_an_incomplete_record_is_one_clean_error(missing: str) -> None:
    url = {} if missing == "url" else {"url": "file:///c/linux-64/numpy-1.26.4-py311_0.conda"}
    record = {**RECORD, **url, "channel": "file:///c"}
    del record[missing]
    with pytest.raises(EnvbuildError, match="a channel tells nonsense"):
        package_of(record, SUBDIRS)


def test_needs_of_one_name_are_said_in_one_line() -> None:
    given = ["b >=1", "a", "b <2", "B !=1.5|1.6", "c", "c 1.2.* h_0", "d>=3", "e *"]
    assert merged_depends(given) == ("a", "b >=1,<2,(!=1.5|1.6)", "c 1.2.* h_0", "d >=3", "e *")


def test_dependencies_are_those_that_are_locked() -> None:
    numpy = package_of(RECORD, SUBDIRS)
    url = RECORD["url"].replace("numpy-1.26.4", "python-3.11.2")
    python = package_of({**RECORD, "name": "python", "version": "3.11.2", "url": url, "depends": []}, SUBDIRS)
    assert [each.dependencies for each in with_dependencies([python, numpy])] == [("python",), ()]
    with pytest.raises(EnvbuildError, match="`numpy` is there twice"):
        with_dependencies([numpy, numpy])
