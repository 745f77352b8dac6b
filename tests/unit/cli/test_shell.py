"""What of a command line is the place of the image, and what runs in it."""

import pytest

from builder.cli.shell import command


@pytest.mark.parametrize(
    ("words", "target", "inside"),
    [
        (["--", "python", "-c", "1"], ".", ("python", "-c", "1")),
        ([".", "--", "python", "--", "-q"], ".", ("python", "--", "-q")),
        (["other", "--network", "none", "--", "ls"], "other", ("ls",)),
        (["other"], "other", ()),
        ([], ".", ()),
    ],
)
def test_what_stands_behind_two_dashes_runs_inside(words: list[str], target: str, inside: tuple[str, ...]) -> None:
    with command.make_context("shell", words) as context:
        assert (context.params["target"], context.params["arguments"]) == (target, inside)
