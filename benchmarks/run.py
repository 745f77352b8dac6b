"""Measures envbuild on this machine, against its goals and against what it stands for.

Usage: python benchmarks/run.py [CASE ...] [--cache DIR] [--runs N]

Prints a Markdown table of medians; ratios compare runs that took turns. When all cases ran, or with `--write`, the
page docs/benchmarks.md, its plots and docs/benchmarks.json are written anew. Keeps downloads in DIR. The project must
be installed, or its folder be on PYTHONPATH.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import platformdirs
import report
from cases import CASES
from cases_interface import Line, Setting
from engine import EngineMissingError
from machine import facts
from measuring import CommandFailedError
from registry import RegistryMissingError
from workspace import Workspace


def main() -> int:
    options = _parser().parse_args()
    if options.report:
        report.write(_stored())
        return 0
    options.cache.mkdir(parents=True, exist_ok=True)
    machine = facts(options.cache)
    print("preparing: fetching artifacts, building once", file=sys.stderr)
    large = options.large_wheel.resolve() if options.large_wheel else None
    setting = Setting(Workspace.prepare(options.cache), options.runs, options.docker_host, large, options.data_share)
    found = {name: _lines(name, setting) for name in options.cases or CASES}
    document = report.results(machine, options.runs, found)
    print(report.table(document))
    if options.write or not options.cases:
        stored = _stored() if options.cases else {}
        report.write(report.merged(stored, json.loads(json.dumps(document)), list(CASES)))
    return 3 if any(line.met is False for lines in found.values() for line in lines) else 0


def _stored() -> dict[str, Any]:
    path = report.ROOT / report.RESULTS
    return dict(json.loads(path.read_text("utf-8"))) if path.exists() else {}


def _lines(name: str, setting: Setting) -> list[Line]:
    """The lines of a case, or as many as there are before one that says why the rest was not measured."""
    print(f"{name}: {' '.join((CASES[name].__doc__ or '').split())}", file=sys.stderr)
    lines: list[Line] = []
    try:
        lines.extend(CASES[name](setting))
    except (CommandFailedError, EngineMissingError, RegistryMissingError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        lines.append(Line(name, f"not measured: {str(error).splitlines()[0]}"))
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description="Measure envbuild against its goals.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"some of {', '.join(CASES)} [default: all]")
    default = Path(platformdirs.user_cache_dir("envbuild-benchmarks", appauthor=False))
    parser.add_argument("--cache", type=Path, default=default, help="folder for downloads, stores and results")
    parser.add_argument("--runs", type=int, default=7, help="runs of each command; slow ones have three at most")
    parser.add_argument("--docker-host", metavar="URL", help="a running Docker Engine [default: start one, as root]")
    parser.add_argument("--large-wheel", type=Path, metavar="FILE", help="a wheel for `memory` [default: one of 1 GiB]")
    parser.add_argument("--data-share", type=float, default=1.0, metavar="N", help="share of the rows of `data`: 0.1")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md though only some cases ran")
    parser.add_argument("--report", action="store_true", help="write it anew from docs/benchmarks.json; run nothing")
    about = [f"  {name:12} {' '.join((case.__doc__ or '').split())}" for name, case in CASES.items()]
    parser.epilog = "\n".join(["cases:", *about, "", "Exits with 3 if a goal is missed."])
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    return parser


if __name__ == "__main__":
    sys.exit(main())
