"""What a contract declares to be done with a column (`anonymize`) and with a table (`privacy`). Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from builder.data.contract.thresholds import OPERATORS, Threshold
from builder.spec.fields import Form, key

Problems = Iterator[tuple[str, str, str | None]]
_SHORT = Form(r"[^\x00-\x1f]{1,200}", "a short text in one line")
_LABEL = Form(r"[^\x00-\x1f]{0,200}", "a short text in one line")


@dataclass(frozen=True, slots=True)
class Drop:
    """The column is left out."""

    CAMEL_CASE: ClassVar = True

    method: Literal["drop"] = key("What is done.")


@dataclass(frozen=True, slots=True)
class Keep:
    """The column stays as it is."""

    CAMEL_CASE: ClassVar = True

    method: Literal["keep"] = key("What is done.")
    reason: str = key("Why it may; the record has it.", form=_SHORT)


@dataclass(frozen=True, slots=True)
class Mask:
    """`***` stands for a value, or for parts of it."""

    CAMEL_CASE: ClassVar = True

    method: Literal["mask"] = key("What is done.")
    keep_last: int = key("How many characters at its end stay, of values twice as long.", default=0)
    keep_first: int = key("How many characters at its beginning stay, of values twice as long.", default=0)
    pattern: str | None = key(
        "What is masked, as a regular expression (RE2); of a value without it, all.", default=None
    )

    def problems(self) -> Problems:
        """What single keys cannot tell."""
        for name, number in (("keepLast", self.keep_last), ("keepFirst", self.keep_first)):
            if number is not None and not 0 <= number <= 64:
                yield name, "it is between 0 and 64", None
        if self.pattern is not None and (self.keep_last or self.keep_first):
            yield "pattern", "either a pattern is masked, or all but the first or last characters", None


@dataclass(frozen=True, slots=True)
class Hash:
    """A keyed hash stands for each value, the same for the same one: HMAC-SHA-256."""

    CAMEL_CASE: ClassVar = True

    method: Literal["hash"] = key("What is done.")
    domain: str | None = key(
        "What its values are of: columns of one domain have the same hashes. By default the column's name.",
        default=None, form=_SHORT,
    )  # fmt: skip
    length: int = key("How many hexadecimal digits of it are kept.", default=32)

    def problems(self) -> Problems:
        """What single keys cannot tell."""
        if self.length is not None and not 16 <= self.length <= 64:
            yield "length", "it is between 16 and 64: of fewer, different values have the same", None


@dataclass(frozen=True, slots=True)
class Bucket:
    """A range, a month or a group stands for each value."""

    CAMEL_CASE: ClassVar = True

    method: Literal["bucket"] = key("What is done.")
    width: float | None = key("Of numbers: how wide each range is, from 0 on.", default=None)
    edges: tuple[float, ...] = key("Of numbers: where ranges begin.", default=())
    to: Literal["month", "quarter", "year", "decade"] | None = key("Of dates: what stays of them.", default=None)
    map: Mapping[str, str] = key("Of texts: the group of each value.", default=dict)
    top: int | None = key("Of texts: how many of the most frequent values stay.", default=None)
    other: str = key("What stands for texts without a group.", default="other", form=_LABEL)

    def problems(self) -> Problems:
        """What single keys cannot tell."""
        given = [self.width is not None, bool(self.edges), self.to is not None, bool(self.map), self.top is not None]
        if sum(given) != 1:
            yield "", "a bucket is told by one of `width`, `edges`, `to`, `map` and `top`", None
        if self.width is not None and not self.width > 0:
            yield "width", "it is greater than 0", None
        if any(after <= before for before, after in itertools.pairwise(self.edges) if None not in (before, after)):
            yield "edges", "they ascend", None
        if self.top is not None and not 1 <= self.top <= 1000:
            yield "top", "it is between 1 and 1000", None


@dataclass(frozen=True, slots=True)
class DateShift:
    """All dates of one subject move by the same number of days."""

    CAMEL_CASE: ClassVar = True

    method: Literal["date-shift"] = key("What is done.")
    days: int = key("By how many at most, in both directions.")
    subject: str | None = key(
        "The column that says whose date it is; by default the one with `privacyRole: subject`.", default=None
    )
    domain: str | None = key("What the subjects are: one shift in all tables. By default the column's name.",
                             default=None, form=_SHORT)  # fmt: skip

    def problems(self) -> Problems:
        """What single keys cannot tell."""
        if self.days is not None and not 1 <= self.days <= 36_500:
            yield "days", "it is between 1 and 36500", None


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise of Laplace's distribution is added to each number, of the scale `sensitivity / epsilon`."""

    CAMEL_CASE: ClassVar = True

    method: Literal["noise"] = key("What is done.")
    epsilon: float = key("The privacy loss that is declared for this column.")
    minimum: float = key("Smaller numbers become this one, before and after.")
    maximum: float = key("Greater numbers become this one, before and after.")
    sensitivity: float | None = key(
        "By how much one row can change the number; by default `maximum - minimum`.", default=None
    )
    decimals: int | None = key("To how many digits it is rounded [default: 0 of integers, else 6].", default=None)

    def problems(self) -> Problems:
        """What single keys cannot tell."""
        if self.epsilon is not None and not 1e-6 <= self.epsilon <= 1e6:
            yield "epsilon", "it is greater than 0: between 0.000001 and 1000000", None
        if None not in (self.minimum, self.maximum) and not self.minimum < self.maximum:
            yield "maximum", "it is greater than `minimum`", None
        if self.sensitivity is not None and not self.sensitivity > 0:
            yield "sensitivity", "it is greater than 0", None
        if self.decimals is not None and not 0 <= self.decimals <= 12:
            yield "decimals", "it is between 0 and 12", None

    @property
    def scale(self) -> float:
        """Of the distribution."""
        sensitivity = self.maximum - self.minimum if self.sensitivity is None else self.sensitivity
        return sensitivity / self.epsilon


