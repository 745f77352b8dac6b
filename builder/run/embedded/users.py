"""Finding the user of an image: `User` of its config (image-spec, config.md), or what the caller asks for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from builder.errors import EnvbuildError
from builder.run.embedded.namespaces import Identity

_LIMIT = 4 << 20
_LARGEST_ID = (1 << 32) - 2


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    identifier: int
    group: int


def find_identity(user: str, root: Path) -> Identity:
    """The ids of `user`, which is `uid`, `uid:gid` or names instead, in the image that is mounted at `root`.

    A user without a group gets its own from `/etc/passwd`, or 0. Supplementary groups are not taken.

    Raises: EnvbuildError, if there is no such user or group.
    """
    name, _, group = user.partition(":")
    row = _find(name or "0", root / "etc/passwd", "user")
    return Identity(row.identifier, _find(group, root / "etc/group", "group").identifier if group else row.group)


def _find(name: str, table: Path, kind: str) -> _Row:
    rows = _rows(table)
    if name.isascii() and name.isdigit():
        number = int(name) if len(name) < 12 else _LARGEST_ID + 1
        if number > _LARGEST_ID:
            raise EnvbuildError(f"`{name}` is not a {kind} id")
        return next((row for row in rows if row.identifier == number), _Row(name, number, 0))
    for row in rows:
        if row.name == name:
            return row
    raise EnvbuildError(
        f"{kind} `{name}` is not in the image",
        f"its `/etc/{table.name}` does not have it",
        "Give numbers: `--user UID:GID`",
    )


def _rows(table: Path) -> list[_Row]:
    """The rows of a passwd or group file (passwd(5)); the group of a group is 0."""
    try:
        descriptor = os.open(table, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # it may be a FIFO
    except OSError:
        return []
    with os.fdopen(descriptor, "rb") as file:
        text = file.read(_LIMIT).decode(errors="replace")
    rows = []
    for fields in (line.split(":") for line in text.splitlines()):
        if len(fields) >= 3 and fields[2].isdigit():
            group = fields[3] if len(fields) >= 7 and fields[3].isdigit() else "0"
            rows.append(_Row(fields[0], int(fields[2]), int(group)))
    return rows
