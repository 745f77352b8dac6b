#!/usr/bin/env python3
"""The task runner: `python3 tasks.py TASK`. Needs Python 3.11 with its venv module, and nothing else installed.

    demo     the main job on examples/penguins: lock, build, bundle, train, serve, predict
    test     everything that CI checks: format, lint, types, direction of imports, tests (more arguments go to pytest)
    slow     heavy checks: fuzzing, big inputs
    reproduce  the promise: examples/penguins is bundled and made again; its page gets the transcript
    bench    the benchmarks; writes docs/benchmarks.md anew (more arguments go to benchmarks/run.py)
    docs     write the generated reference anew

Everything is installed into `.venv` in this folder, once, and again when pyproject.toml changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = Path(os.environ.get("ENVBUILD_VENV", ROOT / ".venv"))
EXAMPLE = "examples/penguins"
SPEC_PAGE = """\
# The documents

`envbuild.yaml` is a project, `environment.yaml` an [Environment](#environment) that projects share. Both are read
strictly: every problem is told, with file and line.

"""
MODULE_PAGE = """\
# Modules

What a stage that others use says of itself; [how](../guides/modules.md). Paths are relative to the file.

"""
POLICY_PAGE = """\
# Policies

What `envbuild verify --policy FILE` holds a bundle to; [how](../guides/policies.md). Paths are relative to the file.

"""
PENGUIN = {"bill_length_mm": 46.5, "bill_depth_mm": 17.9, "flipper_length_mm": 192, "body_mass_g": 3500}


def main(arguments: list[str]) -> int:
    """Run one task; its exit code."""
    tasks = {"demo": demo, "test": test, "slow": slow, "reproduce": reproduce, "bench": bench, "docs": docs}
    if not arguments or arguments[0] not in tasks:
        print(__doc__)
        return 2
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is what an older Python is told by
        print("Python 3.11 or newer is needed; this is", sys.version.split()[0], file=sys.stderr)
        return 1
    os.chdir(ROOT)
    try:
        tasks[arguments[0]](arguments[1:])
    except subprocess.CalledProcessError as error:
        print(f"failed: {shlex.join(map(str, error.cmd))}", file=sys.stderr)
        return error.returncode
    return 0


def demo(_: list[str]) -> None:
    """The main job, as a user would type it."""
    install("")
    envbuild("lock", "--check", EXAMPLE)
    envbuild("build", EXAMPLE)
    envbuild("run", EXAMPLE, "train")
    Path("build").mkdir(exist_ok=True)
    envbuild("bundle", EXAMPLE, "-o", "build/penguins.tar")
    envbuild("inspect", "build/penguins.tar")
    serve_and_predict("build/penguins.tar")


def serve_and_predict(bundle: str) -> None:
    """Serve the bundle's model and ask it for one prediction."""
    docker = subprocess.run([program("envbuild"), "-q", "run", bundle, "--engine", "docker"], capture_output=True)
    engine, port = ("docker", free_port()) if docker.returncode == 0 else ("embedded", 8080)
    command = ["run", bundle, "serve", "--engine", engine, "-p", f"{port}:8080"]
    print("$ envbuild", *command, "&", flush=True)
    server = subprocess.Popen([program("envbuild"), *command])
    try:
        wait_until_ready(f"http://127.0.0.1:{port}/readyz", server)
        body = json.dumps({"input": PENGUIN}).encode()
        url = f"http://127.0.0.1:{port}/predictions"
        print(f"$ curl -X POST {url} -H 'content-type: application/json' -d '{body.decode()}'")
        request = urllib.request.Request(url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            print(answer.read().decode(), flush=True)
    finally:
        server.terminate()
        server.wait(30)


def wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    """Ask until the server is ready, for a minute at most."""
    for _ in range(600):
        if server.poll() is not None:
            raise subprocess.CalledProcessError(server.returncode or 1, ["envbuild", "run", "serve"])
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise subprocess.CalledProcessError(1, ["curl", url])


def test(arguments: list[str]) -> None:
    """Everything that CI checks; with arguments, only those tests."""
    install("test")
    if not arguments:
        run("ruff", "check")
        run("ruff", "format", "--check")
        run("mypy")
        run("lint-imports")
    workers = str((os.cpu_count() or 1) + 1)  # engines and registries are waited for half of the time
    spread = ["-n", workers, "--dist", "loadfile", "--no-loadscope-reorder"]
    run("pytest", *(arguments or ["-m", "not slow", *spread, "--durations=60", "--durations-min=4"]))


def slow(arguments: list[str]) -> None:
    """Heavy checks."""
    install("test")
    run("pytest", *(arguments or ["tests/slow"]))
    if not arguments:
        run("pytest", "-m", "slow", "tests/e2e", "tests/integration")


def reproduce(_: list[str]) -> None:
    """Train and bundle the example, make it again in an empty store, and write what was printed into its page."""
    install("")
    Path("build").mkdir(exist_ok=True)
    page = Path("docs/guides/reproducing.md")
    with tempfile.TemporaryDirectory(prefix="empty-store-") as empty:
        shown = [
            printed(["run", EXAMPLE, "train"]),
            printed(["bundle", EXAMPLE, "-o", "build/penguins.tar"]),
            printed(["reproduce", "build/penguins.tar"], ENVBUILD_CACHE=empty),
        ]
    start, end = "<!-- transcript: python3 tasks.py reproduce -->\n", "<!-- end of transcript -->"
    before, _, rest = page.read_text("utf-8").partition(start)
    text = f"```console\n{''.join(shown)}```\n"
    page.write_text(before + start + text + end + rest.partition(end)[2], "utf-8")


def printed(arguments: list[str], **variables: str) -> str:
    """Run a command of envbuild, print what it prints, and return that as a transcript."""
    named = "".join(f"{name}=$(mktemp -d) " for name in variables)
    lines = [f"$ {named}envbuild {shlex.join(arguments)}\n"]
    command = [program("envbuild"), *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **variables}
    ) as process:
        print(lines[0], end="", flush=True)
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return "".join(lines)


def bench(arguments: list[str]) -> None:
    """The benchmarks, into docs/benchmarks.md with its plots."""
    install("test")
    run("python", "benchmarks/run.py", *arguments)


def docs(_: list[str]) -> None:
    """Write the generated reference anew."""
    install("")
    for name, text in reference(program("envbuild")).items():
        Path(name).write_text(text, "utf-8")


def reference(*envbuild: str) -> dict[str, str]:
    """The generated files of the reference, by path, as the program that the line `envbuild` starts prints them."""

    def output(*arguments: str) -> str:
        environment = {**os.environ, "COLUMNS": "100", "LC_ALL": "C.UTF-8"}
        line = [*envbuild, *arguments]
        return subprocess.run(line, check=True, capture_output=True, text=True, env=environment, cwd=ROOT).stdout

    documents = ("envbuild", "environment", "module", "policy")
    files = {f"docs/reference/{document}.schema.json": output("schema", document) for document in documents}
    files["docs/reference/spec.md"] = SPEC_PAGE + output("schema", "envbuild", "--markdown")
    files["docs/reference/module.md"] = MODULE_PAGE + output("schema", "module", "--markdown")
    files["docs/reference/policy.md"] = POLICY_PAGE + output("schema", "policy", "--markdown")
    waiting: list[list[str]] = [[]]
    pages = ["# The commands\n"]
    while waiting:
        words = waiting.pop(0)
        text = output(*words, "--help")
        pages.append(f"## {' '.join(['envbuild', *words])}\n\n```text\n{text}```\n")
        inner = [[*words, line.split()[0]] for line in text.partition("Commands:\n")[2].splitlines()]
        waiting = inner + waiting
    files["docs/reference/commands.md"] = "\n".join(pages)
    return files


def install(extra: str) -> None:
    """Install the project into its virtual environment, unless that was done for this pyproject.toml."""
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + sys.version.encode()).hexdigest()
    stamps = [VENV / f"installed-{name}-{wanted[:16]}" for name in {extra, "test"}]
    if any(stamp.exists() for stamp in stamps):
        return
    print(f"installing into {VENV} …", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    pip = [program("python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--editable", f".[{extra}]" if extra else "."], check=True)
    (VENV / f"installed-{extra}-{wanted[:16]}").touch()


def envbuild(*arguments: str) -> None:
    """Show and run one command of envbuild."""
    print("$ envbuild", shlex.join(arguments), flush=True)
    subprocess.run([program("envbuild"), *arguments], check=True)


def run(name: str, *arguments: str) -> None:
    """Show and run a program of the virtual environment."""
    print("$", name, shlex.join(arguments), flush=True)
    environment = {**os.environ, "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}
    subprocess.run([program(name), *arguments], check=True, env=environment)


def program(name: str) -> str:
    """The path of a program of the virtual environment."""
    return str(VENV / "bin" / name)


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
