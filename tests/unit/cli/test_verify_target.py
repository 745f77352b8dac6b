"""What `verify` takes for a path and what for the name of an image."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.bundle.checking.check import Verdict
from builder.cli.target import is_image
from builder.cli.verify import contents_of
from builder.cli.verify_target import reference_of
from builder.errors import EnvbuildError
from builder.oci.problems import Problem, told


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("oci://localhost:5000/a/b:1", "localhost:5000/a/b:1"),
        ("registry.example/team/a:1", "registry.example/team/a:1"),
        ("registry.example/team/a", "registry.example/team/a:latest"),
        ("localhost/a", "localhost/a:latest"),
        ("python:3.11", "docker.io/library/python:3.11"),
        ("oci://python", "docker.io/library/python:latest"),
    ],
)
def test_a_name_with_a_host_or_a_tag_is_an_image(
    text: str, reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert str(reference_of(text)) == reference


@pytest.mark.parametrize(
    "text", ["bundle.tar", "environments/train", "./a.b/c", "../x.tar", "a/b", "/no/such.tar", "A:B/c"]
)
def test_what_is_neither_is_told_with_both_readings(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EnvbuildError, match=r"there is nothing at .* and it is not the name of an image") as caught:
        reference_of(text)
    assert "oci://" in (caught.value.hint or "")


def test_what_is_there_is_a_path_whatever_it_looks_like(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "python:3.11").write_bytes(b"")
    assert reference_of("python:3.11") is None
    assert is_image(tmp_path / "python:3.11")


def test_a_project_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "envbuild.yaml").write_text("")
    assert not is_image(tmp_path)
    assert not is_image(tmp_path / "envbuild.yaml")
    (tmp_path / "index.json").write_text("")
    assert is_image(tmp_path)


def test_contents_are_not_called_compared_where_a_wrong_digest_kept_them_from_being_read() -> None:
    wrong = Problem("digest", "layer sha256:0 has another digest")
    assert contents_of(Verdict((wrong,), ())).startswith("not compared")
    assert contents_of(Verdict((wrong,), (), lock="sha256:0")) == "compared"


def test_of_many_problems_twenty_are_shown_and_the_others_counted() -> None:
    problems = [Problem("contents", str(number)) for number in range(23)]
    assert told(problems) == [*map(str, range(20)), "and 3 more; `--json` shows all"]
    assert told(problems[:20]) == [*map(str, range(20))]
