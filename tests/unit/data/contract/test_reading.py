"""Contracts are read as ODCS's own schemas say, and refused with every reason at once."""

from __future__ import annotations

import copy
import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from builder.data.contract import LoadedContract, read_contract
from builder.data.contract.document import Contract
from builder.data.contract.write import write_contract
from builder.errors import EnvbuildError
from builder.spec.reader import Reader, SpecError

TESTS = Path(__file__).parents[3]
EVERYTHING = TESTS / "contracts/everything-3.2.yaml"
STRICTER = re.compile(
    "this key is not known|there is no column|no value is from|is neither `rows` nor|a list of values is expected"
    "|smaller one first|says what the value must be|needs `metric`|name as many columns|stands twice"
)
"""What envbuild refuses and the schemas do not: docs/reference/contract.md lists it."""
HEAD = "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: draft\n"


@functools.cache
def validator(version: str) -> Any:
    schema = json.loads((TESTS / f"schemas/odcs/odcs-{version}.schema.json").read_text())
    return jsonschema.Draft201909Validator(schema)


@functools.cache
def whole(version: str) -> Any:
    if version == "3.2.0":
        return yaml.safe_load(EVERYTHING.read_text())
    return yaml.safe_load(write_contract(read_contract(EVERYTHING).contract))


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, child in children:
        yield (*path, name)
        yield from places(child, (*path, name))


def changed(document: Any, path: tuple[Any, ...], change: str) -> Any:
    document = copy.deepcopy(document)
    parent = functools.reduce(lambda node, name: node[name], path[:-1], document)
    others = {"list": ["x"], "mapping": {"a": 1}, "text": "some words", "number": -7, "null": None, "flag": True}
    if change == "deleted":
        del parent[path[-1]]
    elif change == "unknown key" and isinstance(parent[path[-1]], dict):
        parent[path[-1]]["unknownKey"] = 1
    else:
        parent[path[-1]] = others.get(change, [])
    return document


def as_strict_as_the_schema(version: str, start: int, step: int) -> int:
    """Compare both on every `step`th small change of a whole contract; how many of them the schema refuses."""
    refused = 0
    kinds = ("deleted", "list", "mapping", "text", "number", "null", "flag", "unknown key")
    cases = [(path, kind) for path in places(whole(version)) for kind in kinds]
    for path, kind in cases[start::step]:
        document = changed(whole(version), path, kind)
        valid = validator(version).is_valid(document)
        refused += not valid
        reader = Reader("c", Path())
        read = reader.read(json.dumps(document).encode(), Contract) is not None
        if valid and not read:
            assert all(STRICTER.search(each.message) for each in reader.problems), (path, kind, reader.problems)
        if read and not valid:  # a number is a text without its quotes; what a server has is not looked at
            lenient = kind in ("number", "flag") or path[0] == "servers" or "enum" in path
            assert lenient, (path, kind)
    return refused


@pytest.mark.parametrize("version", ["3.1.0", "3.2.0"])
def test_a_small_change_is_refused_where_the_schema_refuses_it(version: str) -> None:
    assert as_strict_as_the_schema(version, 7, 61) > 5


@pytest.mark.slow
@pytest.mark.parametrize("start", range(4))
@pytest.mark.parametrize("version", ["3.1.0", "3.2.0"])
def test_every_small_change_is_refused_where_the_schema_refuses_it(version: str, start: int) -> None:
    assert as_strict_as_the_schema(version, start, 4) > 100


def test_a_contract_that_has_every_key_is_read_written_and_read_again(tmp_path: Path) -> None:
    first = write_contract(read_contract(EVERYTHING).contract)
    validator("3.1.0").validate(yaml.safe_load(first))
    again = tmp_path / "again.yaml"
    again.write_bytes(first)
    contract = read_contract(again).contract
    assert write_contract(contract) == first
    assert contract.schema[0].properties[1].allowed == ("DE", "FR")
    assert [each.username for each in contract.members] == ["u"]


def test_texts_that_look_like_something_else_come_back_as_texts(tmp_path: Path) -> None:
    values = [
        "no",
        "1e5",
        "0x1F",
        "2024-01-01",
        "12:30:00",
        "~",
        "",
        " a ",
        "a: b",
        "- a",
        "é\u2028",
        "1_000",
        "a\n b\n",
        "#",
    ]
    file = tmp_path / "c.yaml"
    listed = json.dumps(values, ensure_ascii=False)
    file.write_text(HEAD + f"customProperties: [{{property: p, value: {listed}}}]\n", encoding="utf-8")
    loaded = read_contract(file).contract
    assert loaded.custom("p") == values
    file.write_bytes(write_contract(loaded))
    assert read_contract(file).contract == loaded
    assert yaml.safe_load(file.read_text(encoding="utf-8"))["customProperties"][0]["value"] == values


def read(tmp_path: Path, text: str) -> LoadedContract:
    (tmp_path / "c.yaml").write_text(HEAD + text)
    return read_contract(tmp_path / "c.yaml")


