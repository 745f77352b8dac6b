"""A contract as ODCS v3.1 has it; of v3.2, what it adds. Pure.

Keys that envbuild has no use for are kept as they are. What ODCS has no key for are `customProperties`: `unit`,
`clean`, `anonymize`, `privacyRole`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from builder.data.contract.thresholds import OPERATORS, Threshold
from builder.spec.fields import Form, key

LogicalType = Literal["string", "date", "timestamp", "time", "number", "integer", "object", "array", "boolean"]
Metric = Literal["nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount"]
_API_VERSION = Form(r"v3\.[12]\.\d+", "a version of ODCS that is read: v3.1.0 or v3.2.0")


@dataclass(frozen=True, slots=True)
class CustomProperty:
    """A key that ODCS does not have."""

    CAMEL_CASE: ClassVar = True

    property: str = key("Its name.")
    value: Any = key("Any value.")
    id: str | None = key("A name for references.", default=None)
    description: str = key("What it is.", default="")
    vendor: str | None = key("Whose it is (v3.2).", default=None)


@dataclass(frozen=True, slots=True)
class Quality:
    """A rule."""

    CAMEL_CASE: ClassVar = True

    type: Literal["text", "library", "sql", "custom"] = key("Of which kind it is.", default="library")
    metric: str | None = key("What is measured: of the library.", default=None)
    rule: str | None = key("An older name of `metric`.", default=None)
    arguments: Mapping[str, Any] = key("What the metric is told.", default=dict)
    query: str | None = key("The SQL that gives the measured value: of `sql`.", default=None)
    engine: str | None = key("Who evaluates it: of `custom`.", default=None)
    implementation: Any = key("What it is there: of `custom`.", default=None)
    must_be: Any = key("The value that is measured.", default=None)
    must_not_be: Any = key("A value that must not be measured.", default=None)
    must_be_greater_than: Any = key("The measured value is greater.", default=None)
    must_be_greater_or_equal_to: Any = key("The measured value is this or greater.", default=None)
    must_be_less_than: Any = key("The measured value is less.", default=None)
    must_be_less_or_equal_to: Any = key("The measured value is this or less.", default=None)
    must_be_between: Any = key("The measured value is between these two, or one of them.", default=None)
    must_not_be_between: Any = key("The measured value is outside of these two.", default=None)
    unit: str | None = key("`rows` or `percent` of them.", default=None)
    id: str | None = key("A name for references.", default=None)
    name: str = key("What it is called.", default="")
    description: str = key("What it is for.", default="")
    dimension: str | None = key("Which quality it is about.", default=None)
    severity: str | None = key("How bad it is if it does not hold: `error`, `warning`, `info`.", default=None)
    business_impact: str | None = key("What follows if it does not hold.", default=None)
    method: str | None = key("How it is measured.", default=None)
    schedule: str | None = key("When it is measured.", default=None)
    scheduler: str | None = key("Who starts it.", default=None)
    tags: tuple[str, ...] = key("Words to find it by.", default=())
    authoritative_definitions: Any = key("Where it is defined.", default=None)
    custom_properties: tuple[CustomProperty, ...] = key("Keys of others.", default=())

    def problems(self) -> Iterable[tuple[str, str, str | None]]:
        """What single keys cannot tell."""
        if self.type == "library" and not (self.metric or self.rule):
            yield "", "a rule of the library needs `metric`", None
        if self.type == "sql" and not self.query:
            yield "", "a rule of the type `sql` needs `query`", None
        if self.type in ("library", "sql"):
            try:
                Threshold.from_dict(self._operators)
            except ValueError as error:
                yield "", f"a rule says what the value must be: {error}", None

    @property
    def _operators(self) -> dict[str, Any]:
        return {name: getattr(self, _snake(name)) for name in OPERATORS}

    @property
    def threshold(self) -> Threshold:
        """What the measured value is held to; of the types `library` and `sql`."""
        return Threshold.from_dict(self._operators)


@dataclass(frozen=True, slots=True)
class Relationship:
    """Values that must be in another table too."""

    CAMEL_CASE: ClassVar = True

    to: str | tuple[str, ...] = key("`TABLE.COLUMN`; of a key of several columns, all of them.")
    from_: str | tuple[str, ...] | None = key("Of which columns; of a column, its own.", default=None)
    type: str = key("Of which kind it is.", default="foreignKey")
    id: str | None = key("A name for references.", default=None)
    custom_properties: tuple[CustomProperty, ...] = key("Keys of others.", default=())


@dataclass(frozen=True, slots=True)
class Property:
    """A column; or a part of one that is an object."""

    CAMEL_CASE: ClassVar = True

    name: str = key("Its name.")
    id: str | None = key("A name for references.", default=None)
    physical_name: str | None = key("Its name in the file, if that is another.", default=None)
    physical_type: str | None = key("Its type in the source.", default=None)
    logical_type: LogicalType | None = key("Its type.", default=None)
    logical_type_options: Mapping[str, Any] = key(
        "What values it may have: `minimum`, `pattern`, `format` …", default=dict
    )
    description: str = key("What it means.", default="")
    business_name: str | None = key("What people call it.", default=None)
    required: bool = key("Whether no value may be missing.", default=False)
    unique: bool = key("Whether no value may be there twice.", default=False)
    primary_key: bool = key("Whether it is the key of its table, or a part.", default=False)
    primary_key_position: int = key("Which part of the key, from 1.", default=-1)
    partitioned: bool = key("Whether files are split by it.", default=False)
    partition_key_position: int = key("Which part of the split.", default=-1)
    classification: str | None = key("How confidential it is.", default=None)
    encrypted_name: str | None = key("The column that has it encrypted.", default=None)
    critical_data_element: bool = key("Whether much depends on it.", default=False)
    semantic_type: str | None = key("What kind of thing it is (v3.2).", default=None)
    enum: Any = key("The values that it may have (v3.2).", default=None)
    examples: Any = key("Some values.", default=None)
    transform_source_objects: tuple[str, ...] = key("What it is made of.", default=())
    transform_logic: str | None = key("How it is made.", default=None)
    transform_description: str | None = key("How it is made, in words.", default=None)
    relationships: tuple[Relationship, ...] = key("Tables that have its values.", default=())
    quality: tuple[Quality, ...] = key("Rules.", default=())
    properties: Any = key("Of an object, its parts.", default=None)
    items: Any = key("Of an array, its elements.", default=None)
    tags: tuple[str, ...] = key("Words to find it by.", default=())
    synonyms: Any = key("Other names (v3.2).", default=None)
    deprecated: Any = key("Whether it is on its way out (v3.2).", default=None)
    authoritative_definitions: Any = key("Where it is defined.", default=None)
    custom_properties: tuple[CustomProperty, ...] = key("Keys that ODCS does not have.", default=())

    @property
    def column(self) -> str:
        """Its name in the file."""
        return self.physical_name or self.name

    def custom(self, name: str) -> Any:
        """The value of a custom property; None if it has none."""
        return _custom(self.custom_properties, name)


@dataclass(frozen=True, slots=True)
class SchemaObject:
    """A table."""

    CAMEL_CASE: ClassVar = True

    name: str = key("Its name.")
    id: str | None = key("A name for references.", default=None)
    physical_name: str | None = key("Its name in the source.", default=None)
    physical_type: str | None = key("What it is in the source: `table`, `file`.", default=None)
    logical_type: str | None = key("Always `object`.", default=None)
    description: str = key("What its rows are.", default="")
    business_name: str | None = key("What people call it.", default=None)
    data_granularity_description: str | None = key("What one row stands for.", default=None)
    properties: tuple[Property, ...] = key("Its columns.", default=())
    relationships: tuple[Relationship, ...] = key("Keys that are of other tables.", default=())
    quality: tuple[Quality, ...] = key("Rules.", default=())
    context: Any = key("What else is known (v3.2).", default=None)
    tags: tuple[str, ...] = key("Words to find it by.", default=())
    synonyms: Any = key("Other names (v3.2).", default=None)
    deprecated: Any = key("Whether it is on its way out (v3.2).", default=None)
    authoritative_definitions: Any = key("Where it is defined.", default=None)
    custom_properties: tuple[CustomProperty, ...] = key("Keys that ODCS does not have.", default=())

    def problems(self) -> Iterable[tuple[str, str, str | None]]:
        """What single keys cannot tell."""
        yield from _twice("properties", [each.name for each in self.properties if each is not None])

    @property
    def primary_key(self) -> tuple[Property, ...]:
        """The columns of its key, in their order."""
        parts = [each for each in self.properties if each.primary_key]
        return tuple(sorted(parts, key=lambda each: each.primary_key_position))

    def custom(self, name: str) -> Any:
        """The value of a custom property; None if it has none."""
        return _custom(self.custom_properties, name)


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
    id: str | None = key("A name for references.", default=None)
    scheduler: str | None = key("Who measures it.", default=None)
    schedule: str | None = key("When.", default=None)
    authoritative_definitions: Any = key("Where it is defined (v3.2).", default=None)
    custom_properties: tuple[CustomProperty, ...] = key("Keys of others (v3.2).", default=())


@dataclass(frozen=True, slots=True)
class Description:
    """What data are for."""

    CAMEL_CASE: ClassVar = True

    purpose: str = key("What they were made for.", default="")
    usage: str = key("How they are to be used.", default="")
    limitations: str = key("What they are not for.", default="")
    authoritative_definitions: Any = key("Where they are described.", default=None)
    custom_properties: tuple[CustomProperty, ...] = key("Keys of others.", default=())


@dataclass(frozen=True, slots=True)
class Contract:
    """What is promised of data."""

    CAMEL_CASE: ClassVar = True

    api_version: str = key("The version of ODCS: `v3.1.0`.", form=_API_VERSION)
    kind: Literal["DataContract"] = key("What the document is.")
    id: str = key("Which contract it is, whatever its version.")
    version: str = key("Its version; its first number moves with a change that breaks what relied on it.")
    status: str = key("`draft`, `active`, `deprecated`, `retired` …", default="")
    name: str = key("What it is called.", default="")
    tenant: str | None = key("Whose it is.", default=None)
    domain: str | None = key("What it is about.", default=None)
    data_product: str | None = key("What it is a part of.", default=None)
    description: Description | None = key("What the data are for.", default=None)
    tags: tuple[str, ...] = key("Words to find it by.", default=())
    context: Any = key("What else is known (v3.2).", default=None)
    schema: tuple[SchemaObject, ...] = key("The tables.", default=())
    servers: Any = key("Where the data are.", default=None)
    support: Any = key("Where to ask.", default=None)
    price: Any = key("What they cost.", default=None)
    team: Any = key("Who looks after them.", default=None)
    roles: Any = key("Who may do what.", default=None)
    sla_default_element: str | None = key("`TABLE.COLUMN` that service levels are about.", default=None)
    sla_properties: tuple[ServiceLevel, ...] = key("What is promised of the whole.", default=())
    authoritative_definitions: Any = key("Where they are described.", default=None)
    custom_properties: tuple[CustomProperty, ...] = key("Keys that ODCS does not have.", default=())
    contract_created_ts: Any = key("When it was written.", default=None)

    def problems(self) -> Iterable[tuple[str, str, str | None]]:
        """What single keys cannot tell."""
        yield from _twice("schema", [each.name for each in self.schema if each is not None])

    def custom(self, name: str) -> Any:
        """The value of a custom property; None if it has none."""
        return _custom(self.custom_properties, name)

    def table(self, name: str) -> SchemaObject | None:
        """The table of a name."""
        return next((each for each in self.schema if name in (each.name, each.physical_name)), None)


def _custom(properties: Iterable[CustomProperty], name: str) -> Any:
    return next((each.value for each in properties if each.property == name), None)


def _twice(place: str, names: list[str]) -> Iterator[tuple[str, str, str | None]]:
    for number, name in enumerate(names):
        if name in names[:number]:
            yield f"{place}[{number}]", f"`{name}` stands twice", None


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
