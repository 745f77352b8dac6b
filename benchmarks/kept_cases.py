"""How long outputs take to be kept and to be laid out again: against a copy of the same files."""

from __future__ import annotations

import os
import shutil
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from cases_interface import Line, Setting
from measuring import run

_SIZE = 5 << 30
_SMALL_FILES = 10_000
_BLOCK = 1 << 24
Make = Callable[[Path], None]
"""Makes an output at a path."""
_DO = """import sys
from pathlib import Path
from builder.history.content import Content
from builder.history.kept import keep, restore
from builder.oci.store import Store
store, key = Store(Path(sys.argv[2])), "output"
store.create()
if sys.argv[1] == "keep":
    store.keep_record("benchmark", key, keep(store, Path(sys.argv[3])).to_dict())
else:
    restore(store, Content.from_dict(store.record("benchmark", key)), Path(sys.argv[3]))
"""


def outputs(setting: Setting, size: int = _SIZE) -> Iterator[Line]:
    """An output of 5 GB, and one of 10,000 small files, kept and restored."""
    yield from _compared(
        setting, f"an output of {size / (1 << 30):.0f} GB", lambda place: _large(place, size), has_goal=True
    )
    yield from _compared(setting, f"{_SMALL_FILES:,} small files", _many, has_goal=False)


def _compared(setting: Setting, what: str, make: Make, *, has_goal: bool) -> Iterator[Line]:
    folder = setting.space.folder / "outputs"
    found: dict[str, list[float]] = {"cp": [], "keep": [], "restore": []}
    try:
        for number in range(setting.slow_runs):
            if has_goal:  # large: there may be no room for all
                shutil.rmtree(folder, ignore_errors=True)
            for way, seconds in _once(folder / str(number), make).items():
                found[way].append(seconds)
                print(f"  {what} {way}: {seconds:.3f} s", file=sys.stderr)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    copied = statistics.median(found["cp"])
    yield Line(f"`cp -r` of {what}, to the disk", f"{copied:.2f} s", seconds=found["cp"])
    for way, done in (("keep", "kept"), ("restore", "restored")):
        seconds = statistics.median(found[way])
        value = f"{seconds:.2f} s: {seconds / copied:.1f} times as long as the copy"
        limit = "at most as long" if has_goal else ""
        yield Line(f"{what} {done}", value, limit, seconds <= copied if has_goal else None, found[way])


def _once(folder: Path, make: Make) -> dict[str, float]:
    """Seconds of one turn of each, in an empty store. Nothing is deleted between: ext4 is slow in making files then."""
    output = folder / "store/tmp/stage/output"
    output.parent.mkdir(parents=True)
    make(output)
    os.sync()
    environment = dict(os.environ)
    copy = run(["bash", "-c", 'cp -r "$0" "$1" && sync -f "$1"', str(output), str(folder / "copy")], environment)
    ways = {}
    for way, place in (("keep", output), ("restore", folder / "project/output")):
        line = [sys.executable, "-c", _DO, way, str(folder / "store"), str(place)]
        ways[way] = run(line, environment).seconds
    return {"cp": copy.seconds, **ways}


def _large(place: Path, size: int) -> None:
    place.mkdir()
    block = os.urandom(_BLOCK)
    with open(place / "model", "wb") as file:
        for start in range(0, size, _BLOCK):
            file.writelines((start.to_bytes(8, "big"), memoryview(block)[8 : min(_BLOCK, size - start)]))


def _many(place: Path) -> None:
    place.mkdir()
    for number in range(_SMALL_FILES):
        (place / f"{number:05}.json").write_bytes(b"%d" % number * 50)
