"""What a command names of the project: files, modules of Python (`-m`), source (`-c`). Pure."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*")
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh"})
_TAKES_VALUE = re.compile(r"-[WX]|--check-hash-based-pycs"), re.compile(r"[-+][a-z]*[oO]|--(?:init|rc)-?file")
"""Options of Python, and of shells, whose value is the next argument."""
_MODULE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_APP = "/app/"


@dataclass(frozen=True, slots=True)
class Mention:
    """Something that a command names."""

    kind: Literal["file", "module", "source"]
    """Of a file: perhaps one. Of source: what Python is given to run."""
    text: str
    """A normal path in the project, a dotted name, the source."""
    is_program: bool = False
    """Whether it is what an interpreter is to run, and so must be there."""


def mentions(arguments: Sequence[str]) -> Iterator[Mention]:
    """What a program and its arguments name, in order. Paths out of the project are left out."""
    program = posixpath.basename(arguments[0]) if arguments else ""
    is_python, is_shell = bool(_PYTHON.fullmatch(program)), program in _SHELLS
    script = _script(arguments, _TAKES_VALUE[is_shell]) if is_python or is_shell else None
    for number, argument in enumerate(arguments):
        before = arguments[number - 1] if number else ""
        if before == "-m" and _MODULE.fullmatch(argument):
            yield Mention("module", argument)
        elif before == "-c" and is_python:
            yield Mention("source", argument)
        elif re.fullmatch(r"-[a-z]*c", before) and is_shell:
            yield from _words(argument)
        else:
            for text in (argument, argument.partition("=")[2]):
                path = _path(text)
                if path:
                    yield Mention("file", path, number == script or (number == 0 and "/" in path))


def _words(text: str) -> Iterator[Mention]:
    """What a script of a shell names; the command of each line as one of its own."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    command: list[str] = []
    try:
        for word in lexer:
            if word.strip(";&|()<>\n"):
                command.append(word)
            elif not word.startswith((">", "<")):
                yield from mentions(command)
                command = []
    except ValueError:  # a quote that is not closed, which the shell will tell
        pass
    yield from mentions(command)


def _script(arguments: Sequence[str], takes_value: re.Pattern[str]) -> int | None:
    """Which argument an interpreter takes for its script; None where it is given none."""
    number = 1
    while number < len(arguments):
        argument = arguments[number]
        if re.fullmatch(r"-[a-z]*[mc]", argument) or argument == "-":
            return None
        if not argument.startswith(("-", "+")):
            return number
        number += 2 if takes_value.fullmatch(argument) else 1
    return None


def _path(text: str) -> str | None:
    text = text.removeprefix(_APP)
    if not text or text.startswith(("/", "-", "~")) or "\0" in text or "\n" in text:
        return None
    path = posixpath.normpath(text)
    return None if path == "." or path.split("/")[0] == ".." else path
