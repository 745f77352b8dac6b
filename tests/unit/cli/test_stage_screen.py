"""What is shown of stages that run beside each other."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from builder.cli import stage_bench
from builder.cli.output import Output
from builder.cli.stage_bench import StageScreen
from builder.errors import EnvbuildError
from builder.run import gpu
from builder.spec.stages import Resources


def test_lines_of_several_stages_have_their_names_and_no_commands_to_the_terminal(capsys):
    screen = StageScreen(Output(), several=True)
    screen.printed("a", b"one\ntw")
    screen.printed("b", b"\x1b[31mred\r\n10%\r20%\n")
    screen.printed("a", b"o")
    screen.ended("a", None, None)
    assert capsys.readouterr().err.splitlines() == ["[a] one", "[b] �[31mred", "[b] 20%", "[a] two"]


def test_a_module_that_is_missing_is_a_hint_to_declare_it(tmp_path, capsys):
    log = tmp_path / "log.txt"
    log.write_text("Traceback\nModuleNotFoundError: No module named 'helper'\n")
    StageScreen(Output(), several=True).ended("a", EnvbuildError("it failed"), log)
    shown = capsys.readouterr().err
    assert "  ModuleNotFoundError: No module named 'helper'" in shown
    assert "name the files of `helper` in `code`" in shown
    assert f"its log is `{log}`" in shown


def test_a_stage_with_gpus_is_not_begun_on_a_machine_without_a_driver(monkeypatch):
    stage = SimpleNamespace(environment_key="k", resources=Resources(gpu=1))
    images = stage_bench._Images(None, SimpleNamespace(chosen=SimpleNamespace(name="docker")), Output())
    images._made["k"] = SimpleNamespace(image=SimpleNamespace(config=SimpleNamespace(labels={})))
    monkeypatch.setattr(gpu, "measure", lambda _: None)
    with pytest.raises(EnvbuildError, match="there is no GPU"):
        images.of(stage)
    stage.resources = Resources()
    assert images.of(stage) is images._made["k"]