COLUMN = "schema:\n- name: t\n  properties:\n  - name: a\n    logicalType: integer\n    "
WRONG = {
    "metric": (COLUMN + "quality: [{metric: nullValue, mustBe: 0}]", 11, "did you mean `nullValues`"),
    "option": (COLUMN + "logicalTypeOptions: {minimun: 1}", 11, "did you mean `minimum`"),
    "option of another type": (COLUMN + "logicalTypeOptions: {pattern: x}", 11, "it is of the types string"),
    "option's type": (COLUMN + "logicalTypeOptions: {minimum: '1'}", 11, "a number is expected"),
    "crossed": (COLUMN + "logicalTypeOptions: {minimum: 9, maximum: 1}", 11, "no value is from 9 to `maximum`, 1"),
    "no threshold": (COLUMN + "quality: [{metric: rowCount}]", 11, "it needs one of mustBe"),
    "two thresholds": (COLUMN + "quality: [{metric: rowCount, mustBe: 1, mustNotBe: 2}]", 11, "it has mustBe and"),
    "threshold's type": (COLUMN + "quality: [{metric: rowCount, mustBeLessThan: '5'}]", 11, "needs a number"),
    "between": (COLUMN + "quality: [{metric: rowCount, mustBeBetween: [5, 1]}]", 11, "the smaller one first"),
    "unit": (COLUMN + "quality: [{metric: rowCount, mustBe: 5, unit: precent}]", 11, "did you mean `percent`"),
    "no such table": (COLUMN + "relationships: [{to: tt.a}]", 11, "did you mean `t.a`"),
    "a column's from": (COLUMN + "relationships: [{to: t.a, from: t.a}]", 11, "the relationship of a column has none"),
    "no reference": (COLUMN + "relationships: [{to: ../x}]", 11, "is not a reference"),
    "key": (COLUMN + "requierd: true", 11, "did you mean `required`"),
    "twice": (COLUMN + "required: true\n  - name: a", 12, "`a` stands twice"),
    "position": (
        COLUMN + "primaryKey: true\n    primaryKeyPosition: 1\n  - {name: b, primaryKey: true, primaryKeyPosition: 1}",
        13,
        "another column has the position 1",
    ),
    "path out": ("schema:\n- name: t\n  physicalName: ../../etc/passwd", 8, "stays below its folder"),
    "path in the middle": ("schema:\n- name: t\n  physicalName: data/../../x", 8, "stays below its folder"),
    "absolute path": ("schema:\n- name: t\n  physicalName: /etc/passwd", 8, "stays below its folder"),
    "tables twice": ("schema:\n- name: t\n- name: T", 8, "stands twice"),
    "query": (COLUMN + "quality: [{type: sql, mustBe: 1}]", 11, "needs `query`"),
    "engine": (COLUMN + "quality: [{type: custom, implementation: x}]", 11, "needs `engine`"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_with_its_line_and_a_hint(tmp_path: Path, case: str) -> None:
    text, line, message = WRONG[case]
    with pytest.raises(SpecError) as raised:
        read(tmp_path, text)
    assert any(each.line == line and message in str(each) for each in raised.value.problems), raised.value.problems


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as raised:
        read(tmp_path, "\n".join(f"wrong{number}: 1" for number in range(7)))
    assert [each.line for each in raised.value.problems] == list(range(6, 13))


@pytest.mark.parametrize("version", ["v2.2.2", "v3.0.2", "v4.0.0"])
def test_of_another_version_only_that_is_said(tmp_path: Path, version: str) -> None:
    (tmp_path / "c.yaml").write_text(HEAD.replace("v3.1.0", version) + "uuid: 1\n")
    with pytest.raises(SpecError) as raised:
        read_contract(tmp_path / "c.yaml")
    assert len(raised.value.problems) == 1
    assert "v3.1.0 or v3.2.0" in str(raised.value.problems[0])


def test_a_pattern_that_nobody_can_compile_is_left_to_the_check(tmp_path: Path) -> None:
    text = COLUMN.replace("integer", "string") + "logicalTypeOptions: {pattern: '(?<=a+)['}"
    assert read(tmp_path, text).contract.schema[0].properties[0].logical_type_options == {"pattern": "(?<=a+)["}


def test_an_older_name_of_a_metric_is_known(tmp_path: Path) -> None:
    rule = read(tmp_path, COLUMN + "quality: [{rule: rowCount, mustBe: 1}]").contract.schema[0].properties[0].quality[0]
    assert rule.measures == "rowCount"
    assert rule.threshold.holds(1)


def test_a_file_that_is_not_there_or_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvbuildError, match="cannot be read"):
        read_contract(tmp_path / "none.yaml")
    (tmp_path / "large.yaml").write_text("#" * (2 << 20))
    with pytest.raises(SpecError, match="larger than"):
        read_contract(tmp_path / "large.yaml")


def test_a_class_that_is_not_known_counts_as_confidential(tmp_path: Path) -> None:
    def column(more: str) -> Any:
        return read(tmp_path, COLUMN + more).contract.schema[0].properties[0]

    assert column("classification: top-secret").is_confidential
    assert column("customProperties: [{property: privacyRole, value: subject}]").is_confidential
    assert not column("classification: Public").is_confidential
    assert not column("description: no class").is_confidential


def test_a_number_as_json_writes_it_is_a_number() -> None:
    reader = Reader("c", Path())
    head = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "c", "version": "1", "status": "draft"}
    values = {"small": 1e-05, "large": 1e300, "code": "1E5"}
    document = {**head, "customProperties": [{"property": "p", "value": values}]}
    contract = reader.read(json.dumps(document).encode(), Contract)
    assert contract is not None
    assert contract.custom("p") == values
