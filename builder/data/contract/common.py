"""Parts that many parts of a contract have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from builder.spec.fields import Form, key

Problems = Iterator[tuple[str, str, str | None]]
"""What is wrong in a part: the way to it from there, a message, a hint."""
STABLE_ID = Form(r"[^\s.#/\\@!%&^]+", r"an id: no spaces, and none of `.#/\@!%&^`")
REFERENCE = Form(
    r"[A-Za-z_][A-Za-z0-9_\-]*(\.[A-Za-z_][A-Za-z0-9_\-]*)+"
    r"|(?:(?:https?://)?[A-Za-z0-9._\-/]+\.ya?ml#)?/?[A-Za-z_][A-Za-z0-9_]*/[^\s.#/\\@!%&^]+"
    r"(?:/[A-Za-z_][A-Za-z0-9_]*/[^\s.#/\\@!%&^]+)*",
    "a reference: `TABLE.COLUMN`, or `schema/ID/properties/ID` by the ids of both",
)


@dataclass(frozen=True, slots=True)
class CustomProperty:
    """A key that ODCS does not have."""

    CAMEL_CASE: ClassVar = True

    property: str = key("Its name.")
    value: Any = key("Any value.")
    id: str | None = key("A name for references.", default=None, form=STABLE_ID)
    description: str = key("What it is.", default="")
    vendor: str | None = key("Whose it is (v3.2).", default=None)


@dataclass(frozen=True, slots=True)
class Definition:
    """A place where something is defined."""

    CAMEL_CASE: ClassVar = True

    url: str = key("Where.")
    type: str = key("What is there: `businessDefinition`, `tutorial` …")
    id: str | None = key("A name for references.", default=None, form=STABLE_ID)
    description: str = key("In words.", default="")


@dataclass(frozen=True, slots=True)
class Synonym:
    """Another name of a table or a column."""

    CAMEL_CASE: ClassVar = True

    synonym: str = key("The name.")
    id: str | None = key("A name for references.", default=None, form=STABLE_ID)
    description: str = key("When it is used.", default="")
    locale: str | None = key("Its language: `fr-FR`.", default=None)
    source: str | None = key("Where it comes from.", default=None)
    status: str | None = key("Whether it is in use.", default=None)
    custom_properties: tuple[CustomProperty, ...] = key("Keys of others.", default=())


@dataclass(frozen=True, slots=True)
class EnumValue:
    """A value that a column may have."""

    CAMEL_CASE: ClassVar = True

    value: Any = key("The value.")
    label: str | None = key("What people call it.", default=None)
    id: str | None = key("A name for references.", default=None, form=STABLE_ID)
    description: str = key("What it means.", default="")
    tags: tuple[str, ...] = key("Words to find it by.", default=())
    authoritative_definitions: tuple[Definition, ...] = key("Where it is defined.", default=())
    custom_properties: tuple[CustomProperty, ...] = key("Keys of others.", default=())

    def problems(self) -> Problems:
        """What single keys cannot tell."""
        if isinstance(self.value, (list, dict)):
            yield "value", "a value of an enumeration is a single one", None


def custom(properties: Iterable[CustomProperty | None], name: str) -> Any:
    """The value of a custom property; None if there is none."""
    return next((each.value for each in properties if each is not None and each.property == name), None)


def twice(place: str, names: Iterable[str | None]) -> Problems:
    """Says which names stand there before."""
    seen = set()
    for number, name in enumerate(names):
        if name and name in seen:
            yield f"{place}[{number}]", f"`{name}` stands twice", None
        seen.add(name)
