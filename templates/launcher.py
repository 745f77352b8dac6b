"""The entry point of a bundle's image: lists and runs the commands that the bundle declares.

One file, the standard library only, Python 3.8 or later. It fetches and verifies data that is not mounted, hands
over parameters and a seed, passes signals and the exit code on, and leaves a record of the run in `/out`.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import os
import platform
import pwd
import re
import resource
import shlex
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Iterator, NoReturn, Sequence  # Python 3.8 cannot subscript the others

USER, USAGE, DIGEST_WRONG, NOT_EXECUTABLE, NOT_FOUND = 1, 2, 5, 126, 127
CHUNK = 1 << 20
FRUITLESS_ATTEMPTS = 4
TIMEOUT = 60.0
METRICS_LIMIT = 1 << 20
CONTROL_GROUPS = (
    ("/sys/fs/cgroup/memory.peak", "/sys/fs/cgroup/cgroup.procs"),
    ("/sys/fs/cgroup/memory/memory.max_usage_in_bytes", "/sys/fs/cgroup/memory/cgroup.procs"),
)
"""Of version 2 and 1: where the most memory that a container had is told, and its processes."""
RECORDED_FILES = 1000
"""Files of an output that the record lists at most; its digest is of all of them."""
FORWARDED = (
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH,
)  # fmt: skip
NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
"""What data and outputs are called: one part of a path."""
SHELLS = ("sh", "bash", "dash")
LEFT_OUT = frozenset({".DS_Store", "Thumbs.db", ".ipynb_checkpoints"})
"""What file managers and notebooks leave in folders, and is no data; as in builder/lock/data/hashing.py."""
TOLD = 3
"""Files of a folder that are named at most, where they are wrong."""
UNDER_RUN = os.environ.get("ENVBUILD_RUN") == "1"
"""`envbuild run` started this, not `docker run`: hints name its options."""


class LauncherError(Exception):
    """Something that the person who started the container can understand and act upon."""

    def __init__(self, what: str, hint: str = "", exit_code: int = USER) -> None:
        super().__init__(what)
        self.hint = hint
        self.exit_code = exit_code


class Stopped(BaseException):
    """A signal came before the command was started."""


@dataclass
class Run:
    """One run of one command: what was asked for, and what is known about it so far."""

    name: str
    command: dict[str, Any]
    arguments: list[str]
    parameters: dict[str, Any]
    seed: int | None
    data: dict[str, Any] = field(default_factory=dict)


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say; the exit code."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _stop)  # the first process of a container ignores what it does not handle
    try:
        bundle = read_bundle(os.environ.get("ENVBUILD_BUNDLE") or place("/bundle/bundle.json"))
        options = parse(arguments, bundle)
        if options.readme:
            return print_readme()
        if options.command is None:
            say(listing(bundle), sys.stdout)
            return 0
        return launch(make_run(options, bundle), bundle)
    except LauncherError as error:
        say(f"error: {error}" + (f"\n\nhint: {error.hint}" if error.hint else ""))
        return error.exit_code
    except OSError as error:  # a full disk, above all
        say(f"error: `{error.filename or '/tmp'}`: {error.strerror or error}")
        return USER
    except Stopped as stopped:
        return 128 + int(str(stopped))


def place(path: str) -> str:
    """A path of the image, below a root that only tests move."""
    return os.environ.get("ENVBUILD_ROOT", "") + path


def say(text: str, stream: Any = None) -> None:
    """Write a line, on standard error where nothing else is asked for."""
    print(text, file=stream or sys.stderr)


def _stop(number: int, _: object) -> NoReturn:
    raise Stopped(number)


def read_bundle(path: str) -> dict[str, Any]:
    """The bundle's own description."""
    try:
        with open(path, encoding="utf-8") as file:
            bundle = json.load(file)
    except (OSError, ValueError) as error:
        raise LauncherError(f"`{path}` cannot be read: {error}") from error
    if not isinstance(bundle, dict) or bundle.get("format") != 1:
        raise LauncherError(f"`{path}` is not of format 1, which is all that this launcher reads")
    for kind, entry in (("commands", _is_command), ("data", _is_data)):
        entries = bundle.setdefault(kind, {})
        for name, value in entries.items() if isinstance(entries, dict) else [(kind, None)]:
            if not (isinstance(value, dict) and entry(name, value, bundle)):
                raise LauncherError(f"`{path}` is not as it should be: `{name[:100]}` in `{kind}`")
    return bundle


