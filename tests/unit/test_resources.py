from __future__ import annotations

import jinja2
import pytest

from builder.resources import files_below, read_template, render, templates_folder


def test_the_launcher_is_among_the_templates() -> None:
    assert b"The entry point of a bundle" in read_template("launcher.py")
    assert (templates_folder() / "bundle/README.md.j2").is_file()


@pytest.mark.parametrize("template", ["sklearn", "plain"])
def test_the_files_of_a_scaffold_come_sorted_and_without_bytecode(template: str) -> None:
    names = [name for name, _ in files_below(f"init/{template}")]
    assert names == sorted(names)
    assert "envbuild.yaml" in names
    assert not [name for name in names if "__pycache__" in name or name.startswith(("/", ".."))]


def test_a_template_that_misses_a_value_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render("bundle/README.md.j2", {})
