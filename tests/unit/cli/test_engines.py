"""Which engine is taken: the one that is named, or the first that answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from builder.cli import engines
from builder.cli.output import Output
from builder.errors import EnvbuildError


@dataclass
class _Engine:
    name: str
    reason: str | None = None

    def unavailable(self) -> str | None:
        return self.reason


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Has the engines of these names answer, and no others."""

    def make(*names: str) -> None:
        for table in (engines.ENGINES, engines.LOADERS):
            for name in table:
                engine = _Engine(name, None if name in names else f"no {name}")
                monkeypatch.setitem(table, name, lambda engine=engine: engine)

    return make


@pytest.mark.parametrize(
    ("answer", "wish", "taken"),
    [
        (["docker", "podman", "embedded"], None, "docker"),
        (["podman", "embedded"], None, "embedded"),
        (["podman"], None, "podman"),
        (["docker", "podman", "embedded"], "podman", "podman"),
    ],
)
def test_a_command_runs_in_the_engine_that_is_named_or_needs_least(
    answer: list[str], wish: str | None, taken: str, answering: Any
) -> None:
    answering(*answer)
    assert engines.choose_engine(wish, Output()).name == taken


@pytest.mark.parametrize(
    ("answer", "wish", "taken"),
    [(["docker", "podman"], None, "docker"), (["podman"], None, "podman"), (["docker", "podman"], "podman", "podman")],
)
def test_an_image_is_loaded_where_it_is_told_or_into_the_first_that_answers(
    answer: list[str], wish: str | None, taken: str, answering: Any
) -> None:
    answering(*answer)
    assert engines.choose_loader(wish).name == taken


def test_an_image_is_loaded_nowhere_else_than_where_it_is_told(answering: Any) -> None:
    answering("docker")
    with pytest.raises(EnvbuildError) as caught:
        engines.choose_loader("podman")
    assert caught.value.why == ("no podman",)
    assert caught.value.hint == "Use `--engine docker`"


def test_every_engine_that_was_asked_says_why_it_takes_no_image(answering: Any) -> None:
    answering("embedded")
    with pytest.raises(EnvbuildError) as caught:
        engines.choose_loader(None)
    assert caught.value.why == ("no docker", "no podman")


@pytest.mark.parametrize("order", [["--load", "--engine", "podman"], ["--engine", "podman", "--load"]])
def test_an_engine_is_named_beside_load_in_any_order(order: list[str], envbuild: Any) -> None:
    code, _, error = envbuild("build", ".", *order)
    assert code == 1, "there is nothing to build, which is said after the options are understood"
    assert "--engine" not in error


def test_an_engine_without_load_is_wrong_usage(envbuild: Any) -> None:
    code, _, error = envbuild("build", ".", "--engine", "podman")
    assert code == 2
    assert "add `--load`" in error
