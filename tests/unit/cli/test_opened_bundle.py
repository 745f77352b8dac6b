"""What is taken for a name in a registry, and what for a path."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.cli.machine import this_builder
from builder.cli.opened_bundle import reference_in
from builder.errors import EnvbuildError

DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("oci://registry.example/team/a", "registry.example/team/a:latest"),
        ("registry.example/team/a:1", "registry.example/team/a:1"),
        ("localhost/a:1", "localhost/a:1"),
        ("127.0.0.1:5000/a:1", "127.0.0.1:5000/a:1"),
        (f"registry.example/a@{DIGEST}", f"registry.example/a@{DIGEST}"),
        ("oci://python:3.11", "docker.io/library/python:3.11"),
        ("registry.example/team/a", None),
        ("python:3.11", None),
        ("team/a:1", None),
        ("./a.b/c:1", None),
        ("../a.b/c:1", None),
        ("/a.b/c:1", None),
        ("a.tar", None),
        ("", None),
    ],
)
def test_a_name_has_a_host_and_a_tag_and_a_path_is_a_path(text: str, means: str | None) -> None:
    found = reference_in(text)
    assert (None if found is None else str(found)) == means


def test_what_is_there_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "registry.example").mkdir()
    (tmp_path / "registry.example/a:1").write_text("")
    assert reference_in("registry.example/a:1") is None
    assert reference_in("oci://registry.example/a:1") is not None


@pytest.mark.parametrize(
    "name",
    ["ci", "https://user:secret@ci.example", "https://ci.example?token=1", "https://ci example", "https://a\x1b[2J"],
)
def test_a_builder_is_named_by_a_uri_without_secrets(name: str) -> None:
    with pytest.raises(EnvbuildError) as told:
        this_builder(name)
    assert "secret" not in str(told.value)


def test_provenance_has_no_time_but_the_one_that_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert this_builder(None).finished == ""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "315619200")
    assert this_builder("https://ci.example/runner").finished == "1980-01-02T00:00:00Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "now")
    with pytest.raises(EnvbuildError, match="SOURCE_DATE_EPOCH"):
        this_builder(None)