def _is_command(_: str, entry: dict[str, Any], bundle: dict[str, Any]) -> bool:
    """Whether an entry has what this launcher relies on; what it reads and writes are plain names."""
    inputs, outputs, run = entry.get("inputs") or [], entry.get("outputs") or [], entry.get("run")
    named = _is_texts(inputs) and _is_texts(outputs) and all(map(NAME.fullmatch, (*inputs, *outputs)))
    groups = (entry.get("parameters") or {}, entry.get("environment") or {})
    known = bundle.get("data") or {}
    return bool(named and run and _is_texts(run) and all(isinstance(one, dict) for one in groups)) and (
        isinstance(known, dict) and set(known) >= set(inputs)
    )


def _is_data(name: str, entry: dict[str, Any], _: dict[str, Any]) -> bool:
    """Whether an entry leads to its own place, and to nothing else."""
    size, digest = entry.get("size"), entry.get("sha256")
    return (
        bool(NAME.fullmatch(name))
        and entry.get("path") == f"/data/{name}"
        and _is_texts(entry.get("urls") or [])
        and (digest is None or isinstance(digest, str))
        and (size is None or (isinstance(size, int) and size >= 0))
    )


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def parse(arguments: Sequence[str], bundle: dict[str, Any]) -> argparse.Namespace:
    """The command line; what follows `--` is the command's own."""
    given = list(arguments)
    cut = given.index("--") if "--" in given else len(given)
    parser = argparse.ArgumentParser(
        prog="IMAGE",
        usage="IMAGE [COMMAND] [--param NAME=VALUE]... [--seed N] [--readme] [-- ARGUMENT...]",
        epilog=listing(bundle),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("command", nargs="?", help="one of those below; without any they are listed")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="instead of its default")
    parser.add_argument("--seed", type=int, metavar="N", help="0 to 4294967295, instead of the declared one")
    parser.add_argument("--readme", action="store_true", help="print the bundle's README and do nothing else")
    options = parser.parse_args(given[:cut])
    options.arguments = given[cut + 1 :]
    return options


def listing(bundle: dict[str, Any]) -> str:
    """What the bundle is and which commands it has."""
    lines = [" ".join(str(bundle[key]) for key in ("name", "version") if bundle.get(key)), "", "Commands:"]
    for name, command in sorted(bundle.get("commands", {}).items()):
        lines.append(f"  {name}: {' '.join(map(shlex.quote, command['run']))}")
        for label, value in (
            ("reads", ", ".join(f"/data/{item}" for item in command.get("inputs") or ())),
            ("writes", ", ".join(f"/out/{item}" for item in command.get("outputs") or ())),
            (
                "parameters",
                ", ".join(f"{leaf}={show(group[key])}" for leaf, group, key in leaves(command.get("parameters") or {})),
            ),
            ("seed", show(command.get("seed")) if command.get("seed") is not None else ""),
            ("port", str(command.get("port") or "")),
        ):
            if value:
                lines.append(f"      {label}: {value}")
    start = "envbuild run TARGET" if UNDER_RUN else "docker run IMAGE"
    lines += ["", f"Run one with `{start} COMMAND`; `docker run IMAGE --readme` prints more."]
    return "\n".join(lines)


def print_readme() -> int:
    """Print the bundle's README, for images that have no program to do it; the exit code."""
    with open(place("/bundle/README.md"), encoding="utf-8") as file:
        say(file.read().rstrip(), sys.stdout)
    return 0


