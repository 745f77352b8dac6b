"""Removing runs: never one that is running, and whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from builder.errors import EnvbuildError
from builder.history.entry import Entry
from builder.history.folder import is_running
from builder.history.layout import RUNS

Reason = Literal["running", "named"]


@dataclass(frozen=True, slots=True)
class Kept:
    """A run that is not removed, and why."""

    id: str
    reason: Reason
    by: str = ""
    """The stage whose lock names it."""


def divided(
    entries: Iterable[Entry], named: Mapping[str, str], *, force: bool = False
) -> tuple[tuple[Entry, ...], tuple[Kept, ...]]:
    """Those that may go and those that stay: what is running, and what a stage's lock names unless it is forced.

    `named` has the stage by the id of its run. Pure.
    """
    going, staying = [], []
    for entry in entries:
        if entry.outcome == "running":
            staying.append(Kept(entry.id, "running"))
        elif entry.id in named and not force:
            staying.append(Kept(entry.id, "named", named[entry.id]))
        else:
            going.append(entry)
    return tuple(going), tuple(staying)


def remove_run(root: Path, run: str) -> None:
    """Remove a run's folder: it is no run any more at once, and gone soon after.

    Raises: EnvbuildError, if it has begun to run, or cannot be removed.
    """
    folder = root / RUNS / run
    gone = folder.with_name(f".gone-{run}")
    try:
        if _is_running(folder):
            raise EnvbuildError(f"`{run}` is running", hint="Stop it first")
        os.rename(folder, gone)
    except FileNotFoundError:
        return  # another command was faster
    except OSError as error:
        raise EnvbuildError(f"`{folder}` cannot be removed", error.strerror or str(error)) from error
    shutil.rmtree(gone, ignore_errors=True)


def _is_running(folder: Path) -> bool:
    try:
        return is_running(folder)
    except OSError:
        return False  # its log is gone, and so is whoever wrote it
