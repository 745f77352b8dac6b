from __future__ import annotations

import time

import pytest

from builder.lock.conda.environment_file import EnvironmentFile, read_environment_file
from builder.oci.documents import Platform

AMD, ARM = Platform("amd64"), Platform("arm64")
GOOD = """\
name: train
channels: [conda-forge, nodefaults]
dependencies:
  - python=3.11   # the interpreter
  - numpy  # [linux64]
  - openblas   # [aarch64]
  - xcode  # [osx]
  - pip
  - pip:
    - idna >=3  # [linux]
    - -r more.txt
prefix: /home/someone/env
"""


def read(text: str) -> tuple[EnvironmentFile, list[tuple[int, str]]]:
    problems: list[tuple[int, str]] = []
    found = read_environment_file(text, lambda line, message, _: problems.append((line, message)))
    return found, problems


def test_each_platform_gets_what_its_selectors_say() -> None:
    found, problems = read(GOOD)
    assert not problems
    texts = {platform: [entry.text for entry in wanted.dependencies] for platform, wanted in found.platforms.items()}
    assert texts == {AMD: ["python=3.11", "numpy", "pip"], ARM: ["python=3.11", "openblas", "pip"]}
    assert [(entry.text, entry.line) for entry in found.platforms[AMD].pip] == [("idna >=3", 10), ("-r more.txt", 11)]
    assert [entry.text for entry in found.platforms[AMD].channels] == ["conda-forge"]


def test_the_lock_keeps_what_is_asked_for_and_neither_name_nor_prefix() -> None:
    found, _ = read(GOOD)
    assert found.entries == [
        "channel conda-forge", "python=3.11", "numpy # [linux-64]", "pip", "pip idna >=3", "pip -r more.txt",
        "openblas # [linux-aarch64]",
    ]  # fmt: skip
    assert read(GOOD.replace("train", "serve").replace("someone", "other"))[0].entries == found.entries


def test_a_selector_on_the_pip_section_leaves_an_empty_one() -> None:
    found, problems = read("channels: [a]\ndependencies:\n  - python\n  - pip:\n    - idna  # [linux64]\n")
    assert not problems
    assert found.platforms[ARM].pip == ()
    assert len(found.platforms[AMD].pip) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", (1, "a mapping with `channels` and `dependencies` is expected")),
        ("- a\n", (1, "a mapping with `channels` and `dependencies` is expected")),
        ("channels: [a\n", (2, "this is not YAML")),
        ("channels: [a]\n", (1, "the key `dependencies` is missing")),
        ("dependencies: [a]\n", (1, "the key `channels` is missing")),
        ("channels: [nodefaults]\ndependencies: [a]\n", (1, "at least one channel is needed")),
        ("channels: a\ndependencies: [a]\n", (1, "a list is expected here")),
        ("channels: [a]\ndependencies: a\n", (2, "a list is expected for `dependencies`")),
        ("channels: [a]\ndependencies:\n  - python\n  - [a]\n", (4, "a line of text is expected here")),
        ("channels: [a]\ndependencies:\n  - python\n  -\n", (4, "a line of text is expected here")),
        ("channels: [a]\ndependencies:\n  - conda: [b]\n", (3, "`conda` is not known here")),
        ("channels: [a]\ndependencies: [b]\nvariables: {A: b}\n", (3, "`variables`: environment variables")),
        ("channels: [a]\ndependencies: [b]\npip-repositories: [c]\n", (3, "`pip-repositories`")),
        ("channels: [a]\ndependencies: [b]\ndependences: [c]\n", (3, "the key `dependences` is not known")),
        ("channels: [a]\nchannels: [c]\ndependencies: [b]\n", (2, "`channels` stands twice")),
        ("channels: [a]\ndependencies:\n  - b  # [py>=38]\n", (3, "`[py>=38]` is not a selector")),
        ("channels: [a]\ndependencies: &x [b]\nname: *x\n", (3, "an alias")),
        ("channels: " + "[" * 1000 + "]" * 1000, (1, "it nests deeper than 20 levels")),
    ],
)
def test_what_is_wrong_is_told_once_with_its_line(text: str, problem: tuple[int, str]) -> None:
    _, problems = read(text)
    assert [line for line, message in problems if message.startswith(problem[1])] == [problem[0]]


def test_a_bomb_of_aliases_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    start = time.perf_counter()
    _, problems = read("\n".join(lines))
    assert problems[0][1].startswith("an alias")
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("comment", "holds"),
    [
        ("# [linux64] or so", True),
        ("#[linux64]", True),
        ("# [osx] [linux64]", True),
        ("# [linux64] (as ever)", None),
        ("# (as ever) [osx]", False),
        ("# []", None),
    ],
)
def test_the_last_brackets_of_a_comment_are_its_selector(comment: str, holds: bool | None) -> None:
    found, problems = read(f"channels: [a]\ndependencies:\n  - idna\n  - attrs {comment}\n")
    assert not problems
    texts = {platform: len(wanted.dependencies) == 2 for platform, wanted in found.platforms.items()}
    assert texts == {AMD: holds is not False, ARM: holds is None}


@pytest.mark.parametrize("filling", [" " * 20_000, " #[" * 7000, "[x] (" * 4000])
def test_a_long_line_takes_no_longer_than_it_is(filling: str) -> None:
    start = time.process_time()
    read(f"channels: [a]\ndependencies: [b]\nname: a{filling}x\n")
    assert time.process_time() - start < 2
