"""What becomes of uv's words."""

from builder.lock.interface import Target
from builder.lock.pypi.uv_messages import failure
from builder.oci.documents import Platform

AMD64 = Target(Platform("amd64"), "x86_64", "3.11.2", (2, 36))
GIT = """error: Failed to download and build `a @ git+file:///a@0`
  Caused by: Git operation failed
  Caused by: failed to {verb} into: /home/someone/.cache/uv/git-v2/db/71bdf1e77208c41c
  Caused by: failed to fetch commit `0`
  Caused by: process didn't exit successfully: `git fetch` (exit status: 128)
             --- stderr
             {lines}
"""
OURS, THEIRS = "fatal: git upload-pack: not our ref 0", "fatal: remote error: upload-pack: not our ref 0"


def test_the_same_cause_has_the_same_words_on_every_platform() -> None:
    space = "\n" + " " * 13
    one = failure(GIT.format(verb="clone", lines=OURS + space + THEIRS), AMD64, sdists=True)
    two = failure(GIT.format(verb="fetch", lines=THEIRS + space + OURS), AMD64, sdists=True)
    assert one.why == two.why
    assert "/home/someone" not in str(one)
    assert "repository" in str(one.hint)
    waits = [f"error: Request failed after 3 retries in {time}\n" for time in ("11.5s", "80ms")]
    assert len({failure(text, AMD64, sdists=True).why for text in waits}) == 1


def test_an_error_begins_behind_what_was_said_before_it() -> None:
    said = "warning: `a==1` is yanked\n   Updating file:///a (0)\nerror: No solution found\n  cause: because\n"
    assert failure(said, AMD64, sdists=True).why == ("No solution found", "because")


def test_a_hint_is_given_wherever_uv_breaks_its_lines() -> None:
    said = "error: No solution found\n  cause: Because app needs numpy>=2 and you require it, your requirements are"
    for space in (" ", "\n" + " " * 9):
        assert failure(f"{said}{space}unsatisfiable.\n", AMD64, sdists=True).hint
