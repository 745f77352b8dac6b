"""Measures envbuild on this machine, against its goals and against what it stands for.

Usage: python benchmarks/run.py [CASE ...] [--cache DIR] [--runs N]

Prints a Markdown table of medians; ratios compare runs that took turns. Keeps downloads in DIR, where it writes
`results.json` too. The project must be installed, or its folder be on PYTHONPATH.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import platformdirs
from cases import CASES
from cases_interface import Line, Setting
from engine import EngineMissingError
from machine import facts
from measuring import CommandFailedError
from workspace import Workspace


def main() -> int:
    options = _parser().parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    machine = facts(options.cache)
    print("preparing: fetching artifacts, building once", file=sys.stderr)
    large = options.large_wheel.resolve() if options.large_wheel else None
    setting = Setting(Workspace.prepare(options.cache), options.runs, options.docker_host, large)
    results = {name: _lines(name, setting) for name in options.cases or CASES}
    lines = {name: [asdict(line) for line in found] for name, found in results.items()}
    document = {"machine": machine, "runs": options.runs, "cases": lines}
    (options.cache / "results.json").write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    print(table(machine, [line for found in results.values() for line in found]))
    return 3 if any(line.met is False for found in results.values() for line in found) else 0


def table(machine: dict[str, str], lines: list[Line]) -> str:
    """The machine and the lines, as Markdown."""
    verdicts = {True: "yes", False: "**no**", None: ""}
    rows = [f"| {line.what} | {line.value} | {line.goal} | {verdicts[line.met]} |" for line in lines]
    about = [f"- {name}: {text}" for name, text in machine.items()]
    return "\n".join([*about, "", "| what | median | goal | met |", "|---|---|---|---|", *rows])


def _lines(name: str, setting: Setting) -> list[Line]:
    """The lines of a case, or one that says why it was not measured."""
    print(f"{name}: {' '.join((CASES[name].__doc__ or '').split())}", file=sys.stderr)
    try:
        return list(CASES[name](setting))
    except (CommandFailedError, EngineMissingError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return [Line(name, f"not measured: {str(error).splitlines()[0]}")]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description="Measure envbuild against its goals.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"some of {', '.join(CASES)} [default: all]")
    default = Path(platformdirs.user_cache_dir("envbuild-benchmarks", appauthor=False))
    parser.add_argument("--cache", type=Path, default=default, help="folder for downloads, stores and results")
    parser.add_argument("--runs", type=int, default=7, help="runs of each command; slow ones have three at most")
    parser.add_argument("--docker-host", metavar="URL", help="a running Docker Engine [default: start one, as root]")
    parser.add_argument("--large-wheel", type=Path, metavar="FILE", help="a wheel for `memory` [default: one of 1 GiB]")
    parser.epilog = "Exits with 3 if a goal is missed."
    return parser


if __name__ == "__main__":
    sys.exit(main())
