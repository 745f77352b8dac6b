"""What a contract may declare of anonymisation, and what is refused, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.data.contract import read_contract
from builder.data.privacy.plan import plan_table
from builder.spec.reader import SpecError

HEAD = """\
apiVersion: v3.1.0
kind: DataContract
id: c
version: 1.0.0
status: active
BUDGETschema:
- name: t
  logicalType: object
  TABLE
  properties:
  - name: who
    logicalType: string
  - name: n
    logicalType: TYPE
    classification: confidential
    customProperties:
    - property: anonymize
      value: VALUE
"""


def _plan(path: Path) -> None:
    loaded = read_contract(path)
    plan_table(loaded, loaded.contract.schema[0])


def _problems(folder: Path, value: str, type_: str = "number", table: str = "", budget: str = "") -> str:
    text = HEAD.replace("VALUE", value).replace("TYPE", type_).replace("TABLE", table or "description: x")
    if budget:
        budget = f"customProperties: [{{property: privacyBudget, value: {budget}}}]\n"
    path = folder / "c.yaml"
    path.write_text(text.replace("BUDGET", budget))
    with pytest.raises(SpecError) as caught:
        _plan(path)
    return str(caught.value)


NOISE = "{method: noise, epsilon: 1, minimum: 0, maximum: 1}"


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("{method: hsah}", "did you mean `hash`?"),
        ("{length: 9}", "it has no `method` that is known"),
        ("drop", "it has no `method` that is known"),
        ("[drop]", "it has no `method` that is known"),
        ("{method: [hash]}", "it has no `method` that is known"),
        ("{method: keep}", "the key `reason` is missing"),
        ("{method: hash, salt: x}", "this key is not known"),
        ("{method: hash, length: 8}", "between 16 and 64"),
        ("{method: hash, length: many}", "not a whole number"),
        ("{method: mask, keepLast: -1}", "between 0 and 64"),
        ("{method: mask, keepLast: 1, pattern: x}", "either a pattern is masked"),
        ("{method: bucket}", "one of `width`"),
        ("{method: bucket, width: 1, edges: [1, 2]}", "one of `width`"),
        ("{method: bucket, width: 0}", "greater than 0"),
        ("{method: bucket, width: .inf}", "not a finite number"),
        ("{method: bucket, edges: [2, 1]}", "they ascend"),
        ("{method: bucket, edges: [1, x]}", "not a finite number"),
        ("{method: bucket, to: month}", "`date` or `timestamp`"),
        ("{method: bucket, top: 3}", "`string`"),
        ("{method: date-shift, days: 0, subject: who}", "between 1 and 36500"),
        ("{method: date-shift, days: 9}", "no one column has `privacyRole: subject`"),
        ("{method: date-shift, days: 9, subject: nobody}", "there is no column `nobody`"),
        ("{method: noise, epsilon: 0, minimum: 0, maximum: 1}", "greater than 0"),
        ("{method: noise, epsilon: 1, minimum: 1, maximum: 1}", "greater than `minimum`"),
        ("{method: noise, epsilon: 1}", "the key `maximum` is missing"),
        (NOISE, "`noise` needs a `privacyBudget`"),
    ],
    ids=str,
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, value: str, says: str) -> None:
    told = _problems(tmp_path, value)
    assert says in told
    assert f"{tmp_path / 'c.yaml'}:" in told
    if "noise` needs" not in says:
        assert "c.yaml:18: " in told


@pytest.mark.parametrize(
    ("budget", "says"),
    [("0.5", "1 in all, more than the budget of 0.5"), ("-1", "greater than 0"), ("much", "greater than 0"),
     ("true", "greater than 0")],
    ids=str,
)  # fmt: skip
def test_more_than_the_budget_is_refused(tmp_path: Path, budget: str, says: str) -> None:
    assert says in _problems(tmp_path, NOISE, budget=budget)


@pytest.mark.parametrize(
    ("privacy", "says"),
    [
        ("{kAnonymity: {mustBeAtLeast: 5}}", "is not known"),
        ("{kAnonymity: {mustBeGreaterThan: 5, mustBe: 6}}", "mustBe"),
        ("{kAnonymity: {mustBeGreaterThan: many}}", "needs a number"),
        ("{kAnonymity: 5}", "a mapping of keys to values"),
        ("{tCloseness: {mustBe: 1}}", "this key is not known"),
        ("{suppressBelow: 1}", "between 2 and 1000000"),
        ("5", "a mapping of keys to values"),
    ],
    ids=str,
)
def test_promises_of_a_table_are_checked(tmp_path: Path, privacy: str, says: str) -> None:
    table = f"customProperties: [{{property: privacy, value: {privacy}}}]"
    told = _problems(tmp_path, "{method: drop}", table=table)
    assert says in told
    assert "c.yaml:9: " in told


def test_a_confidential_column_needs_to_be_declared(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    text = HEAD.replace("BUDGET", "").replace("TABLE", "description: x").replace("TYPE", "string")
    path.write_text(text[: text.index("    customProperties:")])
    loaded = read_contract(path)
    with pytest.raises(SpecError, match=r"c\.yaml:13.*it is not said how the column `n` is anonymised"):
        plan_table(loaded, loaded.contract.schema[0])


def test_a_role_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    text = HEAD.replace("BUDGET", "").replace("TABLE", "description: x").replace("TYPE", "string")
    path.write_text(text.replace("VALUE", "{method: drop}") + "    - {property: privacyRole, value: quasi}\n")
    loaded = read_contract(path)
    with pytest.raises(SpecError, match=r"c\.yaml:19.*`quasi` is no role"):
        plan_table(loaded, loaded.contract.schema[0])
