"""What is printed and how: data on standard output, everything else on standard error."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from builder.errors import EnvbuildError, ExitCode
from builder.progress import Progress, shown

_UNPRINTABLE = re.compile(r"[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
"""Of what JSON leaves as it is: C1 controls, and what turns the direction of text."""


@dataclass(slots=True)
class Answer:
    """What standard output is to hold: where JSON is asked for, one document, whether the command fails or not."""

    as_json: bool = False
    given: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """How much is said."""

    quiet: bool = False
    verbose: bool = False
    answer: Answer = field(default_factory=Answer)

    def say(self, text: str) -> None:
        """A line for a person, on standard error."""
        if not self.quiet:
            click.echo(printable(text), err=True)

    def detail(self, text: str) -> None:
        """A line that only `--verbose` shows."""
        if self.verbose:
            click.echo(printable(text), err=True)

    def progress(self) -> ProgressLine | None:
        """Progress on a terminal, None elsewhere."""
        return None if self.quiet or not sys.stderr.isatty() else _progress_line()

    @contextmanager
    def working(self, label: str) -> Iterator[None]:
        """Show on a terminal that something goes on that tells nothing of itself, and for how long."""
        progress = self.progress()
        if progress is None:
            yield
            return
        ended = threading.Event()
        with shown(progress, label):
            clock = threading.Thread(target=_tick, args=(progress, label, ended), daemon=True)
            clock.start()
            try:
                yield
            finally:
                ended.set()
                clock.join()


def print_json(value: Any) -> None:
    """A value as JSON on standard output; characters that could be commands to a terminal are escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    click.echo(_UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text))
    context = click.get_current_context(silent=True)
    if context is not None and isinstance(context.obj, Output):
        context.obj.answer.given = True


def show_failure(error: EnvbuildError, code: ExitCode, output: Output) -> ExitCode:
    """The error on standard error, and as JSON on standard output where that is still to come; the exit code."""
    show_error(error)
    _answer_failure(error, code, output)
    return code


def _answer_failure(error: EnvbuildError, code: ExitCode, output: Output) -> None:
    if output.answer.as_json and not output.answer.given:
        with suppress(OSError):  # nobody reads it, and the error has been told
            print_json({"error": {**error.to_dict(), "exit-code": int(code)}})


def show_error(error: EnvbuildError) -> None:
    """What failed, why and what to do, on standard error."""
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    click.echo(click.style("error", fg="red", bold=True) if coloured else "error", err=True, nl=False)
    click.echo(f": {printable(error.what)}", err=True)
    for line in error.why:
        click.echo("  Caused by: " + printable(line).replace("\n", "\n" + " " * 13), err=True)
    if error.hint:
        click.echo(f"\nhint: {printable(error.hint)}", err=True)


def show_error_of(folder: Path, error: EnvbuildError) -> None:
    """As `show_error`, of one of many folders: the error says whose it is."""
    known = str(folder) in error.what
    show_error(error if known else EnvbuildError(f"{folder}: {error.what}", error.why, error.hint))


def show_usage_error(error: click.ClickException, arguments: Sequence[str], output: Output) -> ExitCode:
    """As `show_failure`, of a command line that cannot be understood."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":  # of click 8.2; its message is the help
        click.echo(error.format_message(), err=True)
        return ExitCode.USAGE
    if context is not None:
        click.echo(context.get_usage(), err=True)
        click.echo(f"Try `{context.command_path} --help` for help.\n", err=True)
        known = any(parameter.name == "as_json" for parameter in context.command.params)
        output.answer.as_json |= known and "--json" in arguments  # of what could not be read whole
    return show_failure(EnvbuildError(" ".join(error.format_message().split())), ExitCode.USAGE, output)


def printable(text: str) -> str:
    """`text` without control characters, which could be commands to a terminal."""
    return "".join(character if character.isprintable() or character == "\n" else "�" for character in text)


def writable(text: str, otherwise: str) -> str:
    """`text` if standard output has its characters, else `otherwise`."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return otherwise
    return text


def size_text(size: int) -> str:
    """A number of bytes for people."""
    amount = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError


def count(number: int, noun: str) -> str:
    """`1 thing`, `2 things`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


class ProgressLine:
    """A Progress that rewrites one line of a terminal."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, list[int | None]] = {}
        self._since: dict[str, float] = {}
        self._shown = 0.0

    def start(self, label: str, total: int | None = None) -> None:
        """Show that work begins."""
        with self._lock:
            self._running[label] = [0, total]
            self._since[label] = time.monotonic()
            self._draw()

    def advance(self, label: str, amount: int) -> None:
        """Show how far it is."""
        with self._lock:
            done, total = self._running.get(label, [0, None])
            self._running[label] = [(done or 0) + amount, total]
            if time.monotonic() - self._shown > 0.1:
                self._draw()

    def finish(self, label: str) -> None:
        """Show that work has ended; the line goes with the last."""
        with self._lock:
            self._running.pop(label, None)
            self._draw()

    def _draw(self) -> None:
        self._shown = time.monotonic()
        text = ""
        if self._running:
            label, (done, total) = next(iter(self._running.items()))
            amount = f": {size_text(done or 0)}" if done or total else ""
            amount += f" of {size_text(total)}" if total else ""
            amount = amount or _seconds_text(time.monotonic() - self._since.get(label, self._shown))
            others = f" and {len(self._running) - 1} more" if len(self._running) > 1 else ""
            text = printable(label) + amount + others
        width = max(20, shutil.get_terminal_size().columns - 1)
        sys.stderr.write(f"\r\x1b[K{text[:width]}")
        sys.stderr.flush()


def _tick(progress: Progress, label: str, ended: threading.Event) -> None:
    """Let the time of `label` be shown, once a second, until it has ended."""
    while not ended.wait(1):
        progress.advance(label, 0)


def _seconds_text(seconds: float) -> str:
    """How long work of no known size goes on; nothing of the first second."""
    return f": {seconds:.0f} s" if seconds >= 1 else ""


@functools.cache
def _progress_line() -> ProgressLine:
    """The one line of this process."""
    return ProgressLine()
