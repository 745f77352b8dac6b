"""A contract as ODCS v3.1 has it; of v3.2, what it adds. Pure.

What ODCS has no key for are `customProperties`: `unit`, `clean`, `anonymize`, `privacyRole`; those that nobody here
knows are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from builder.data.contract.classes import level_of
from builder.data.contract.cleaning import column_problems, table_problems
from builder.data.contract.common import (
    REFERENCE,
    STABLE_ID,
    CustomProperty,
    Definition,
    EnumValue,
    Problems,
    Synonym,
    custom,
    twice,
)
from builder.data.contract.options import option_problems
from builder.data.contract.quality import Metric, Quality
from builder.data.contract.references import relationship_problems
from builder.data.contract.surroundings import (
    Context,
    Description,
    Price,
    Role,
    ServiceLevel,
    Support,
    Team,
    TeamMember,
)
from builder.spec.fields import Form, key

__all__ = [
    "Contract",
    "CustomProperty",
    "Definition",
    "Description",
    "EnumValue",
    "LogicalType",
    "Metric",
    "Property",
    "Quality",
    "Relationship",
    "SchemaObject",
    "ServiceLevel",
    "Team",
    "TeamMember",
]

LogicalType = Literal[
    "string", "date", "timestamp", "time", "number", "integer", "object", "array", "boolean", "map", "vector"
]
"""`map` and `vector` are of v3.2."""
_API_VERSION = Form(r"v3\.[12]\.\d+", "a version of ODCS that is read: v3.1.0 or v3.2.0")
_NO_CONTROL = Form(r"[^\x00-\x1f\x7f]+", "a name: no control characters")
_NO_PATH_OUT = Form(
    r"(?![/\\~]|[A-Za-z]:|\.\.?$|\.\.?[/\\])(?!.*[/\\]\.\.?([/\\]|$))[^\x00-\x1f\x7f]+",
    "a name or a relative path that stays below its folder",
)


@dataclass(frozen=True, slots=True)
class Relationship:
    """Values that must be in another table too."""

    CAMEL_CASE: ClassVar = True

    to: str | tuple[str, ...] = key("`TABLE.COLUMN`; of a key of several columns, all of them.", form=REFERENCE)
    from_: str | tuple[str, ...] | None = key("Of which columns; of a column, its own.", default=None, form=REFERENCE)
    type: Literal["foreignKey"] = key("Of which kind it is.", default="foreignKey")
    id: str | None = key("A name for references.", default=None)
    custom_properties: tuple[CustomProperty, ...] = key("Keys of others.", default=())


@dataclass(frozen=True, slots=True)
class MapParts:
    """Of a map, its keys and values (v3.2)."""

    CAMEL_CASE: ClassVar = True

    value: Property = key("Its values.")
    key: Property = key("Its keys.")


@dataclass(frozen=True, slots=True)
class Property:
    """A column; or a part of one that is an object, an array or a map."""

    CAMEL_CASE: ClassVar = True

    name: str = key("Its name; the elements of an array need none.", default="")
    id: str | None = key("A name for references.", default=None, form=STABLE_ID)
    physical_name: str | None = key("Its name in the file, if that is another.", default=None, form=_NO_CONTROL)
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
    semantic_type: Literal["column", "measure", "dimension"] | None = key(
        "What kind of thing it is (v3.2).", default=None
    )
    enum: tuple[EnumValue | Any, ...] = key("The values that it may have (v3.2).", default=())
    examples: tuple[Any, ...] = key("Some values.", default=())
    transform_source_objects: tuple[str, ...] = key("What it is made of.", default=())
    transform_logic: str | None = key("How it is made.", default=None)
    transform_description: str | None = key("How it is made, in words.", default=None)
    relationships: tuple[Relationship, ...] = key("Tables that have its values.", default=())
    quality: tuple[Quality, ...] = key("Rules.", default=())
    properties: tuple[Property, ...] = key("Of an object, its parts.", default=())
    items: Property | None = key("Of an array, its elements.", default=None)
    map: MapParts | None = key("Of a map, its parts (v3.2).", default=None)
    tags: tuple[str, ...] = key("Words to find it by.", default=())
    synonyms: tuple[Synonym, ...] = key("Other names (v3.2).", default=())
    deprecated: bool = key("Whether it is on its way out (v3.2).", default=False)
    authoritative_definitions: tuple[Definition, ...] = key("Where it is defined.", default=())
    custom_properties: tuple[CustomProperty, ...] = key("Keys that ODCS does not have.", default=())

    def problems(self) -> Problems:
        """What single keys cannot tell."""
        yield from option_problems(self.logical_type, self.logical_type_options)
        for name, needed in (("properties", "object"), ("items", "array"), ("map", "map")):
            if getattr(self, name) and self.logical_type not in (needed, None if name != "map" else needed):
                yield name, f"only a column of the type {needed} has it", None
        if self.logical_type == "map" and self.map is None:
            yield "", "a column of the type map needs `map`, with `key` and `value`", None
        yield from column_problems(self)
        yield from _named("properties", self.properties)
        yield from twice("enum", [repr(getattr(each, "value", each)) for each in self.enum])
        for number, each in enumerate(self.relationships):
            if each is not None and each.from_ is not None:
                yield f"relationships[{number}].from", "the relationship of a column has none", "leave it out"

    @property
    def column(self) -> str:
        """Its name in the file."""
        return self.physical_name or self.name

    @property
    def unit(self) -> str | None:
        """What its numbers are of: `EUR`, `mm`."""
        unit = self.custom("unit")
        return None if unit is None else str(unit)

    @property
    def allowed(self) -> tuple[Any, ...] | None:
        """The only values that it may have; None where it may have any."""
        if self.enum:
            return tuple(each.value if isinstance(each, EnumValue) else each for each in self.enum)
        for rule in self.quality:
            listed = rule.arguments.get("validValues")
            if rule.measures == "invalidValues" and listed and not rule.threshold.holds(1):
                return tuple(listed)
        return None

    @property
    def is_confidential(self) -> bool:
        """Whether its values are not for everyone's eyes."""
        return level_of(self.classification) > 0 or bool(self.custom("privacyRole"))

    def custom(self, name: str) -> Any:
        """The value of a custom property; None if it has none."""
        return custom(self.custom_properties, name)


