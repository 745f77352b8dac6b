"""Runs one stage of a pipeline in the image of its environment, beside `launcher.py`, whose ways it has.

`python -I stage_launcher.py ORDER`: a JSON file says what is run, and where what came of it is written. The standard
library only, Python 3.8 or later.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import time
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import launcher


def main(path: str) -> int:
    """Do what the order says; the exit code of its program."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, launcher._stop)
    with open(path, encoding="utf-8") as file:
        order = json.load(file)
    try:
        return run(order)
    except launcher.LauncherError as error:
        launcher.say(f"error: {error}" + (f"\n\nhint: {error.hint}" if error.hint else ""))
        return error.exit_code
    except launcher.Stopped as stopped:
        return 128 + int(str(stopped))


def run(order: dict[str, Any]) -> int:
    """Run the program, and write what came of it; its exit code, 128 and a signal's number where one ended it."""
    data = {name: {"path": f"/data/{name}"} for name in order["data"]}
    command = {"run": order["arguments"], "environment": order["variables"]}
    one = launcher.Run(order["name"], command, [], order["parameters"], order["seed"], data)
    folder = launcher._temporary_folder()
    try:
        environment = launcher.make_environment(one, {"data": data}, folder)
        program = launcher.make_command(one, environment)
        in_shell = os.path.basename(program[1]) in launcher.SHELLS and program[2:3] == ["-c"]
        started = time.monotonic()
        code = launcher.execute(program[0], program[1:], environment, launcher.place("/app"), in_shell)
        duration = time.monotonic() - started
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    result = {
        "exit_code": 128 - code if code < 0 else code,
        "signal": signal.Signals(-code).name if code < 0 else None,
        "duration": round(duration, 3),
        **peak_memory(order["own_group"]),
    }
    launcher._replace(order["result"], result)
    return int(result["exit_code"])


def peak_memory(own_group: bool) -> dict[str, Any]:
    """As the launcher has it; an engine that gives no group of its own to a container leaves the largest process."""
    if own_group:
        return launcher.peak_memory()
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {"peak_memory": largest, "peak_memory_of": "largest process"}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
