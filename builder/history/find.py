"""The run that a person means: by its id or the beginning of it, its last digits, a tag, or as the latest."""

from __future__ import annotations

import re
from pathlib import Path

from builder.errors import EnvbuildError, shortened
from builder.history.folder import KeptRun, read_run
from builder.history.index import RunIndex
from builder.history.layout import RUN_ID, RUNS
from builder.history.search.expression import Comparison

LATEST = "latest"
_HERE = "`envbuild runs list` lists those that are here; another machine's are, if its folders in `runs` are"
_PART = re.compile(r"[0-9]{4,8}(?:T[0-9]{0,6}(?:Z(?:-[a-z0-9._-]*)?)?)?")
_DIGITS = re.compile(r"[0-9a-f]{4,6}")


def find_run(root: Path, index: RunIndex, text: str) -> KeptRun:
    """The run of the project in `root` that `text` means. Raises: EnvbuildError, if it is none or more than one."""
    return read_run(root / RUNS / find_id(index, text))


def find_id(index: RunIndex, text: str) -> str:
    """The id of the run that `text` means. Raises: EnvbuildError, if it is none or more than one."""
    name, _, command = text.partition(":")
    if name == LATEST:
        where = Comparison("command", "=", command) if command else None
        found = [entry.id for entry in index.entries(where, 1)]
        if not found:
            of = f" of `{command[:100]}`" if command else ""
            raise EnvbuildError(f"there is no run{of} yet", hint=_HERE)
        return found[0]
    found = _found(index, text)
    if len(found) == 1:
        return found[0]
    if found:
        raise EnvbuildError(f"`{text}` means {len(found)} runs", shortened(found), "Name one of them by its id")
    raise EnvbuildError(
        f"there is no run `{text[:100]}`",
        hint="Name one by its id or the beginning of it, its last digits, a tag, `latest`, or `latest:STAGE`",
    )


def _found(index: RunIndex, text: str) -> list[str]:
    if RUN_ID.fullmatch(text):
        problem = next((one.problem for one in index.broken() if one.folder == text), None)
        if text not in index.ids(text) and problem:
            raise EnvbuildError(f"the run `{text}` cannot be read", problem)
        return [text] if text in index.ids(text) else []
    tagged = [entry.id for entry in index.entries(Comparison("tags", "=", text))]
    if tagged:
        return tagged
    found = index.ids(text) if _PART.fullmatch(text) else []
    return found or (index.ids(text, last=True) if _DIGITS.fullmatch(text) else [])