@dataclass(frozen=True, slots=True)
class SchemaObject:
    """A table."""

    CAMEL_CASE: ClassVar = True

    name: str = key("Its name.", form=_NO_CONTROL)
    id: str | None = key("A name for references.", default=None, form=STABLE_ID)
    physical_name: str | None = key("Its name in the source.", default=None, form=_NO_PATH_OUT)
    physical_type: str | None = key("What it is in the source: `table`, `file`.", default=None)
    logical_type: Literal["object", "blob"] | None = key("`object`; of what has no columns, `blob`.", default=None)
    description: str = key("What its rows are.", default="")
    business_name: str | None = key("What people call it.", default=None)
    data_granularity_description: str | None = key("What one row stands for.", default=None)
    properties: tuple[Property, ...] = key("Its columns.", default=())
    relationships: tuple[Relationship, ...] = key("Keys that are of other tables.", default=())
    quality: tuple[Quality, ...] = key("Rules.", default=())
    context: str | Context | None = key("What else is known (v3.2).", default=None)
    tags: tuple[str, ...] = key("Words to find it by.", default=())
    synonyms: tuple[Synonym, ...] = key("Other names (v3.2).", default=())
    deprecated: bool = key("Whether it is on its way out (v3.2).", default=False)
    authoritative_definitions: tuple[Definition, ...] = key("Where it is defined.", default=())
    custom_properties: tuple[CustomProperty, ...] = key("Keys that ODCS does not have.", default=())

    def problems(self) -> Problems:
        """What single keys cannot tell."""
        yield from table_problems(self)
        yield from _named("properties", self.properties)
        columns = [each.physical_name if each is not None else None for each in self.properties]
        yield from twice("properties", columns)
        positions = [
            each.primary_key_position if each is not None and each.primary_key else 0 for each in self.properties
        ]
        for number, position in enumerate(positions):
            if position > 0 and position in positions[:number]:
                place = f"properties[{number}].primaryKeyPosition"
                yield place, f"another column has the position {position} in the key", None
        for number, each in enumerate(self.relationships):
            if each is not None and each.from_ is None:
                yield f"relationships[{number}]", "the relationship of a table needs `from`", None

    @property
    def primary_key(self) -> tuple[Property, ...]:
        """The columns of its key, in their order."""
        parts = [each for each in self.properties if each.primary_key]
        return tuple(sorted(parts, key=lambda each: each.primary_key_position))

    def property(self, name: str) -> Property | None:
        """The column of a name, in the contract or in the file."""
        return next((each for each in self.properties if name in (each.name, each.physical_name)), None)

    def custom(self, name: str) -> Any:
        """The value of a custom property; None if it has none."""
        return custom(self.custom_properties, name)


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
    context: str | Context | None = key("What else is known (v3.2).", default=None)
    schema: tuple[SchemaObject, ...] = key("The tables.", default=())
    servers: tuple[Mapping[str, Any], ...] = key("Where the data are.", default=())
    support: tuple[Support, ...] = key("Where to ask.", default=())
    price: Price | None = key("What they cost.", default=None)
    team: Team | tuple[TeamMember, ...] | None = key("Who looks after them.", default=None)
    roles: tuple[Role, ...] = key("Who may do what.", default=())
    sla_default_element: str | None = key("`TABLE.COLUMN` that service levels are about.", default=None)
    sla_properties: tuple[ServiceLevel, ...] = key("What is promised of the whole.", default=())
    authoritative_definitions: tuple[Definition, ...] = key("Where they are described.", default=())
    custom_properties: tuple[CustomProperty, ...] = key("Keys that ODCS does not have.", default=())
    contract_created_ts: str | None = key("When it was written.", default=None)

    def problems(self) -> Problems:
        """What single keys cannot tell."""
        if str(self.api_version).startswith("v3.1") and not self.status:
            yield "", "the key `status` is missing", "`draft`, `active` …"
        yield from twice("schema", [each.name.lower() if each and each.name else None for each in self.schema])
        for number, server in enumerate(self.servers):
            for name in ("server", "type") if server is not None else ():
                if not isinstance(server.get(name), str):
                    yield f"servers[{number}]", f"the key `{name}` is missing", None
        yield from relationship_problems(self)

    @property
    def members(self) -> tuple[TeamMember, ...]:
        """Who looks after the data, in whichever form it is written."""
        return self.team.members if isinstance(self.team, Team) else self.team or ()

    def custom(self, name: str) -> Any:
        """The value of a custom property; None if it has none."""
        return custom(self.custom_properties, name)

    def table(self, name: str) -> SchemaObject | None:
        """The table of a name."""
        return next((each for each in self.schema if name in (each.name, each.physical_name)), None)


def _named(place: str, properties: tuple[Property | None, ...]) -> Iterator[tuple[str, str, str | None]]:
    for number, each in enumerate(properties):
        if each is not None and not each.name:
            yield f"{place}[{number}]", "the key `name` is missing", "Its name."
    yield from twice(place, [each.name if each is not None else None for each in properties])