def make_run(options: argparse.Namespace, bundle: dict[str, Any]) -> Run:
    """The run that was asked for.

    Raises: LauncherError, if there is no such command or parameter, or a value is of the wrong type.
    """
    commands = bundle.get("commands", {})
    if options.command not in commands:
        raise LauncherError(f"there is no command `{options.command}`", _near(options.command, commands), USAGE)
    command = commands[options.command]
    seed = command.get("seed") if options.seed is None else options.seed
    if seed is not None and not 0 <= seed < 1 << 32:
        raise LauncherError(f"seed {seed} is out of range", "It is from 0 to 4294967295", USAGE)
    parameters = json.loads(json.dumps(command.get("parameters") or {}))
    for assignment in options.param:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise LauncherError(f"`--param {assignment}` has no value", "Write `--param NAME=VALUE`", USAGE)
        set_parameter(parameters, name, text)
    return Run(options.command, command, options.arguments, parameters, seed)


def leaves(group: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any], str]]:
    """Every single parameter: its name (dotted inside a group), the group that it stands in, and its key there."""
    for key, value in group.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, group, key


def set_parameter(parameters: dict[str, Any], name: str, text: str) -> None:
    """Replace one parameter by `text`, read as the type of its default.

    Raises: LauncherError, if there is no such parameter, or the text is of another type.
    """
    known = {leaf: (group, key) for leaf, group, key in leaves(parameters)}
    if name not in known:
        raise LauncherError(f"there is no parameter `{name}`", _near(name, known), USAGE)
    group, key = known[name]
    try:
        group[key] = convert(text, group[key])
    except ValueError as error:
        kind = type(group[key]).__name__
        raise LauncherError(f"parameter `{name}` cannot be `{text}`: it is of type {kind}", "", USAGE) from error


def convert(text: str, default: Any) -> Any:
    """`text` as a value of the type of `default`; lists and nothing are written as JSON."""
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    if isinstance(default, (int, float, str)):
        return type(default)(text)
    try:
        return json.loads(text)
    except ValueError:
        if default is None:
            return text
        raise


def show(value: Any) -> str:
    """A value as a command line or an environment variable has it."""
    return value if isinstance(value, str) else json.dumps(value)