Method = Drop | Keep | Mask | Hash | Bucket | DateShift | Noise
METHODS: dict[str, type] = {
    "drop": Drop, "mask": Mask, "hash": Hash, "bucket": Bucket, "date-shift": DateShift, "noise": Noise, "keep": Keep,
}  # fmt: skip
ROLES = ("identifier", "quasi-identifier", "sensitive", "subject")
"""What `privacyRole` may be."""


@dataclass(frozen=True, slots=True)
class TablePrivacy:
    """What a table promises of those who are in it, once it is anonymised."""

    CAMEL_CASE: ClassVar = True

    k_anonymity: Mapping[str, Any] = key("What the smallest group must be.", default=dict)
    l_diversity: Mapping[str, Any] = key("How many sensitive values each group must have.", default=dict)
    unique_rows: Mapping[str, Any] = key("How many rows may be alone in their group.", default=dict)
    suppress_below: int | None = key("Rows of smaller groups are left out.", default=None)

    def problems(self) -> Problems:
        """What single keys cannot tell."""
        for name, declared in self._declared.items():
            unknown = [each for each in declared if each not in OPERATORS]
            if unknown:
                yield f"{name}.{unknown[0]}", "this key is not known", None
            elif declared:
                try:
                    Threshold.from_dict(declared)
                except ValueError as error:
                    yield name, str(error), None
        if self.suppress_below is not None and not 2 <= self.suppress_below <= 1_000_000:
            yield "suppressBelow", "it is between 2 and 1000000", None

    @property
    def _declared(self) -> dict[str, Mapping[str, Any]]:
        return {
            "kAnonymity": self.k_anonymity or {}, "lDiversity": self.l_diversity or {},
            "uniqueRows": self.unique_rows or {},
        }  # fmt: skip

    @property
    def thresholds(self) -> dict[str, Threshold]:
        """By the measure's name."""
        return {name: Threshold.from_dict(declared) for name, declared in self._declared.items() if declared}
