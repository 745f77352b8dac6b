"""`envbuild lock diff`: what differs between two locks, wherever they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from builder.cli.options import json_option
from builder.cli.output import Output, print_json
from builder.errors import EnvbuildError


@click.command("diff", short_help="Show what differs between two locks.")
@click.argument("before", metavar="A")
@click.argument("after", metavar="[B]", required=False)
@click.option(
    "--path", type=click.Path(path_type=Path, exists=True), help="Whose lock a bare revision means [default: .]."
)
@json_option
@click.option("--markdown", is_flag=True, help="Print Markdown, for a pull request.")
@click.option("--exit-code", "with_exit_code", is_flag=True, help="Exit 1 if they differ.")
@click.pass_obj
def command(
    output: Output,
    before: str,
    after: str | None,
    path: Path | None,
    as_json: bool,
    markdown: bool,
    with_exit_code: bool,
) -> int:
    """Show what differs from the lock A to the lock B: base, interpreter, packages, licenses, sizes to download.

    Each is the folder of an environment or project, a lock folder, a bundle, or a git revision (HEAD~1,
    v1:environments/train). Without B, the lock as it is now. Exits 0 whether they differ or not.
    """
    from builder.cli.lock_diff_text import as_markdown, as_table, to_json
    from builder.lock.diff import diff_locks

    if as_json and markdown:
        raise click.UsageError("`--json` and `--markdown` exclude each other.")
    one = _open(before, path, output)
    other = _open(after, path, output) if after is not None else _present(before, path, output)
    found = diff_locks(one.lock, other.lock)
    if as_json:
        print_json(to_json(found, (one.label, one.lock), (other.label, other.lock)))
    else:
        for line in (as_markdown if markdown else as_table)(found, one.label, other.label):
            click.echo(line)
    return 1 if with_exit_code and found else 0


@dataclass(frozen=True, slots=True)
class _Opened:
    label: str
    lock: Any


def _open(text: str, path: Path | None, output: Output) -> _Opened:
    """The lock that an argument means: what is there under this name, else a git revision."""
    from builder.lock.document import LOCK_FILE
    from builder.spec.environment import ENVIRONMENT_FILE
    from builder.spec.load import PROJECT_FILE

    place = Path(text)
    if place.is_dir():
        if (place / LOCK_FILE).is_file():
            return _from_folder(text, place, output)
        is_layout = (place / "index.json").is_file()
        return _from_bundle(text, place, output) if is_layout else _from_environment(text, place, output)
    if place.is_file():
        if place.name == LOCK_FILE:
            return _from_folder(text, place.parent, output)
        is_spec = place.name in (PROJECT_FILE, ENVIRONMENT_FILE)
        return _from_environment(text, place, output) if is_spec else _from_bundle(text, place, output)
    return _from_revision(text, path, output)


def _present(before: str, path: Path | None, output: Output) -> _Opened:
    """The lock as it is now of what the first argument means, or of the path that is said."""
    if path is None and not Path(before).exists() and ":" in before:
        from builder.lock.revision import find_revision

        revision = find_revision(before, Path(), None)
        path = Path(os.path.relpath(revision.top / revision.folder))
    return _open(str(path or Path()), None, output)


def _from_environment(label: str, path: Path, output: Output) -> _Opened:
    from builder.spec import load_environment

    return _from_folder(label, load_environment(path).lock_folder, output)


def _from_folder(label: str, folder: Path, output: Output) -> _Opened:
    from builder.lock.folder import read_lock

    return _Opened(label, _read(lambda verify: read_lock(folder, verify=verify), output))


def _from_bundle(label: str, path: Path, output: Output) -> _Opened:
    from builder.bundle.reader import open_bundle, read_lock_files
    from builder.lock.folder import parse_lock

    files = read_lock_files(open_bundle(path))
    return _Opened(label, _read(lambda verify: parse_lock(files, label, verify=verify), output))


def _from_revision(text: str, path: Path | None, output: Output) -> _Opened:
    from builder.lock.folder import parse_lock
    from builder.lock.revision import find_revision, read_revision
    from builder.spec import load_environment

    bare = ":" not in text
    folder = load_environment(path or Path()).lock_folder if bare else None
    revision = find_revision(text, path if path and path.is_dir() else Path(), folder)
    files = read_revision(revision)
    return _Opened(text, _read(lambda verify: parse_lock(files, text, verify=verify), output))


def _read(read: Callable[[bool], Any], output: Output) -> Any:
    """A lock, older or tampered with though it may be: to see that is what a comparison is for."""
    try:
        return read(True)
    except EnvbuildError as error:
        lock = read(False)
        output.say(f"note: {error.what}" + (f" ({error.why[0]})" if error.why else ""))
        return lock