def _near(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"Did you mean `{close[0]}`?" if close else f"There are: {', '.join(sorted(known)) or 'none'}"


def launch(run: Run, bundle: dict[str, Any]) -> int:
    """Check what the command needs, run it and record it; the exit code."""
    out = place("/out")
    recorded = _can_write(out)
    if run.command.get("outputs") and not recorded:
        raise LauncherError(
            f"`{run.name}` writes to `{out}`, which cannot be written by user {os.getuid()}",
            "Give it a folder of that user with `--out DIR`, or another user with `--user UID:GID`"
            if UNDER_RUN
            else "Give it a folder of yours, which must be there before, or it is made as root: "
            '`mkdir -p out && docker run -v "$PWD/out:/out" --user $(id -u):$(id -g) …`',
        )
    warn_of_loss(run)
    for name in run.command.get("inputs") or ():
        run.data[name] = provide(name, bundle["data"][name])
    folder = _temporary_folder()
    try:
        environment = make_environment(run, bundle, folder)
        program = make_command(run, environment)
        return _run_recorded(run, bundle, program, environment, recorded)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def warn_of_loss(run: Run) -> None:
    """Say it before the work if what the command writes goes the way of the container."""
    places = [place("/out"), *(place(f"/out/{name}") for name in run.command.get("outputs") or ())]
    if len(places) > 1 and not any(map(_is_mounted, places)):
        say(
            f"warning: nothing is mounted at `{places[0]}`: what `{run.name}` writes is lost when the container is "
            'removed. To keep it: `mkdir -p out && docker run -v "$PWD/out:/out" --user $(id -u):$(id -g) …`'
        )


def _is_mounted(path: str) -> bool:
    """Whether something is mounted there, of whatever file system (proc_pid_mountinfo(5))."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            return any(line.split(" ")[4] == path for line in file)
    except OSError:
        return os.path.ismount(path)


def make_environment(run: Run, bundle: dict[str, Any], folder: str) -> dict[str, str]:
    """The command's environment variables: the container's, and what the launcher tells."""
    environment = dict(os.environ)
    _make_homely(environment)
    environment.update({key: str(value) for key, value in (run.command.get("environment") or {}).items()})
    parameters = os.path.join(folder, "parameters.json")
    with open(parameters, "w", encoding="utf-8") as file:
        json.dump(run.parameters, file, indent=2, sort_keys=True)
    environment.update({"ENVBUILD_COMMAND": run.name, "ENVBUILD_PARAMS": parameters, "ENVBUILD_OUT": place("/out")})
    for name, group, key in leaves(run.parameters):
        environment[f"ENVBUILD_PARAM_{_variable(name)}"] = show(group[key])
    logger = os.path.join(os.path.dirname(os.path.abspath(__file__)), "python")
    if os.path.isdir(logger):  # behind all else, so that nothing of the project's is hidden
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (environment.get("PYTHONPATH"), logger)))
    for name in run.data:
        environment[f"ENVBUILD_DATA_{_variable(name)}"] = place(bundle["data"][name]["path"])
    if run.seed is not None:
        environment["ENVBUILD_SEED"] = environment["PYTHONHASHSEED"] = str(run.seed)
    if run.command.get("port"):
        environment["ENVBUILD_PORT"] = str(run.command["port"])
        environment.setdefault("ENVBUILD_HOST", "0.0.0.0")
    packed = place((bundle.get("model") or {}).get("path") or "/model")
    for model in filter(_is_filled, (place("/out/model"), packed)):
        environment.setdefault("ENVBUILD_MODEL", model)
    return environment


def _is_filled(path: str) -> bool:
    """Whether there is a file or a folder that is not empty: an image has an empty one where no model is packed."""
    try:
        return os.path.isfile(path) or bool(os.listdir(path))
    except OSError:
        return False


def _make_homely(environment: dict[str, str]) -> None:
    """A home and a name, which programs ask for and a user id without a passwd entry does not have."""
    home = environment.get("HOME", "")
    if not (os.path.isdir(home) and os.access(home, os.W_OK)):
        environment["HOME"] = "/tmp"
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"user-{os.getuid()}"
    for key in ("USER", "LOGNAME"):
        environment.setdefault(key, name)


def make_command(run: Run, environment: dict[str, str]) -> list[str]:
    """The program's path, and its name and arguments. No shell is involved."""
    words = [*run.command["run"], *run.arguments]
    path = environment.get("PATH", os.defpath)
    program = shutil.which(words[0], path=path)
    if program:
        return [program, *words]
    folders = [""] if os.path.dirname(words[0]) else path.split(os.pathsep)
    for file in filter(os.path.isfile, (os.path.join(folder, words[0]) for folder in folders)):
        hint = "Make it so (`chmod +x`), or run it by a program that reads it: `python FILE`"
        raise LauncherError(f"`{file}`, which `{run.name}` runs, is not executable", hint, NOT_EXECUTABLE)
    raise LauncherError(f"`{words[0]}`, which `{run.name}` runs, is not in the image", "", NOT_FOUND)


def _run_recorded(
    run: Run, bundle: dict[str, Any], program: list[str], environment: dict[str, str], recorded: bool
) -> int:
    record = make_record(run, bundle, environment)
    metrics = place("/out/metrics.json")
    before, started = _identity(metrics), time.monotonic()
    outputs = {name: place(f"/out/{name}") for name in run.command.get("outputs") or ()}
    earlier = {name: _identities(path) for name, path in outputs.items()}
    steps = environment.setdefault("ENVBUILD_METRICS", _kept_name(record) + ".metrics.jsonl") if recorded else ""
    failure = write_record(record) if recorded else None
    if failure and run.command.get("outputs"):
        raise LauncherError(failure, "Make room, or mount another folder there")
    in_shell = os.path.basename(program[1]) in SHELLS and program[2:3] == ["-c"]
    code = execute(program[0], program[1:], environment, place("/app"), in_shell)
    record.update(
        state="finished",
        end=_now(),
        duration=round(time.monotonic() - started, 3),
        exit_code=128 - code if code < 0 else code,
        signal=signal.Signals(-code).name if code < 0 else None,
        **peak_memory(),
        **({"steps": os.path.relpath(steps, place("/out"))} if steps and os.path.isfile(steps) else {}),
        metrics=_read_metrics(metrics) if _identity(metrics) != before else None,
        outputs={name: hash_output(path) for name, path in outputs.items() if earlier[name] != _identities(path)}
        if code == 0
        else {},
    )
    failure = write_record(record) if recorded else None
    if failure:
        say(f"warning: {failure}; the exit code of `{run.name}` is {record['exit_code']}")
    for name, path in outputs.items():
        if code == 0 and not os.path.exists(path):
            say(f"warning: `{run.name}` declares the output `{name}` and has not written it")
    return int(record["exit_code"])


def execute(program: str, words: list[str], environment: dict[str, str], folder: str, in_shell: bool) -> int:
    """Run a program until it ends, passing signals on and reaping orphans: its exit code, or minus its signal."""
    if os.path.isdir(folder):
        os.chdir(folder)
    waited = {*FORWARDED, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    defaults = [*waited, signal.SIGPIPE, signal.SIGXFSZ]
    try:
        child = os.posix_spawn(program, words, environment, setpgroup=0, setsigmask=(), setsigdef=defaults)
    except OSError as error:
        say(f"error: `{program}` cannot be executed: {error.strerror}")
        return NOT_EXECUTABLE
    if os.isatty(0):  # keys such as Ctrl-C reach the command alone; it may have stopped to wait for the terminal
        with suppress(OSError):
            os.tcsetpgrp(0, child)
            os.kill(child, signal.SIGCONT)
    while True:
        number = signal.sigwait(waited)
        if number != signal.SIGCHLD:
            # A shell passes nothing on, so its whole group is told; a program tells its own children.
            os.kill(-child if in_shell else child, number)
            continue
        status = _reap(child)
        if status is not None:
            return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _reap(child: int) -> int | None:
    """Collect every process that has ended; the status of `child`, if it is among them."""
    found = None
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            found = ended[1] if ended[0] == child else found
    return found


def make_record(run: Run, bundle: dict[str, Any], environment: dict[str, str]) -> dict[str, Any]:
    """What is known of a run when it starts. No value of an environment variable is in it but the model's path."""
    mounted = os.environ.get("ENVBUILD_CODE_MOUNTED") == "1" or _is_mounted(place("/app"))
    return {
        "format": 1,
        "state": "running",
        "bundle": {"name": bundle.get("name"), "version": bundle.get("version")},
        "command": run.name,
        "arguments": run.arguments,
        "params": run.parameters,
        "seed": run.seed,
        "data": run.data,
        **_checks(run, bundle),
        "lock": bundle.get("lock"),
        "code": None if mounted else bundle.get("code"),
        "code_mounted": mounted,
        "model": _model(bundle.get("model") or {}, environment.get("ENVBUILD_MODEL")),
        "image": os.environ.get("ENVBUILD_IMAGE_DIGEST") or None,
        "start": _now(),
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def _checks(run: Run, bundle: dict[str, Any]) -> dict[str, str]:
    """That data with a contract were not held to it, when this is run or when it was packed."""
    found = [bundle["data"][name].get("checks") for name in run.data if bundle["data"][name].get("contract")]
    skipped = "skipped" in found or (found and os.environ.get("ENVBUILD_CHECKS") == "skipped")
    return {"checks": "skipped"} if skipped else {}


def _model(packed: dict[str, Any], path: str | None) -> dict[str, Any] | None:
    """The model that the command is told of; a digest is known of the packed one alone."""
    if path is None:
        return None
    is_packed = bool(packed) and path == place(packed["path"]) and not _is_mounted(path)
    return {"path": path, "digest": packed["digest"] if is_packed else None}


def write_record(record: dict[str, Any]) -> str | None:
    """Write `run.json`, and the same for good below `runs`; what failed, or None."""
    try:
        _replace(place("/out/run.json"), record)
        os.makedirs(place("/out/runs"), exist_ok=True)
        _replace(_kept_name(record) + ".json", record)
    except OSError as error:
        return f"the record of the run cannot be written to `{place('/out')}`: {error.strerror}"
    return None


def _kept_name(record: dict[str, Any]) -> str:
    """Where what stays of a run is, without the end of the name."""
    return place(f"/out/runs/{re.sub('[-:]', '', record['start'])}-{record['command']}")


def peak_memory() -> dict[str, Any]:
    """The most memory in bytes at a time: of the container, if it has a control group of its own, else of a process."""
    for file, processes in CONTROL_GROUPS:
        with suppress(OSError, ValueError), open(processes, encoding="ascii") as group:
            members = group.read().split()
            if str(os.getpid()) in members and "0" not in members:  # this one, and none that is seen from outside alone
                with open(file, encoding="ascii") as peak:
                    return {"peak_memory": int(peak.read()), "peak_memory_of": "container"}
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {"peak_memory": largest, "peak_memory_of": "largest process"}


def _replace(path: str, record: dict[str, Any]) -> None:
    """Write a file, atomically; where that fails, nothing is left behind."""
    descriptor, name = tempfile.mkstemp(prefix=".run-", dir=os.path.dirname(path))
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(record, file, indent=2, sort_keys=True)
            file.write("\n")
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def _identity(path: str) -> tuple[int, ...] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _identities(path: str) -> dict[str, tuple[int, ...] | None]:
    """What tells whether anything of an output was written since."""
    return {file: _identity(file) for _, file in output_files(path)}


def output_files(path: str) -> list[tuple[str, str]]:
    """The regular files of an output, in order: the path below it (of a file its name), and where it is."""
    if os.path.isfile(path):
        return [(os.path.basename(path), path)]
    files = [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]
    found = ((os.path.relpath(file, path), file) for file in files if os.path.isfile(file))
    return sorted(found, key=lambda pair: os.fsencode(pair[0]))


def hash_output(path: str) -> dict[str, Any]:
    """What the record says of an output: each file with its SHA-256 and size, and the digest of this list.

    The digest is the SHA-256 of the list as JSON without spaces; it is of all files, also where too many are listed.
    """
    rows = []
    for name, file in output_files(path):
        try:
            rows.append([os.fsencode(name).decode("utf-8", "replace"), *hash_file(file)])
        except OSError as error:
            say(f"warning: `{file}` is not recorded: {error.strerror}")
            return {"digest": None, "size": None, "files": None}
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    return {
        "digest": "sha256:" + hashlib.sha256(text.encode()).hexdigest(),
        "size": sum(size for _, _, size in rows),
        "files": rows if len(rows) <= RECORDED_FILES else None,
    }


def hash_file(path: str) -> tuple[str, int]:
    """The SHA-256 and the size in bytes of a file. Raises: OSError."""
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        for data in iter(lambda: file.read(CHUNK), b""):
            digest.update(data)
            size += len(data)
    return digest.hexdigest(), size


def _read_metrics(path: str) -> Any:
    """The metrics that a command wrote; what is no number of JSON (NaN, Infinity) as the word for it."""
    try:
        with open(path, "rb") as file:
            return json.loads(file.read(METRICS_LIMIT), parse_constant=str, parse_float=_finite)
    except (OSError, ValueError) as error:
        say(f"warning: `{path}` is not recorded: {error}")
        return None


def _finite(text: str) -> Any:
    number = float(text)
    return number if abs(number) != float("inf") else ("-" if number < 0 else "") + "Infinity"


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")  # noqa: UP017


def _variable(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", name.upper())


def _can_write(folder: str) -> bool:
    with suppress(OSError):
        os.makedirs(folder, exist_ok=True)
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


def _temporary_folder() -> str:
    for parent in (None, "/dev/shm", place("/out")):  # a read-only root leaves the second one
        with suppress(OSError):
            return tempfile.mkdtemp(prefix="envbuild-", dir=parent)
    raise LauncherError(
        "there is no folder for temporary files", "" if UNDER_RUN else "Give one: `docker run --tmpfs /tmp …`"
    )


def provide(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Make sure that data is there and is the right one; what the record says of it.

    Raises: LauncherError, if it is another, or cannot be had.
    """
    path, source = place(entry["path"]), "present"
    is_folder = entry.get("kind", "file") != "file"
    if not os.path.exists(path):
        fetch(name, entry, path)
        source = "fetched"
    elif entry.get("packed") and not (_is_mounted(path) or _is_mounted(place("/data"))):
        source = "packed"
    if os.path.isdir(path) != is_folder:
        is_there, expected = ("a file", "a folder") if is_folder else ("a folder", "a file")
        raise LauncherError(f"`{path}` is {is_there}, and {expected} is expected", _mount_hint(name, entry))
    digest, size = verify_folder(name, entry, path) if is_folder else verify(name, entry, path)
    return {"sha256": digest, "size": size, "source": source}


def manifest(name: str, entry: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The files of a folder by path, as the bundle's data lock has them; `entry` has the digest of this list."""
    path = place("/bundle/data.lock.json")
    try:
        with open(path, encoding="utf-8") as file:
            rows = json.load(file)["data"][name]["files"]
        text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
        if hashlib.sha256(text.encode()).hexdigest() != entry.get("sha256"):
            raise ValueError
        files = {path: {"sha256": digest, "size": size} for path, digest, size in rows}
        if not all(isinstance(one, str) and os.path.normpath(one) == one for one in files):
            raise ValueError
        if any(os.path.isabs(one) or one.split("/")[0] == ".." for one in files):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LauncherError(f"`{path}` does not tell the files of `{name}`") from error
    return files


def verify_folder(name: str, entry: dict[str, Any], path: str) -> tuple[str, int]:
    """The digest and the size in bytes of a folder, which must have just the files of its manifest."""
    wanted, found = manifest(name, entry), set()
    for folder, _, files in os.walk(path):
        found.update(os.path.relpath(os.path.join(folder, file), path) for file in files)
    wrong = [f"`{file}` is missing" for file in sorted(wanted.keys() - found)]
    others = (file for file in sorted(found - wanted.keys()) if not LEFT_OUT.intersection(file.split("/")))
    wrong += [f"`{file}` does not belong there" for file in others]
    if wrong:
        more = f", and {len(wrong) - TOLD} more" if len(wrong) > TOLD else ""
        raise LauncherError(
            f"the data `{name}` is another: {', '.join(wrong[:TOLD])}{more}", _mount_hint(name, entry), DIGEST_WRONG
        )
    for file, one in wanted.items():
        verify(f"{name}/{file}", {**entry, **one}, os.path.join(path, file))
    return entry["sha256"], sum(one["size"] for one in wanted.values())


def verify(name: str, entry: dict[str, Any], path: str) -> tuple[str, int]:
    """The SHA-256 and the size in bytes of a file, which must be those that are `wanted`."""
    try:
        digest, size = hash_file(path)
    except OSError as error:
        raise LauncherError(f"`{path}` cannot be read by user {os.getuid()}: {error.strerror}") from error
    wanted = (entry.get("sha256") or "").replace("sha256:", "") or None
    for what, expected, found in (("size", entry.get("size"), size), ("SHA-256", wanted, digest)):
        if expected is not None and expected != found:
            raise LauncherError(
                f"the data `{name}` is another: its {what} is {found} instead of {expected}",
                _mount_hint(name, entry),
                DIGEST_WRONG,
            )
    return digest, size


def fetch(name: str, entry: dict[str, Any], path: str) -> None:
    """Download a data file to its place, from the first URL that has it.

    Raises: LauncherError, if none has, or the place cannot be written to.
    """
    folder = os.path.dirname(path)
    from urllib.parse import quote

    if not entry.get("urls"):
        raise LauncherError(f"the data `{name}` is not mounted, and has no URL", _mount_hint(name, entry))
    if not _can_write(folder):
        raise LauncherError(
            f"the data `{name}` is not mounted, and user {os.getuid()} cannot write to `{folder}` to fetch it",
            _mount_hint(name, entry)
            + ("" if UNDER_RUN else f", or let it be fetched into memory: `docker run --tmpfs {folder} …`"),
        )
    if entry.get("kind", "file") == "file":
        _fetch_file(name, entry, path)
        return
    draft = tempfile.mkdtemp(prefix=f".{name}-", dir=folder)
    try:
        for file, one in manifest(name, entry).items():
            os.makedirs(os.path.dirname(os.path.join(draft, file)), exist_ok=True)
            urls = [url + (quote(file) if _is_fetched_here(url) else file) for url in entry["urls"]]
            _fetch_file(f"{name}/{file}", {**entry, **one, "urls": urls}, os.path.join(draft, file))
        os.chmod(draft, 0o755)
        os.replace(draft, path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _fetch_file(name: str, entry: dict[str, Any], path: str) -> None:
    descriptor, part = tempfile.mkstemp(prefix=".part-", dir=os.path.dirname(path))
    os.close(descriptor)
    try:
        _fetch_any(name, entry, part)
        verify(name, entry, part)
        os.chmod(part, 0o644)
        os.replace(part, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(part)


def _fetch_any(name: str, entry: dict[str, Any], part: str) -> None:
    failures = []
    for url in entry["urls"]:
        if _is_fetched_here(url):
            say(f"fetching {name} from {_public(url)}")
        os.truncate(part, 0)
        failure = _fetch_url(url, part, entry.get("size"))
        if failure is None:
            return
        failures.append(f"{_public(url)}: {failure}")
    raise LauncherError(f"the data `{name}` cannot be fetched: " + "; ".join(failures), _mount_hint(name, entry))


def _fetch_url(url: str, part: str, size: int | None) -> str | None:
    """Download into `part`, going on where a broken connection left off; what failed, or None."""
    from http.client import HTTPException
    from urllib.error import HTTPError

    if not _is_fetched_here(url):
        return "only http, https and file are fetched here"
    fruitless, furthest, failure = 0, 0, "no answer"
    while fruitless < FRUITLESS_ATTEMPTS:
        try:
            _append(url, part, size)
        except HTTPError as error:
            failure = f"HTTP status {error.code}"
            error.close()
            if error.code == 416:
                os.truncate(part, 0)
            elif error.code < 500 and error.code not in (408, 429):
                return failure
        except (OSError, HTTPException) as error:
            failure = str(error)
            if url.startswith("file:"):
                return failure
        else:
            return None
        fruitless = 0 if os.path.getsize(part) > furthest else fruitless + 1
        furthest = max(furthest, os.path.getsize(part))
        if fruitless and fruitless < FRUITLESS_ATTEMPTS:
            time.sleep(float(os.environ.get("ENVBUILD_RETRY_WAIT", "1")) * 2 ** (fruitless - 1))
    return failure


def _is_fetched_here(url: str) -> bool:
    return url.partition("://")[0] in ("http", "https", "file")


def _append(url: str, part: str, size: int | None) -> None:
    from urllib.request import Request, urlopen

    start = os.path.getsize(part)
    headers = {"User-Agent": "envbuild-launcher/1", "Accept-Encoding": "identity"}
    headers.update({"Range": f"bytes={start}-"} if start else {})
    with urlopen(Request(url, headers=headers), timeout=TIMEOUT) as answer:  # the scheme was checked
        partial = getattr(answer, "status", None) == 206
        length = answer.headers.get("Content-Length")
        total = start if partial else 0
        expected = total + int(length) if length and length.isdigit() else None
        with open(part, "ab" if partial else "wb") as file:
            for data in iter(lambda: answer.read(CHUNK), b""):
                total += len(data)
                if size is not None and total > size:
                    raise LauncherError(f"{_public(url)} gives more than the {size} bytes expected", "", DIGEST_WRONG)
                file.write(data)
    if expected is not None and total < expected:
        raise OSError(f"the connection ended after {total} of {expected} bytes")


def _public(url: str) -> str:
    """A URL without what may be secret: user, password and query."""
    return re.sub(r"//[^/@]*@", "//", re.split(r"[?#]", url)[0])


def _mount_hint(name: str, entry: dict[str, Any]) -> str:
    origin = ", ".join(map(_public, entry.get("urls") or ()))
    what = "file" if entry.get("kind", "file") == "file" else "folder"
    flag = f"--data {name.partition('/')[0]}={what.upper()}" if UNDER_RUN else f"-v {what.upper()}:{entry['path']}:ro"
    return f"Give the right {what}: `{flag}`" + (f", as it is had from {origin}" if origin else "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
