"""Runs one stage of a pipeline in the image of its environment: `python -I stage_launcher.py ORDER`.

A JSON file says what is run, and where what came of it is written. It does what `launcher.py` does for commands, and
imports little: stages are short, and an interpreter that starts slowly is felt in each of them. The standard library
only, Python 3.8 or later.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from typing import Any

NOT_EXECUTABLE, NOT_FOUND = 126, 127
FORWARDED = (
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH,
)  # fmt: skip
SHELLS = ("sh", "bash", "dash")
CONTROL_GROUPS = (
    ("/sys/fs/cgroup/memory.peak", "/sys/fs/cgroup/cgroup.procs"),
    ("/sys/fs/cgroup/memory/memory.max_usage_in_bytes", "/sys/fs/cgroup/memory/cgroup.procs"),
)
"""Of version 2 and 1: where the most memory that a container had is told, and its processes (cgroups(7))."""


def main(path: str) -> int:
    """Do what the order says; the exit code of its program."""
    waited = {*FORWARDED, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, waited)  # one that comes early is passed on once there is somebody
    with open(path, encoding="utf-8") as file:
        order = json.load(file)
    environment = {**os.environ, **order["environment"]}
    make_homely(environment)
    words = order["arguments"]
    program = find(words[0], environment.get("PATH", os.defpath))
    if program is None:
        say(f"error: `{words[0]}`, which the stage `{order['name']}` runs, is not in the image")
        return NOT_FOUND
    started = time.monotonic()
    code = execute(program, words, environment, waited)
    result = {
        "exit_code": 128 - code if code < 0 else code,
        "signal": signal_name(-code) if code < 0 else None,
        "duration": round(time.monotonic() - started, 3),
        **peak_memory(order["own_group"]),
    }
    try:
        with open(f"{order['result']}.part", "w", encoding="utf-8") as file:
            json.dump(result, file)
        os.replace(f"{order['result']}.part", order["result"])
    except OSError as error:  # a full disk, above all
        say(f"error: how the stage `{order['name']}` ended cannot be told: {error.strerror or error}")
    return int(result["exit_code"])


def signal_name(number: int) -> str:
    """What a signal is called; most of real time (signal(7)) have no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def say(text: str) -> None:
    """Write a line on standard error."""
    sys.stderr.write(f"{text}\n")


def make_homely(environment: dict[str, str]) -> None:
    """A home and a name, which programs ask for and a user id without a passwd entry does not have."""
    home = environment.get("HOME", "")
    if not (os.path.isdir(home) and os.access(home, os.W_OK)):
        environment["HOME"] = "/tmp"
    for key in ("USER", "LOGNAME"):
        environment.setdefault(key, f"user-{os.getuid()}")


def find(name: str, path: str) -> str | None:
    """The program of a name, on the search path; the first that is a file where none may be executed."""
    folders = [""] if os.path.dirname(name) else path.split(os.pathsep)
    files = [file for file in (os.path.join(folder, name) for folder in folders) if os.path.isfile(file)]
    return next((file for file in files if os.access(file, os.X_OK)), next(iter(files), None))


def execute(program: str, words: list[str], environment: dict[str, str], waited: set[Any]) -> int:
    """Run a program until it ends, passing signals on and reaping orphans: its exit code, or minus its signal."""
    defaults = [*waited, signal.SIGPIPE, signal.SIGXFSZ]
    in_shell = os.path.basename(words[0]) in SHELLS and words[1:2] == ["-c"]
    try:
        child = os.posix_spawn(program, words, environment, setpgroup=0, setsigmask=(), setsigdef=defaults)
    except OSError as error:
        say(f"error: `{program}` cannot be executed: {error.strerror}")
        say("\nhint: Make it so (`chmod +x`), or run it by a program that reads it: `python FILE`")
        return NOT_EXECUTABLE
    while True:
        number = signal.sigwait(waited)
        if number != signal.SIGCHLD:
            # A shell passes nothing on, so its whole group is told; a program tells its own children.
            os.kill(-child if in_shell else child, number)
            continue
        status = reap(child)
        if status is not None:
            return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def reap(child: int) -> int | None:
    """Collect every process that has ended; the status of `child`, if it is among them."""
    found = None
    try:
        while True:
            ended, status = os.waitpid(-1, os.WNOHANG)
            if not ended:
                return found
            found = status if ended == child else found
    except ChildProcessError:
        return found


def peak_memory(own_group: bool) -> dict[str, Any]:
    """The most memory in bytes at a time: of a container with a control group of its own, else of a process."""
    for file, processes in CONTROL_GROUPS if own_group else ():
        try:
            with open(processes, encoding="ascii") as group, open(file, encoding="ascii") as peak:
                members = group.read().split()
                if str(os.getpid()) in members and "0" not in members:  # this one, and none that is seen from outside
                    return {"peak_memory": int(peak.read()), "peak_memory_of": "container"}
        except (OSError, ValueError):
            continue
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {"peak_memory": largest, "peak_memory_of": "largest process"}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
