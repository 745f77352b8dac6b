"""What a contract says beside its tables: who looks after them, what they cost, how fresh they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from builder.data.contract.common import STABLE_ID, CustomProperty, Definition, Problems
from builder.spec.fields import key


@dataclass(frozen=True, slots=True)
class Description:
    """What data are for."""

    CAMEL_CASE: ClassVar = True

    purpose: str = key("What they were made for.", default="")
    usage: str = key("How they are to be used.", default="")
    limitations: str = key("What they are not for.", default="")
    authoritative_definitions: tuple[Definition, ...] = key("Where they are described.", default=())
    custom_properties: tuple[CustomProperty, ...] = key("Keys of others.", default=())


@dataclass(frozen=True, slots=True)
class TeamMember:
    """Someone who looks after data."""

    CAMEL_CASE: ClassVar = True

    username: str = key("The name of the account, or the e-mail address.")
    id: str | None = key("A name for references.", default=None, form=STABLE_ID)
    name: str = key("The person's name.", default="")
    description: str = key("In words.", default="")
    role: str | None = key("As what: `owner`, `data steward` …", default=None)
    date_in: str | None = key("Since when.", default=None)
    date_out: str | None = key("Until when.", default=None)
    replaced_by_username: str | None = key("Who came after.", default=None)
    tags: tuple[str, ...] = key("Words to find it by.", default=())
    custom_properties: tuple[CustomProperty, ...] = key("Keys of others.", default=())
    authoritative_definitions: tuple[Definition, ...] = key("Where more is said.", default=())


@dataclass(frozen=True, slots=True)
class Team:
    """Those who look after data."""

    CAMEL_CASE: ClassVar = True

    id: str | None = key("A name for references.", default=None, form=STABLE_ID)
    name: str = key("What it is called.", default="")
    description: str = key("In words.", default="")
    members: tuple[TeamMember, ...] = key("Who is in it.", default=())
    tags: tuple[str, ...] = key("Words to find it by.", default=())
    custom_properties: tuple[CustomProperty, ...] = key("Keys of others.", default=())
    authoritative_definitions: tuple[Definition, ...] = key("Where more is said.", default=())


@dataclass(frozen=True, slots=True)
class Role:
    """What some people may do."""

    CAMEL_CASE: ClassVar = True

    role: str = key("Its name.")
    id: str | None = key("A name for references.", default=None, form=STABLE_ID)
    description: str = key("In words.", default="")
    access: str | None = key("What it may do: `read`, `write`.", default=None)
    first_level_approvers: str | None = key("Who gives it.", default=None)
    second_level_approvers: str | None = key("Who has to agree.", default=None)
    custom_properties: tuple[CustomProperty, ...] = key("Keys of others.", default=())


@dataclass(frozen=True, slots=True)
class Support:
    """Where to ask."""

    CAMEL_CASE: ClassVar = True

    channel: str = key("Its name.")
    id: str | None = key("A name for references.", default=None, form=STABLE_ID)
    url: str | None = key("Its address.", default=None)
    description: str = key("In words.", default="")
    tool: str | None = key("What it is: `email`, `slack` …", default=None)
    scope: str | None = key("For what: `issues`, `announcements` …", default=None)
    invitation_url: str | None = key("Where to join.", default=None)
    custom_properties: tuple[CustomProperty, ...] = key("Keys of others.", default=())


@dataclass(frozen=True, slots=True)
class Price:
    """What data cost."""

    CAMEL_CASE: ClassVar = True

    id: str | None = key("A name for references.", default=None, form=STABLE_ID)
    price_amount: float | None = key("How much.", default=None)
    price_currency: str | None = key("Of which currency.", default=None)
    price_unit: str | None = key("For how much of the data.", default=None)


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """What is promised of the whole: how fresh it is, how long it is kept."""

    CAMEL_CASE: ClassVar = True

    property: str = key("What is promised: `freshness`, `latency`, `retention` …")
    value: Any = key("How much.")
    value_ext: Any = key("How much else.", default=None)
    unit: str | None = key("Of which unit: `d`, `h`, `y`.", default=None)
    element: str | None = key("`TABLE.COLUMN` that it is about.", default=None)
    driver: str | None = key("Why it is promised.", default=None)
    description: str = key("In words.", default="")
    id: str | None = key("A name for references.", default=None, form=STABLE_ID)
    scheduler: str | None = key("Who measures it.", default=None)
    schedule: str | None = key("When.", default=None)
    authoritative_definitions: tuple[Definition, ...] = key("Where it is defined (v3.2).", default=())
    custom_properties: tuple[CustomProperty, ...] = key("Keys of others (v3.2).", default=())

    def problems(self) -> Problems:
        """What single keys cannot tell."""
        for name, value in (("value", self.value), ("valueExt", self.value_ext)):
            if isinstance(value, (list, dict)):
                yield name, "a service level is a single value", None


@dataclass(frozen=True, slots=True)
class VerifiedStatement:
    """A question about data and its answer."""

    CAMEL_CASE: ClassVar = True

    question: str = key("What may be asked.")
    answer: str = key("What is true.", default="")
    id: str | None = key("A name for references.", default=None)
    authoritative_definitions: tuple[Definition, ...] = key("Where more is said.", default=())
    tags: tuple[str, ...] = key("Words to find it by.", default=())
    custom_properties: tuple[CustomProperty, ...] = key("Keys of others.", default=())


@dataclass(frozen=True, slots=True)
class Constraint:
    """What has to be kept in mind when data are used."""

    CAMEL_CASE: ClassVar = True

    constraint: str = key("In words.")
    id: str | None = key("A name for references.", default=None)
    authoritative_definitions: tuple[Definition, ...] = key("Where more is said.", default=())
    tags: tuple[str, ...] = key("Words to find it by.", default=())
    custom_properties: tuple[CustomProperty, ...] = key("Keys of others.", default=())


@dataclass(frozen=True, slots=True)
class Context:
    """What else is known of data (v3.2)."""

    CAMEL_CASE: ClassVar = True

    instructions: str = key("How they are to be used.", default="")
    verified_statements: tuple[VerifiedStatement, ...] = key("What is true of them.", default=())
    constraints: tuple[Constraint, ...] = key("What has to be kept in mind.", default=())
