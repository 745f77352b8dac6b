"""What of a command line is the place of the image, and what runs in it."""

from pathlib import Path

import pytest

from builder.cli.shell import command


@pytest.mark.parametrize(
    ("words", "path", "inside"),
    [
        (["--", "python", "-c", "1"], Path(), ("python", "-c", "1")),
        ([".", "--", "python", "--", "-q"], Path(), ("python", "--", "-q")),
        (["other", "--network", "none", "--", "ls"], Path("other"), ("ls",)),
        (["other"], Path("other"), ()),
        ([], Path(), ()),
    ],
)
def test_what_stands_behind_two_dashes_runs_inside(words: list[str], path: Path, inside: tuple[str, ...]) -> None:
    with command.make_context("shell", words) as context:
        assert (context.params["path"], context.params["arguments"]) == (path, inside)
