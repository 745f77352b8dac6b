"""Writing a contract, as ODCS v3.1.0: the same bytes for the same contract.

What only v3.2 has a key for becomes what v3.1 has: values of an enumeration a rule, all else a custom property. The
vendor of a custom property and what v3.2 adds to service levels have no place there and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from builder.data.contract.common import CustomProperty
from builder.data.contract.document import Contract, LogicalType, Property, Relationship, SchemaObject
from builder.data.contract.quality import Quality
from builder.spec.fields import as_document
from builder.spec.reader import Reader

_VERSION = "v3.1.0"
_FIRST = ("apiVersion", "kind", "id", "name", "version", "status")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./%() -]*")
"""Texts that no version of YAML takes for anything else, apart from words such as `no`."""
_WORDS = re.compile(r"(?i)y|n|yes|no|on|off|true|false|null|nan|inf")
_WIDTH = 120
_TYPES: Mapping[LogicalType | None, LogicalType] = {"map": "object", "vector": "array"}


def write_contract(contract: Contract, comments: Mapping[str, str] | None = None) -> bytes:
    """The contract as YAML; `comments` by the way to what they stand above, as `schema[0].properties[2].unit`."""
    document = as_document(as_version_31(contract))
    first = {name: document[name] for name in _FIRST if name in document}
    text = _yaml({**first, **document})
    return _with_comments(text, comments or {}).encode()


def as_version_31(contract: Contract) -> Contract:
    """The contract with what ODCS v3.1.0 has keys for."""
    return replace(
        contract,
        api_version=_VERSION,
        status=contract.status or "draft",
        context=None,
        custom_properties=(*_without_vendor(contract.custom_properties), *_customs(context=contract.context)),
        sla_properties=tuple(
            replace(each, authoritative_definitions=(), custom_properties=()) for each in contract.sla_properties
        ),
        schema=tuple(map(_table, contract.schema)),
    )


def _table(table: SchemaObject) -> SchemaObject:
    more = _customs(context=table.context, synonyms=table.synonyms, deprecated=table.deprecated)
    return replace(
        table,
        context=None,
        synonyms=(),
        deprecated=False,
        properties=tuple(map(_column, table.properties)),
        relationships=tuple(map(_relationship, table.relationships)),
        custom_properties=(*_without_vendor(table.custom_properties), *more),
    )


def _column(column: Property) -> Property:
    vector = {"vector": dict(column.logical_type_options)} if column.logical_type == "vector" else {}
    more = _customs(
        semanticType=column.semantic_type,
        synonyms=column.synonyms,
        deprecated=column.deprecated,
        map=column.map,
        **vector,
    )
    allowed = column.allowed
    rule = Quality(metric="invalidValues", arguments={"validValues": list(allowed or ())}, must_be=0)
    return replace(
        column,
        logical_type=_TYPES.get(column.logical_type, column.logical_type),
        logical_type_options={} if vector else column.logical_type_options,
        semantic_type=None,
        synonyms=(),
        deprecated=False,
        map=None,
        enum=(),
        quality=(rule, *column.quality) if column.enum else column.quality,
        properties=tuple(map(_column, column.properties)),
        items=_column(column.items) if column.items else None,
        relationships=tuple(map(_relationship, column.relationships)),
        custom_properties=(*_without_vendor(column.custom_properties), *more),
    )


def _relationship(relationship: Relationship) -> Relationship:
    more = _customs(id=relationship.id)
    return replace(relationship, id=None, custom_properties=(*relationship.custom_properties, *more))


def _without_vendor(properties: tuple[CustomProperty, ...]) -> tuple[CustomProperty, ...]:
    return tuple(replace(each, vendor=None) for each in properties)


def _customs(**values: Any) -> tuple[CustomProperty, ...]:
    return tuple(CustomProperty(name, as_document(value)) for name, value in values.items() if value)


def _yaml(document: Mapping[str, Any]) -> str:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Indents lists, and quotes what could be taken for another type."""

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
            super().increase_indent(flow, False)

        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
            return True

    def text(dumper: Any, value: str) -> Any:
        plain = _PLAIN.fullmatch(value) and not _WORDS.fullmatch(value) and not value.endswith(" ")
        style = None if plain else "|" if "\n" in value else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    def listed(dumper: Any, value: list[Any]) -> Any:
        on_one_line = not any(isinstance(each, (dict, list)) for each in value)
        return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=on_one_line)

    Dumper.add_representer(str, text)
    Dumper.add_representer(list, listed)
    return yaml.dump(dict(document), Dumper=Dumper, sort_keys=False, width=_WIDTH, allow_unicode=True)


def _with_comments(text: str, comments: Mapping[str, str]) -> str:
    if not comments:
        return text
    reader = Reader("", Path())
    reader.read(text.encode(), Contract)
    lines = text.splitlines(keepends=True)
    above: dict[int, list[str]] = {}
    for place, comment in comments.items():
        above.setdefault(reader.lines[place] if place else 1, []).extend(comment.splitlines())
    result = []
    for number, line in enumerate(lines, 1):
        indent = line[: len(line) - len(line.lstrip(" "))]
        result += [f"{indent}# {each}".rstrip() + "\n" for each in above.get(number, ())]
        result.append(line)
    return "".join(result)
