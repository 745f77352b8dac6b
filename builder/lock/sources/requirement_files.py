"""Requirements files and those that they name with `-r` and `-c`, read into statements in the order that pip has."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from builder.errors import EnvbuildError
from builder.fetch.redaction import without_secrets_in
from builder.lock.sources.repository import Repository, shown_text
from builder.lock.sources.statements import VARIABLE, Statement, StatementError, statements
from builder.spec.reader import SpecError

NESTED = ("requirement", "constraint")
"""The options that name another file."""
_DEPTH = 20
"""Levels of files that name each other."""
_STATEMENTS_LIMIT = 50_000
"""Of all files together; the largest locks have a few thousand."""


@dataclass(frozen=True, slots=True)
class Written:
    """One statement and where it stands."""

    file: Path
    statement: Statement
    is_constraint: bool = False
    """Whether its file was named with `-c`."""

    @property
    def entry(self) -> str:
        """What the lock keeps of it, to notice a change: the statement on one line, without secrets."""
        options = [f"--{name}{'=' if value else ''}{value}" for name, value in self.statement.options]
        mark = "--constraint " if self.is_constraint and self.statement.text else ""
        return without_secrets_in(mark + " ".join([*self.statement.text.split(), *options]))


def read_statements(repository: Repository, path: Path) -> tuple[Written, ...]:
    """The statements of a file and of those that it names; what is wrong with naming them is reported.

    Raises: EnvbuildError, if the file cannot be read, or there are too many statements.
    """
    found = tuple(islice(_statements(repository, path, is_constraint=False, above=()), _STATEMENTS_LIMIT))
    if len(found) == _STATEMENTS_LIMIT:
        raise EnvbuildError(f"`{repository.shown(path)}` and what it names have more than {_STATEMENTS_LIMIT} lines")
    return found


def is_hashed(written: tuple[Written, ...]) -> bool:
    """Whether the statements are a lock: packages with `--hash`, as pip-compile and uv write them.

    A URL with its hash among requirements that have none is no sign of one.
    """
    packages = [each.statement for each in written if each.statement.text and not each.is_constraint]
    if any(statement.hashes and "://" not in statement.text for statement in packages):
        return True
    return bool(packages) and all(statement.hashes for statement in packages)


def _statements(repository: Repository, path: Path, is_constraint: bool, above: tuple[Path, ...]) -> Iterator[Written]:
    for statement in statements(repository.text(path)):
        if isinstance(statement, StatementError):
            repository.report(path, statement.line, str(statement))
            continue
        yield Written(path, statement, is_constraint)
        named = [(name, value) for name, value in statement.options if name in NESTED]
        if statement.text or len(named) > 1:
            continue  # which is refused where options are looked at
        for name, value in named:
            yield from _named(repository, Written(path, statement), value, name == "constraint", (*above, path))


def _named(
    repository: Repository, place: Written, value: str, is_constraint: bool, above: tuple[Path, ...]
) -> Iterator[Written]:
    """The statements of a file that another one names."""
    line = place.statement.line
    if VARIABLE.search(value) or re.match(r"\w+://|file:", value):
        repository.report(
            place.file, line, f"`{shown_text(value)}` is not a path", "copy the file into the repository and name it"
        )
        return
    path = Path(os.path.normpath(place.file.parent / value))
    if path in above or len(above) > _DEPTH:
        how = "leads back to itself" if path in above else f"is the {_DEPTH}th file that names another"
        repository.report(place.file, line, f"`{shown_text(value)}` {how}", "leave it out")
        return
    try:
        found = list(islice(_statements(repository, path, is_constraint, above), _STATEMENTS_LIMIT))
    except SpecError:
        raise
    except EnvbuildError as error:
        repository.report(place.file, line, ": ".join([error.what, *error.why]), error.hint)
    else:
        yield from found
