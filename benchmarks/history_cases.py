"""How long it takes to list and to search ten thousand runs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from cases_interface import Line, Setting, seconds, timed
from measuring import rounds
from synthetic_runs import write_runs

_RUNS = 10_000
_EXPRESSION = "auc > 0.9 and params.lr < 0.1 and data.train = sha256:5"


def runs(setting: Setting) -> Iterator[Line]:
    """`runs list` and `runs search`, from start to exit, with the index that the first of them made."""
    folder = setting.space.folder / "many-runs"
    if not folder.exists():
        draft = folder.with_name("many-runs-draft")
        write_runs(draft, _RUNS)
        draft.rename(folder)
    listed = partial(setting.space.envbuild, "runs", "list", "--project", str(folder))
    searched = partial(setting.space.envbuild, "runs", "search", _EXPRESSION, "--project", str(folder))
    first = [listed()]
    what = f"the first `runs list` of {_RUNS:,} runs, which makes the index where there is none"
    yield Line(what, seconds(first))
    found = rounds({"list": listed, "search": searched}, setting.runs)
    yield timed(f"`runs list` of {_RUNS:,} runs", found["list"], 0.5)
    yield timed(f"`runs search` in {_RUNS:,} runs, three conditions", found["search"], 0.5)
