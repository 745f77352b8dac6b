"""The folder of an audit trail: reading all of it, bounded, and adding an event so that none is ever lost."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from builder.errors import EnvbuildError
from builder.records.audit.event import EVENT_LIMIT, Event, event_name
from builder.records.audit.trail import Finding, Trail, read_trail

MARKER = "trail.json"
"""The file that makes a folder an audit trail; what it holds is its format."""
MARKER_DATA = b'{"format":1}\n'
_FILE = re.compile(r"([0-9a-f]{64})\.json(\.sig)?")
_DRAFT = ".event-"
_MOST_FILES = 200_000
_MOST_BYTES = 256 << 20
_ATTEMPTS = 100


def is_trail(folder: Path) -> bool:
    """Whether a folder was made for an audit trail."""
    return (folder / MARKER).is_file()


def make_trail(folder: Path) -> None:
    """Make a folder the place of an audit trail, where it is none. Raises: EnvbuildError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not is_trail(folder):
            (folder / MARKER).write_bytes(MARKER_DATA)
    except OSError as error:
        raise _failed(folder, error) from error


def read_folder(folder: Path) -> Trail:
    """The trail in a folder. What cannot be an event is a finding of it.

    Raises: EnvbuildError, if the folder cannot be read, or holds more than any trail does.
    """
    reading = _Reading()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                reading.take(entry)
    except OSError as error:
        raise EnvbuildError(f"the audit trail `{folder}` cannot be read", error.strerror or str(error)) from error
    trail = read_trail(reading.events, reading.signatures)
    return replace(trail, findings=(*trail.findings, *sorted(reading.findings, key=lambda finding: finding.file)))


@dataclass(slots=True)
class _Reading:
    """What was read so far."""

    events: dict[str, bytes] = field(default_factory=dict)
    signatures: dict[str, bytes] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    size: int = 0

    def take(self, entry: os.DirEntry[str]) -> None:
        """Read an entry of the folder, if it is a file of the trail."""
        found = _FILE.fullmatch(entry.name)
        if found is None:
            if entry.name.endswith((".json", ".sig")) and entry.name != MARKER and not entry.name.startswith("."):
                self._find(entry, "its name is not that of an event")
            return
        data = self._content(entry)
        if data is None:
            return
        self.size += len(data)
        if len(self.events) + len(self.signatures) >= _MOST_FILES or self.size > _MOST_BYTES:
            raise EnvbuildError("the audit trail is too large to be read", f"it has more than {_MOST_FILES} files")
        (self.signatures if found[2] else self.events)[found[1]] = data

    def _content(self, entry: os.DirEntry[str]) -> bytes | None:
        """The bytes of a regular file that is not too large."""
        try:
            descriptor = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            self._find(entry, "it is a link" if entry.is_symlink() else f"it cannot be read: {error.strerror}")
            return None
        try:
            regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            data = os.read(descriptor, EVENT_LIMIT + 1) if regular else b""
        finally:
            os.close(descriptor)
        if not regular:
            self._find(entry, "it is no regular file")
            return None
        if len(data) > EVENT_LIMIT:
            self._find(entry, f"it is larger than the {EVENT_LIMIT} bytes of an event")
            return None
        return data

    def _find(self, entry: os.DirEntry[str], message: str) -> None:
        self.findings.append(Finding("check", entry.name[:200], message))


def add_event(folder: Path, event: Event, sign: Callable[[bytes], bytes] | None = None) -> str:
    """Add an event behind all that are there; its name. The parents of `event` are found here.

    Raises: EnvbuildError, if it cannot be written or signed; then nothing was written.
    """
    make_trail(folder)
    for _ in range(_ATTEMPTS):
        data = replace(event, parents=read_folder(folder).heads).to_bytes()
        name = event_name(data)
        signature = sign(data) if sign else None
        try:
            if signature is not None:
                _write_new(folder / f"{name}.json.sig", signature)
            _write_new(folder / f"{name}.json", data)
        except FileExistsError:  # another process wrote the same in this second: this one comes behind it
            continue
        except OSError as error:
            raise _failed(folder, error) from error
        return name
    raise EnvbuildError(f"no event can be added to `{folder}`", "others are always faster")


def _write_new(path: Path, data: bytes) -> None:
    """Write a file that must not be there, whole or not at all. Raises: FileExistsError, OSError."""
    descriptor, draft = tempfile.mkstemp(prefix=_DRAFT, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
            os.fchmod(descriptor, 0o644)
        os.link(draft, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(draft)


def _failed(folder: Path, error: OSError) -> EnvbuildError:
    return EnvbuildError(
        f"nothing can be added to the audit trail `{folder}`",
        error.strerror or str(error),
        "Name another folder in `ENVBUILD_AUDIT`",
    )
