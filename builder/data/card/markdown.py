"""The card of a data set, for people: what is declared, promised, measured and found, in Markdown. Pure.

It says nothing that nobody said, and of confidential columns no value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from builder.data.card.facts import meaning, terms_of
from builder.records.markdown import code, plain
from builder.resources import render

if TYPE_CHECKING:
    from builder.data.contract.document import Contract, Property, SchemaObject
    from builder.data.contract.read import LoadedContract
    from builder.data.evidence import Evidence
    from builder.data.profile.document import ColumnProfile, Profile

_MOST_CATEGORIES = 5
"""That are told of a column."""
_RAI_NAMES = {
    "dataBiases": "Biases",
    "dataCollection": "How they were collected",
    "dataCollectionMissingData": "What is missing",
    "dataPreprocessingProtocol": "How they were prepared",
    "dataReleaseMaintenancePlan": "How they are kept up",
    "dataSocialImpact": "What they do to people",
}
"""Terms of Croissant's that have a line of their own; others are in the Croissant document."""


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What is known of a data set."""

    name: str
    description: str = ""
    source: str = ""
    """Where it is had."""
    license: str = ""
    digest: str = ""
    size: int | None = None
    contacts: tuple[str, ...] = ()
    """Of the project; told where the contract names nobody."""
    loaded: LoadedContract | None = None
    table: SchemaObject | None = None
    """Of the contract."""
    evidence: Evidence | None = None
    profile: Profile | None = None


def data_card(facts: CardFacts) -> bytes:
    """The card."""
    contract = facts.loaded.contract if facts.loaded else None
    told = contract.description if contract else None
    terms = terms_of(contract, facts.table) if contract and facts.table else {}
    values = {
        "facts": facts,
        "contract": contract,
        "contract_digest": str(facts.loaded.digest) if facts.loaded else "",
        "about": {
            "What they were made for": told.purpose if told else "",
            "How they are to be used": told.usage if told else "",
            "What they are not for": told.limitations if told else "",
            **{text: " ".join(terms.get(name, ())) for name, text in _RAI_NAMES.items()},
        },
        "owners": list(_owners(contract)) or list(facts.contacts),
        "columns": list(_columns(facts)),
        "rules": _rules(facts),
        "private": list(_private(facts.table)),
        "rows": facts.profile.rows if facts.profile else None,
        "plain": plain,
        "code": code,
    }
    return render("data/card.md.j2", values).encode()


def _owners(contract: Contract | None) -> Iterator[str]:
    if contract is None:
        return
    for member in contract.members:
        yield ", ".join(filter(None, [member.name, member.username, member.role]))
    for channel in contract.support:
        yield ": ".join(filter(None, [channel.channel, channel.url]))


def _columns(facts: CardFacts) -> Iterator[Mapping[str, str]]:
    """Those of the contract, in its order, then those that the file has besides."""
    measured = {each.name: each for each in facts.profile.columns} if facts.profile else {}
    for column in facts.table.properties if facts.table else ():
        profile = measured.pop(column.column, None)
        yield {
            "name": column.column,
            "type": column.logical_type or (profile.type if profile else ""),
            "unit": column.unit or "",
            "class": column.classification or "",
            "meaning": meaning(_without_unit(column)),
            **_measured(profile),
        }
    for name, profile in measured.items():
        undeclared = {"name": name, "type": profile.type, "unit": "", "class": "", "meaning": ""}
        yield undeclared | _measured(profile) | {"meaning": "not in the contract" if facts.table else ""}


def _without_unit(column: Property) -> Property:
    """What stands in columns of its own is not told twice."""
    from dataclasses import replace

    return replace(column, classification=None, custom_properties=())


def _measured(profile: ColumnProfile | None) -> dict[str, str]:
    if profile is None:
        return {"range": "", "missing": "", "values": ""}
    share = f"{100 * profile.missing / profile.count:.3g} %" if profile.count else ""
    return {"range": _range(profile), "missing": share, "values": _values(profile)}


def _range(profile: ColumnProfile) -> str:
    low, high = profile.shown(profile.minimum), profile.shown(profile.maximum)
    if low or high:
        return f"{low} … {high}"
    if profile.shortest is not None:
        return f"{profile.shortest} … {profile.longest} characters"
    return ""


def _values(profile: ColumnProfile) -> str:
    """The most frequent categories, or the quartiles."""
    if profile.categories and not profile.confidential:
        shown = [f"{each.value}: {each.count}" for each in profile.categories[:_MOST_CATEGORIES]]
        more = len(profile.categories) - _MOST_CATEGORIES
        return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
    if len(profile.quantiles) == 9:
        quarters = (profile.quantiles[3], profile.quantiles[4], profile.quantiles[5])
        return "quartiles " + ", ".join(map(profile.shown, quarters))
    return f"{profile.distinct} different"


def _rules(facts: CardFacts) -> Sequence[Mapping[str, Any]]:
    return [
        {
            "place": ".".join(filter(None, [str(rule.get("table", "")), str(rule.get("column") or "")])),
            "text": str(rule.get("text", "")),
            "status": str(rule.get("status", "")) + (f": {rule['reason']}" if rule.get("reason") else ""),
            "found": f"{rule['violations']} of {rule.get('rows', '?')} rows" if rule.get("violations") else "",
        }
        for rule in (facts.evidence.rules if facts.evidence else ())
        if facts.table is None or rule.get("table") == facts.table.name
    ]


def _private(table: SchemaObject | None) -> Iterator[str]:
    """A line for each column that is not for everyone's eyes."""
    for column in table.properties if table else ():
        if column.is_confidential:
            role = column.custom("privacyRole")
            method = column.custom("anonymize")
            how = f"`data anonymize` does: {method.get('method')}" if isinstance(method, dict) else ""
            yield f"{column.column}: " + ", ".join(filter(None, [column.classification, role and str(role), how]))
