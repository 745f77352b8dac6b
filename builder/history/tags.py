"""Tags of runs: `tags.json` in the run's folder, which is no part of its record and may change."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from builder.errors import EnvbuildError
from builder.history.layout import RECORD_FILE, RUN_ID, TAGS_FILE
from builder.oci.canonical import parse_json, readable_json
from builder.oci.layout import write_atomically

TAGS_FORMAT = 1
MOST_TAGS = 100
"""Of one run."""
_SIZE = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}")


def check_tag(name: str) -> str:
    """`name`. Raises: EnvbuildError, if no tag may have it."""
    if not _NAME.fullmatch(name) or name == "latest" or RUN_ID.fullmatch(name):
        raise EnvbuildError(
            f"`{name[:80]}` cannot be a tag",
            "a tag has up to 64 letters, digits, `.`, `_`, `-` and `/`, and is neither `latest` nor the id of a run",
        )
    return name


def read_tags(folder: Path) -> tuple[str, ...]:
    """The tags of a run, sorted. Raises: EnvbuildError, if what is there is no list of tags."""
    file = folder / TAGS_FILE
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise EnvbuildError(f"`{file}` cannot be read", error.strerror or str(error)) from error
    with os.fdopen(descriptor, "rb") as opened:
        value = parse_json(opened.read(_SIZE), f"`{file}`")
    tags = value.get("tags") if isinstance(value, dict) and value.get("format") == TAGS_FORMAT else None
    if not isinstance(tags, list) or len(tags) > MOST_TAGS or not all(isinstance(one, str) for one in tags):
        raise EnvbuildError(f"`{file}` is no list of tags", hint="Correct it, or delete it")
    return tuple(sorted({check_tag(one) for one in tags}))


def change_tags(folder: Path, add: Collection[str] = (), remove: Collection[str] = ()) -> tuple[str, ...]:
    """The tags of a run after some were added and others taken away, atomically.

    Raises: EnvbuildError, if one cannot be a tag, there are too many, or they cannot be written.
    """
    wanted = {check_tag(name) for name in add}
    with _held(folder):
        return _changed(folder, wanted, remove)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Keep out others who change tags; the lock on the folder itself is of whoever runs."""
    try:
        descriptor = os.open(folder / RECORD_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise EnvbuildError(f"`{folder / RECORD_FILE}` cannot be read", error.strerror or str(error)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _changed(folder: Path, add: Collection[str], remove: Collection[str]) -> tuple[str, ...]:
    tags = sorted({*read_tags(folder), *add} - set(remove))
    if len(tags) > MOST_TAGS:
        raise EnvbuildError(f"`{folder.name}` would have {len(tags)} tags", f"a run has {MOST_TAGS} at most")
    try:
        if tags:
            write_atomically(folder / TAGS_FILE, readable_json({"format": TAGS_FORMAT, "tags": tags}))
        else:
            with suppress(FileNotFoundError):
                (folder / TAGS_FILE).unlink()
    except OSError as error:
        raise EnvbuildError(f"`{folder / TAGS_FILE}` cannot be written", error.strerror or str(error)) from error
    return tuple(tags)
