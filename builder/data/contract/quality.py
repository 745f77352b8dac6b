"""Rules of a contract. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from builder.data.contract.common import STABLE_ID, CustomProperty, Definition, Problems
from builder.data.contract.thresholds import OPERATORS, Threshold
from builder.spec.fields import key
from builder.spec.reader import nearest

Metric = Literal["nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount"]
METRICS: tuple[str, ...] = get_args(Metric)
Dimension = Literal["accuracy", "completeness", "conformity", "consistency", "coverage", "timeliness", "uniqueness"]
_UNITS = ("rows", "percent")
_LISTS = ("missingValues", "validValues", "properties")
"""The arguments that are lists."""


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
    id: str | None = key("A name for references.", default=None, form=STABLE_ID)
    name: str = key("What it is called.", default="")
    description: str = key("What it is for.", default="")
    dimension: Dimension | None = key("Which quality it is about.", default=None)
    severity: str | None = key("How bad it is if it does not hold: `error`, `warning`, `info`.", default=None)
    business_impact: str | None = key("What follows if it does not hold.", default=None)
    method: str | None = key("How it is measured.", default=None)
    schedule: str | None = key("When it is measured.", default=None)
    scheduler: str | None = key("Who starts it.", default=None)
    tags: tuple[str, ...] = key("Words to find it by.", default=())
    authoritative_definitions: tuple[Definition, ...] = key("Where it is defined.", default=())
    custom_properties: tuple[CustomProperty, ...] = key("Keys of others.", default=())

    def problems(self) -> Problems:
        """What single keys cannot tell."""
        yield from self._parts_of_other_kinds()
        if self.type == "library":
            yield from self._of_the_library()
        if self.type == "sql" and not self.query:
            yield "", "a rule of the type `sql` needs `query`", None
        if self.type in ("library", "sql"):
            try:
                Threshold.from_dict(self._operators)
            except ValueError as error:
                yield "", f"a rule says what the value must be: {error}", None
        if self.type == "custom":
            for name in ("engine", "implementation"):
                if getattr(self, name) is None:
                    yield "", f"a rule of the type `custom` needs `{name}`", None
            if not isinstance(self.implementation, (str, dict, type(None))):
                yield "implementation", "a text or a mapping is expected here", None

    @property
    def measures(self) -> str | None:
        """The metric, by whichever of its two names."""
        return self.metric or self.rule

    @property
    def threshold(self) -> Threshold:
        """What the measured value is held to; of the types `library` and `sql`."""
        return Threshold.from_dict(self._operators)

    @property
    def _operators(self) -> dict[str, Any]:
        return {name: getattr(self, _snake(name)) for name in OPERATORS}

    def _parts_of_other_kinds(self) -> Problems:
        kinds = {
            "library": ("metric", "rule", "arguments"),
            "sql": ("query",),
            "custom": ("engine", "implementation"),
        }
        for kind, names in kinds.items():
            for name in names if kind != self.type else ():
                if getattr(self, name):
                    yield name, f"a rule of the type `{self.type}` has none", f"it is of the type `{kind}`"
        for name, value in self._operators.items() if self.type in ("text", "custom") else ():
            if value is not None:
                yield name, f"a rule of the type `{self.type}` has none", "it is of the types `library` and `sql`"

    def _of_the_library(self) -> Problems:
        if self.metric and self.rule:
            yield "rule", "it is an older name of `metric`, which is there too", "leave it out"
        name = "metric" if self.metric else "rule"
        if not self.measures:
            yield "", "a rule of the library needs `metric`", "known are " + ", ".join(f"`{each}`" for each in METRICS)
        elif self.measures not in METRICS:
            yield name, f"`{self.measures}` is no metric of the library", nearest(self.measures, METRICS)
        if self.unit is not None and self.unit not in _UNITS:
            yield "unit", f"`{self.unit}` is neither `rows` nor `percent`", nearest(self.unit, _UNITS)
        for argument, value in self.arguments.items():
            if argument in _LISTS and not (isinstance(value, list) and value):
                yield f"arguments.{argument}", "a list of values is expected here", None
            if argument == "pattern" and not isinstance(value, str):
                yield f"arguments.{argument}", "a regular expression is expected here", None


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
