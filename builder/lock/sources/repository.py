"""Which files may be read: those of the repository that the environment is in, up to a size."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from builder.errors import EnvbuildError
from builder.spec.reader import Problem, SpecError

_SIZE_LIMIT = 64 << 20
"""Bytes of a file; the largest lockfiles have a few million."""
_FILES_LIMIT = 200
"""Files that one environment may name, directly or through each other."""


@dataclass(slots=True)
class Repository:
    """Reads files and collects what is wrong with them."""

    folder: Path
    """Of the environment's document; paths in messages and in the lock start here."""
    problems: list[Problem] = field(default_factory=list)
    _read: int = 0

    @property
    def root(self) -> Path:
        """The folder that nothing is read outside of: the one with `.git`, else that above the environment's."""
        start = self.folder.resolve()
        return next((place for place in (start, *start.parents) if (place / ".git").exists()), start.parent)

    def shown(self, path: Path) -> str:
        """A path from the environment's folder, with `/`."""
        return Path(os.path.relpath(path, self.folder)).as_posix()

    def read(self, path: Path, place: tuple[Path, int] | None = None) -> bytes:
        """The content of a file, which `place`, a file and its line, names.

        Raises: EnvbuildError, if it cannot be read, or may not.
        """
        self._read += 1
        if self._read > _FILES_LIMIT:
            raise EnvbuildError(f"more than {_FILES_LIMIT} files name each other", hint="Look for a cycle")
        named = [f"it is named in `{self.shown(place[0])}:{place[1]}`"] if place else []
        if not path.resolve().is_relative_to(self.root):
            raise EnvbuildError(f"`{self.shown(path)}` is outside of the repository", named)
        try:
            if path.stat().st_size > _SIZE_LIMIT:
                raise EnvbuildError(f"`{self.shown(path)}` is larger than {_SIZE_LIMIT} bytes", named)
            return path.read_bytes()
        except OSError as error:
            why = [error.strerror or str(error), *named]
            raise EnvbuildError(f"`{self.shown(path)}` cannot be read", why) from error

    def text(self, path: Path, place: tuple[Path, int] | None = None) -> str:
        """The content of a text file in UTF-8. Raises: EnvbuildError."""
        try:
            return self.read(path, place).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise EnvbuildError(f"`{self.shown(path)}` is not text in UTF-8", str(error)) from error

    def report(self, path: Path, line: int, message: str, hint: str | None = None) -> None:
        """Add a problem."""
        self.problems.append(Problem(self.shown(path), line, "", message, hint))

    def check(self, path: Path) -> None:
        """Raises: SpecError, with all problems that were reported."""
        if self.problems:
            raise SpecError(self.shown(path), self.problems)
