"""A glossary that people write, `glossary.yaml`: words, what they mean, and where more is said."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from builder.data.contract.common import Problems, twice
from builder.errors import EnvbuildError
from builder.spec.fields import Form, key
from builder.spec.reader import Reader, SpecError

_TEXT = Form(r"(?:.|\n)*\S(?:.|\n)*", "a text that is not empty")


@dataclass(frozen=True, slots=True)
class WrittenTerm:
    """One word."""

    term: str = key("The word, as people say it.", form=_TEXT)
    meaning: str = key("What it means, in a sentence or two.", form=_TEXT)
    synonyms: tuple[str, ...] = key("Other words for it.", default=(), form=_TEXT)
    links: tuple[str, ...] = key("Where more is said.", default=(), form=_TEXT)


@dataclass(frozen=True, slots=True)
class Glossary:
    """The words of a team."""

    terms: tuple[WrittenTerm, ...] = key("Words and what they mean.")

    def problems(self) -> Problems:
        """What single keys cannot tell."""
        yield from twice("terms", [each.term.casefold() if each and each.term else None for each in self.terms or ()])


def read_glossary(file: Path) -> Glossary:
    """The glossary in a YAML file. Raises: SpecError, EnvbuildError."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise EnvbuildError(f"the glossary `{file}` cannot be read", error.strerror or str(error)) from error
    reader = Reader(str(file), file.parent)
    glossary = reader.read(data, Glossary)
    if glossary is None:
        raise SpecError(str(file), reader.problems)
    return glossary
