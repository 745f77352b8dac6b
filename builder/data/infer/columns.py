"""What is promised of a column by what it holds. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from builder.data.contract.common import CustomProperty
from builder.data.contract.document import Property
from builder.data.contract.quality import Quality
from builder.data.infer.facts import Facts
from builder.data.infer.ranges import outward, share_with_slack
from builder.data.privacy.guess import guess

_ROWS_OF_A_CATEGORY = 10
"""How many rows a value has, on the average of a column with few of them."""
_LONGEST_CATEGORY = 60
_CODES = 12
"""The most codes of categories: whole numbers from 0 or 1 on, without a gap."""
_ROWS_OF_A_FORM = 20
"""How many texts tell that all have one form."""
_KEY_NAME = re.compile(r"(?i)(^|[_ .-])(id|key|uuid|guid|code|number|nr|no)$|[a-z](Id|ID|Key|Uuid)$")
_SPECIAL = r"\.^$*+?{}[]|()"
_SHAPES = {"A": "[A-Z]", "a": "[a-z]", "9": "[0-9]"}


@dataclass(frozen=True, slots=True)
class Column:
    """What is promised of a column, and what a person should know of it."""

    promised: Property
    comment: str
    key_rank: int | None
    """How well it could be the table's key, the lowest best; None if it could not."""


def column_of(facts: Facts, position: int) -> Column:
    """What is promised of the column that stands at a position, from 0."""
    guessed = guess(facts.name, facts.samples)
    customs = []
    if facts.missing:
        customs.append(CustomProperty("clean", {"missing": list(facts.missing)}))
    if guessed:
        customs.append(CustomProperty("classificationReason", f"guessed: {guessed.reason}"))
    is_key = _could_be_key(facts, position)
    quality = tuple(_missing_rule(facts)) + (() if guessed else tuple(_categories_rule(facts)))
    promised = Property(
        facts.name,
        logical_type=facts.type,
        logical_type_options=_options(facts, confidential=bool(guessed)),
        required=0 < facts.rows == facts.present,
        unique=facts.unique and (is_key or facts.format == "uuid"),
        classification=guessed.classification if guessed else None,
        quality=quality,
        custom_properties=tuple(customs),
    )
    rank = None
    if is_key and promised.required:
        rank = position if not guessed else position + 10_000
    return Column(promised, _comment(facts, confidential=bool(guessed)), rank)


def _could_be_key(facts: Facts, position: int) -> bool:
    if not facts.unique or facts.type not in ("integer", "string"):
        return False
    return bool(position == 0 or _KEY_NAME.search(facts.name) or facts.format == "uuid")


def _missing_rule(facts: Facts) -> Iterable[Quality]:
    if 0 < facts.present < facts.rows:
        share = share_with_slack(facts.rows - facts.present, facts.rows)
        yield Quality(metric="nullValues", must_be_less_or_equal_to=share, unit="percent")


def _categories_rule(facts: Facts) -> Iterable[Quality]:
    values = facts.values
    if not values or facts.present < len(values) * _ROWS_OF_A_CATEGORY or facts.format or facts.type is None:
        return
    if facts.type == "string" and (facts.longest or 0) > _LONGEST_CATEGORY:
        return
    if facts.type == "integer" and (values[0] not in (0, 1) or values[-1] - values[0] >= min(len(values), _CODES)):
        return
    yield Quality(metric="invalidValues", arguments={"validValues": list(values)}, must_be=0)


def _options(facts: Facts, *, confidential: bool) -> dict[str, Any]:
    if facts.type == "string":
        return _text_options(facts, confidential=confidential)
    if confidential or facts.least is None:
        return {}
    if facts.type in ("integer", "number"):
        if facts.unending or any(_categories_rule(facts)):
            return {}
        low, high = outward(facts.least, facts.most)
        return {"minimum": low} if facts.unique and facts.type == "integer" else {"minimum": low, "maximum": high}
    if facts.type in ("date", "timestamp") and re.match(r"\d{4}-", facts.least):
        since = f"{facts.least[:4]}-01-01"
        return {"minimum": since if facts.type == "date" else f"{since}T00:00:00"}
    return {}


def _text_options(facts: Facts, *, confidential: bool) -> dict[str, Any]:
    if facts.format:
        return {"format": facts.format}
    if any(_categories_rule(facts)) and not confidential:
        return {}
    if facts.shape and facts.present >= _ROWS_OF_A_FORM and not confidential and _is_plain(facts.shape):
        return {"pattern": _pattern(facts.shape)}
    if facts.shortest is not None and facts.shortest == facts.longest and facts.present >= _ROWS_OF_A_FORM:
        return {"minLength": facts.shortest, "maxLength": facts.longest}
    if facts.longest:
        return {"maxLength": outward(0, facts.longest * 2)[1]}
    return {}


def _is_plain(shape: str) -> bool:
    return shape.isascii() and shape.isprintable() and any(letter in _SHAPES for letter in shape)


def _pattern(shape: str) -> str:
    """The regular expression of a form: `^[A-Z]{2}-[0-9]{4}$` of `AA-9999`."""
    parts = []
    for letter, group in groupby(shape):
        count = len(list(group))
        one = _SHAPES.get(letter) or (f"\\{letter}" if letter in _SPECIAL else letter)
        parts.append(one + (f"{{{count}}}" if count > 1 else ""))
    return "^" + "".join(parts) + "$"


def _comment(facts: Facts, *, confidential: bool) -> str:
    """What was seen; of a column about people, no value."""
    parts = []
    if (
        facts.type in ("integer", "number", "date", "timestamp", "time")
        and not confidential
        and facts.least is not None
    ):
        parts.append(f"{_shown(facts.least)} to {_shown(facts.most)}")
    elif facts.type == "string" and facts.longest is not None:
        parts.append(f"texts of {facts.shortest} to {facts.longest} letters")
    if facts.rows > facts.present:
        parts.append(f"{facts.rows - facts.present} of {facts.rows} missing")
    if facts.unending:
        parts.append(f"{facts.unending} NaN or infinite")
    if facts.type is None:
        parts.append(f"no type, as {'it has no value' if not facts.present else 'the file has ' + facts.stored}")
    if facts.unique:
        parts.append("no value twice")
    return "seen: " + (", ".join(parts) or "a value in every row")


def _shown(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)
