"""Text from specs, locks and images in a Dockerfile: quoted, so that none of it is taken for an instruction. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from builder.errors import EnvbuildError, one_line

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!~-]*")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@+-]*")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?")
_PATH = re.compile(r"/[A-Za-z0-9._+@/-]*")
_PORT = re.compile(r"[0-9]{1,5}(?:/[a-z]+)?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]*")
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")


def quoted(text: str) -> str:
    """A word in double quotes that stands for `text` itself: no variable is expanded in it.

    A line cannot be broken in one, so that control characters become spaces.
    """
    return '"' + re.sub(r'(["\\$])', r"\\\1", one_line(text)) + '"'


def exec_form(words: Sequence[str]) -> str:
    """A program and its arguments as ENTRYPOINT and CMD take them: no shell and no expansion is involved."""
    return json.dumps(list(words))


def file_name(text: str) -> str:
    """`text`, if it is a plain name of a file."""
    return _fitting(_FILE_NAME, text, "the name of a file")


def image(text: str) -> str:
    """`text`, if it is a reference of an image."""
    return _fitting(_IMAGE, text, "the name of an image")


def user(text: str) -> str:
    """`text`, if it is a user, with or without a group."""
    return _fitting(_USER, text, "a user")


def path(text: str) -> str:
    """`text`, if it is an absolute path of plain characters."""
    return _fitting(_PATH, text, "a path")


def port(text: str) -> str:
    """`text`, if it is a port, with or without its protocol."""
    return _fitting(_PORT, text, "a port")


def variable(text: str) -> str:
    """`text`, if it is the name of an environment variable."""
    return _fitting(_VARIABLE, text, "the name of a variable")


def label(text: str) -> str:
    """`text`, if it is the key of a label."""
    return _fitting(_LABEL, text, "the key of a label")


def requirement(text: str) -> str:
    """`text`, if it is the name or the version of a Python package."""
    return _fitting(_REQUIREMENT, text, "the name or version of a package")


def _fitting(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not pattern.fullmatch(text):
        raise EnvbuildError(f"{one_line(text[:200])!r} cannot stand in a Dockerfile", f"it is to be {what}")
    return text
