"""What `envbuild run` says before and beside the work of an engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.cli import engines, invoke
from builder.cli.output import Output
from builder.cli.run import listens_here, port_note
from builder.run.interface import PortMapping, RunRequest


class Answering:
    name = "answering"
    has_own_network = False

    def unavailable(self):
        return None


class Published(Answering):
    has_own_network = True


class Silent(Answering):
    def unavailable(self):
        return "no Docker Engine answers at unix:///none: No such file or directory"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("ENVBUILD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(engines, "ENGINES", {"docker": Silent, "embedded": Answering})
    return tmp_path / "work"


@pytest.mark.parametrize("engine", [Answering(), Published()])
def test_a_port_that_is_reached_as_declared_needs_no_note(engine):
    assert port_note("serve", 80, RunRequest(ports=(PortMapping("", 9, 80),)), engine) is None
    assert port_note("serve", 80, RunRequest(network="none"), engine) is None
    assert port_note("train", None, RunRequest(), engine) is None


def test_a_port_that_is_not_published_names_the_flag():
    note = port_note("serve", 8080, RunRequest(), Published())
    assert note == "port 8080 of `serve` is not published; to reach it, add `-p 8080:8080`"
    assert port_note("serve", 8080, RunRequest(), Answering()) is None


@pytest.mark.parametrize(("engine", "flag"), [(Published(), "9999:8080"), (Answering(), "8080:8080")])
def test_publishing_another_port_than_the_declared_one_is_noted(engine, flag):
    request = RunRequest(ports=(PortMapping("127.0.0.1", 9999, 9999),))
    assert port_note("serve", 8080, request, engine) == (
        f"`serve` listens on port 8080, not 9999; publish it with `-p {flag}`"
    )


@pytest.mark.parametrize(
    ("ports", "network", "engine", "expected"),
    [
        ((), "default", Answering(), True),
        ((PortMapping("127.0.0.5", 80, 80),), "default", Answering(), False),
        ((), "none", Answering(), False),
        ((), "default", Published(), False),
    ],
)
def test_what_is_not_published_listens_for_this_machine_alone(ports, network, engine, expected):
    assert listens_here(ports, network, engine) == expected


@pytest.mark.parametrize("host", ["unix:///none", None])
def test_an_engine_that_was_pointed_at_is_not_left_out_silently(folder, host, monkeypatch, capsys):
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    if host:
        monkeypatch.setenv("DOCKER_HOST", host)
    assert isinstance(engines.choose_engine(None, Output()), Answering)
    said = "warning: no Docker Engine answers at unix:///none: No such file or directory; using the embedded engine"
    assert (said in capsys.readouterr().err) == bool(host)


@pytest.mark.parametrize("arguments", [("-p", "abc"), ("--data", "iris")])
def test_wrong_usage_is_said_before_anything_is_run(folder, arguments, capsys):
    assert invoke(["run", ".", "train", *arguments]) == 2
    error = capsys.readouterr().err
    assert arguments[1] in error
    assert "running" not in error


def test_a_folder_that_is_nothing_says_what_was_expected(folder, capsys):
    assert invoke(["run", ".", "train"]) == 1
    error = capsys.readouterr().err
    assert "`.` is neither a project nor a bundle" in error
    assert "envbuild.yaml" in error


@pytest.mark.parametrize("target", [".", "environment.yaml"])
def test_an_environment_has_no_commands(folder, target, capsys):
    (folder / "environment.yaml").write_text('python: "3.12"\n')
    assert invoke(["run", target, "train"]) == 1
    error = capsys.readouterr().err
    assert f"`{target}` is an environment, which has no commands" in error
    assert "Name the folder of a project that uses it" in error
