"""Which files may be read: those of the repository that the environment is in, up to a size."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from builder.errors import EnvbuildError, one_line
from builder.fetch.redaction import without_secrets_in
from builder.spec.reader import Problem, SpecError

_SIZE_LIMIT = 16 << 20
"""Bytes of a file; the largest lockfiles have a few million."""
_FILES_LIMIT = 200
"""Files that one environment may name, directly or through each other."""
_PROBLEMS_LIMIT = 100
"""Problems that are told together."""
_WIDE = (b"\xff\xfe", b"\xfe\xff")
"""How a file in UTF-16 begins."""


@dataclass(slots=True)
class Repository:
    """Reads files and collects what is wrong with them."""

    folder: Path
    """Of the environment's document; the names that the lock has for files start here."""
    spec: str
    """The environment's document as it is to be shown."""
    problems: list[Problem] = field(default_factory=list)
    _read: int = 0
    _spec_lines: dict[str, int] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """The folder that nothing is read outside of: the one with `.git`, else that above the environment's."""
        start = self.folder.resolve()
        return next((place for place in (start, *start.parents) if (place / ".git").exists()), start.parent)

    def name(self, path: Path) -> str:
        """A path from the environment's folder, with `/`."""
        return Path(os.path.relpath(path, self.folder)).as_posix()

    def shown(self, path: Path) -> str:
        """A path as messages have it: from where the document's own starts."""
        return one_line(Path(os.path.normpath(Path(self.spec).parent / self.name(path))).as_posix())

    def read(self, path: Path) -> bytes:
        """The content of a file.

        Raises: EnvbuildError, if it cannot be read, or may not.
        """
        self._read += 1
        if self._read > _FILES_LIMIT:
            raise EnvbuildError(f"more than {_FILES_LIMIT} files name each other")
        shown = self.shown(path)
        try:
            if not path.resolve().is_relative_to(self.root):
                raise EnvbuildError(
                    f"`{shown}` is outside of the repository", hint="Keep it in the folder that holds `.git`"
                )
            with open(path, "rb", opener=_without_waiting) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise EnvbuildError(f"`{shown}` is not a file")
                data = file.read(_SIZE_LIMIT + 1)
        except (OSError, RuntimeError) as error:  # the latter for a symbolic link that leads to itself
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise EnvbuildError(f"`{shown}` cannot be read", reason) from error
        if len(data) > _SIZE_LIMIT:
            raise EnvbuildError(f"`{shown}` is larger than {_SIZE_LIMIT} bytes")
        return data

    def text(self, path: Path) -> str:
        """The content of a text file in UTF-8. Raises: EnvbuildError."""
        return self.decoded(path, self.read(path))

    def decoded(self, path: Path, data: bytes) -> str:
        """Bytes of a file as text. Raises: EnvbuildError."""
        hint = "Save it as UTF-8 (PowerShell: `| Out-File -Encoding utf8 FILE`)" if data.startswith(_WIDE) else None
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise EnvbuildError(f"`{self.shown(path)}:{line}` is not text in UTF-8", str(error), hint) from error
        if "\0" in text:
            line = text.count("\n", 0, text.index("\0")) + 1
            raise EnvbuildError(f"`{self.shown(path)}:{line}` holds a NUL character, so it is not text")
        return text

    def report(self, path: Path, line: int, message: str, hint: str | None = None) -> None:
        """Add a problem."""
        self._add(Problem(self.shown(path), line, "", message, hint))

    def report_spec(self, key: str, message: str, hint: str | None = None) -> None:
        """Add a problem of a key of the environment's document."""
        self._add(Problem(self.spec, self.spec_line(key), key, message, hint))

    def spec_line(self, key: str) -> int:
        """The line of a key of the environment's document, `pypi.file`, or 1 where it cannot be told."""
        if not self._spec_lines:
            self._spec_lines.update({"": 1, **spec_lines(self.folder / Path(self.spec).name)})
        return self._spec_lines.get(key, self._spec_lines.get(key.partition("[")[0], 1))

    def check(self, path: Path) -> None:
        """Raises: SpecError, with all problems that were reported."""
        if self.problems:
            places = {problem.file for problem in self.problems}
            raise SpecError(places.pop() if len(places) == 1 else self.shown(path), self.problems)

    def _add(self, problem: Problem) -> None:
        if problem not in self.problems:
            self.problems.append(problem)
        if len(self.problems) >= _PROBLEMS_LIMIT:
            raise SpecError(problem.file, self.problems)


def shown_text(text: str, limit: int = 200) -> str:
    """A piece of a file, fit for one line of a message and without secrets."""
    line = one_line(without_secrets_in(text[: 10 * limit]))
    return " ".join(line[:limit].split()) + ("…" if len(line) > limit else "")


def spec_lines(path: Path) -> dict[str, int]:
    """The lines of the keys below `environment` of a document, as far as it can be read."""
    from builder.spec.environment import Environment
    from builder.spec.load import PROJECT_FILE
    from builder.spec.project import Project
    from builder.spec.reader import Reader

    reader = Reader(path.name, path.parent)
    try:
        reader.read(path.read_bytes(), Project if path.name == PROJECT_FILE else Environment)
    except OSError:
        return {}
    return {name.removeprefix("environment."): line for name, line in reader.lines.items()}


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe that nobody writes to is opened at once."""
    return os.open(path, flags | os.O_NONBLOCK)
