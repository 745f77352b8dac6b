"""Data are held to their contracts before an image is made; what came of it goes along, and is kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from data_projects import DataProject
from made_plans import made_lock

import builder.data.evidence
from builder.bundle.build import Choice, gather
from builder.bundle.inside.documents import Contents, bundle_files
from builder.bundle.inside.promised import contract_places, stated_check
from builder.bundle.inside.promises import Checking
from builder.bundle.inside.recipe import Recipe
from builder.errors import CheckFailedError, DigestMismatchError, EnvbuildError, NotMeasuredError
from builder.spec.reader import SpecError

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
BIRDS = b"id,mass,sex,day\n1,3750,male,2026-11-23\n2,3800,female,2026-11-24\n"
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: birds
version: 1.2.0
status: active
description: {purpose: To tell species., limitations: Of three islands alone.}
schema:
  - name: birds
    properties:
      - {name: id, logicalType: integer, primaryKey: true}
      - {name: mass, logicalType: integer, logicalTypeOptions: {minimum: 1000}, description: How heavy it is,
         customProperties: [{property: unit, value: g}]}
      - {name: sex, logicalType: string, classification: confidential, logicalTypeOptions: {pattern: "^(fe)?male$"}}
      - {name: day, logicalType: date}
"""
FRESH = "slaProperties: [{property: freshness, value: 7, unit: d, element: birds.day}]\n"
READS = {"train": {"run": "python src/a.py", "inputs": ["birds"]}}


@pytest.fixture
def project(tmp_path: Path) -> DataProject:
    made = DataProject(tmp_path / "project", tmp_path / "store")
    made.file("src/a.py", b"x = 1\n")
    made.file("birds.csv", BIRDS)
    made.file("contracts/birds.yaml", CONTRACT.encode())
    return made


def gathered(project: DataProject, checking: Checking | None = None, data: Any = None, **fields: Any) -> Contents:
    data = data or {"birds": {"url": "birds.csv", "contract": "contracts/birds.yaml"}}
    loaded = project.spec(data=data, code=["src/**"], commands=fields.pop("commands", READS), **fields)
    project.lock()
    return gather(loaded, made_lock(), project.fetcher, Choice(checking=checking or Checking(now=NOW)))


def files_of(project: DataProject, contents: Contents) -> dict[str, bytes]:
    loaded = project.loaded
    files = bundle_files(loaded.project, loaded.name, made_lock(), contents)
    return {file.path.removeprefix("bundle/"): file.data for file in files}


def test_contract_result_profile_and_card_are_in_the_bundle(project: DataProject) -> None:
    files = files_of(project, gathered(project))
    document = json.loads(files["bundle.json"])
    assert {key: document["data"]["birds"][key] for key in ("contract", "table", "checks")} == {
        "contract": "contracts/birds.yaml", "table": "birds", "checks": "passed",
    }  # fmt: skip
    roles = {record["path"]: record["role"] for record in document["records"]}
    assert {path: roles[path] for path in sorted(roles) if "birds" in path} == {
        "checks/birds.json": "data-check", "contracts/birds.yaml": "contract",
        "data-cards/birds.md": "data-card", "profiles/birds.json": "profile",
    }  # fmt: skip
    assert files["contracts/birds.yaml"].decode() == CONTRACT
    assert json.loads(files["profiles/birds.json"])["rows"] == 2
    assert "which they keep; [its card](data-cards/birds.md)" in files["README.md"].decode()


def test_data_of_one_table_are_each_held_to_its_contract(project: DataProject) -> None:
    """As training data and test data are."""
    project.file("later.csv", BIRDS + b"3,3900,male,2026-11-24\n")
    data = {name: {"url": f"{name}.csv", "contract": "contracts/birds.yaml"} for name in ("birds", "later")}
    files = files_of(project, gathered(project, data=data))
    document = json.loads(files["bundle.json"])
    assert {name: entry["check"] for name, entry in document["data"].items()} == {
        "birds": "checks/birds.json", "later": "checks/later.json",
    }  # fmt: skip
    rows = [json.loads(files[f"checks/{name}.json"])["predicate"]["rows"] for name in ("birds", "later")]
    assert rows == [{"birds": 2}, {"birds": 3}]
    assert [record["path"] for record in document["records"]].count("contracts/birds.yaml") == 1


def test_the_result_is_a_test_result_about_the_data_under_their_contract(project: DataProject) -> None:
    contents = gathered(project)
    statement = json.loads(files_of(project, contents)["checks/birds.json"])
    predicate = statement["predicate"]
    assert statement["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    entry = contents.data.data["birds"]
    assert statement["subject"] == [{"name": "birds", "digest": {"sha256": entry.digest.hex}}]
    assert predicate["configuration"][1]["digest"] == {"sha256": contents.promises[0].loaded.digest.hex}
    assert (predicate["result"], predicate["failedTests"], predicate["rows"]) == ("PASSED", [], {"birds": 2})
    assert "birds.mass.minimum" in predicate["passedTests"]


def test_a_violation_stops_with_its_row_and_without_confidential_values(project: DataProject) -> None:
    project.file("birds.csv", BIRDS + b"3,7,unknowable,2026-11-24\n")
    with pytest.raises(CheckFailedError) as caught:
        gathered(project)
    reasons = "\n".join(caught.value.why)
    assert caught.value.exit_code == 3
    assert "`contracts/birds.yaml`: birds.mass" in reasons
    assert "row 3, '7'" in reasons
    assert "birds.sex" in reasons
    assert "unknowable" not in str(caught.value.to_dict())
    assert "envbuild data check" in str(caught.value.hint)


def test_what_nobody_asks_for_is_recorded_and_stops_nothing(project: DataProject) -> None:
    project.file("birds.csv", BIRDS + b"3,7,male,2026-11-24\n")
    files = files_of(project, gathered(project, Checking(names=frozenset(["others"]), now=NOW)))
    assert json.loads(files["bundle.json"])["data"]["birds"]["checks"] == "violated"
    assert json.loads(files["checks/birds.json"])["predicate"]["failedTests"] == ["birds.mass.minimum"]
    with pytest.raises(CheckFailedError):
        gathered(project, Checking(names=frozenset(["birds"]), now=NOW))


def test_that_nothing_was_checked_is_recorded_and_recreated(project: DataProject) -> None:
    project.file("birds.csv", BIRDS + b"3,7,male,2026-11-24\n")
    contents = gathered(project, Checking(skipped=True))
    files = files_of(project, contents)
    document = json.loads(files["bundle.json"])
    assert document["data"]["birds"]["checks"] == "skipped"
    assert "checks/birds.json" not in files
    assert contents.notes == ("these data were not held to their contracts: `birds`",)
    assert document["recreate"]["options"] == ["--no-check"]
    recipe = Recipe.from_dict(document["recreate"])
    assert recipe.no_check
    assert ("bundle/contracts/birds.yaml", "recreated/project/contracts/birds.yaml") in recipe.copies
    assert "envbuild build recreated/project --no-check" in files["README.md"].decode()


def test_nothing_is_evaluated_twice(project: DataProject, monkeypatch: pytest.MonkeyPatch) -> None:
    first = files_of(project, gathered(project))
    with monkeypatch.context() as patch:
        patch.setattr(builder.data.evidence, "evaluate", None)
        project.file("src/a.py", b"x = 2\n")
        second = files_of(project, gathered(project))
        assert {path for path in first if first[path] != second[path]} == {"bundle.json", "README.md"}
        project.file("birds.csv", BIRDS + b"3,3000,male,2026-11-24\n")
        with pytest.raises(TypeError):
            gathered(project)


def test_how_fresh_data_are_is_asked_each_day_and_is_not_in_the_bundle(project: DataProject) -> None:
    project.file("contracts/birds.yaml", (CONTRACT + FRESH).encode())
    today = files_of(project, gathered(project))
    later = Checking(now=datetime(2026, 12, 24, tzinfo=UTC))
    with pytest.raises(CheckFailedError) as caught:
        gathered(project, later)
    assert len(caught.value.why) == 1
    again = files_of(project, gathered(project, Checking(names=frozenset(), now=later.now)))
    assert again == today
    predicate = json.loads(today["checks/birds.json"])["predicate"]
    assert len(predicate["evaluatedEachTime"]) == 1
    assert not any(rule["kind"] == "freshness" for rule in predicate["rules"])


def test_a_query_that_asks_the_time_is_not_kept(project: DataProject) -> None:
    query = 'SELECT count(*) FROM "birds" WHERE day > current_date'
    rule = f"    quality: [{{id: no-future, type: sql, query: '{query}', mustBe: 0}}]\n"
    project.file("contracts/birds.yaml", (CONTRACT + rule).encode())
    predicate = json.loads(files_of(project, gathered(project))["checks/birds.json"])["predicate"]
    assert predicate["evaluatedEachTime"] == ["no-future"]
    assert "no-future" not in predicate["passedTests"]


def test_data_that_cannot_be_had_are_not_checked_which_is_no_pass(project: DataProject) -> None:
    data = {"url": "https://data.invalid/birds.csv", "sha256": "1" * 64, "size": 10, "contract": "contracts/birds.yaml"}
    offline = project.fetcher.__class__(project.store, project.fetcher.mirrors, offline=True)
    loaded = project.spec(data={"birds": data}, code=["src/**"], commands=READS)
    with pytest.raises(NotMeasuredError) as caught:
        gather(loaded, made_lock(), offline, Choice("thin", Checking(now=NOW)))
    assert caught.value.exit_code == 6
    contents = gather(loaded, made_lock(), offline, Choice("thin", Checking(names=frozenset(), now=NOW)))
    assert json.loads(files_of(project, contents)["bundle.json"])["data"]["birds"]["checks"] == "not-evaluated"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("birds.parquet", b"PAR1 and no more"),
        ("birds.csv", b"id,mass,sex,day\n1,2\n"),
        ("birds.csv", b""),
        ("birds.csv", b"id,mass,sex,day\n\xff\xfe,1,\n"),
        ("birds.bin", BIRDS),
    ],
    ids=["cut in half", "ragged", "empty", "no text", "no table"],
)
def test_a_file_that_is_no_table_never_passes(project: DataProject, name: str, content: bytes) -> None:
    project.file(name, content)
    with pytest.raises(EnvbuildError) as caught:
        gathered(project, data={"birds": {"url": name, "contract": "contracts/birds.yaml"}})
    assert caught.value.exit_code in (3, 6)
    assert name.partition(".")[0] in "\n".join(caught.value.why)


def test_data_that_are_others_than_locked_are_no_evidence(project: DataProject) -> None:
    gathered(project, Checking(skipped=True))
    project.file("birds.csv", BIRDS + b"3,3000,male,2026-11-24\n")
    with pytest.raises(DigestMismatchError):
        gather(project.loaded, made_lock(), project.fetcher, Choice("thin", Checking(now=NOW)))


def test_a_contract_of_two_tables_is_of_the_data_of_their_names(project: DataProject) -> None:
    islands = "  - {name: islands, properties: [{name: bird, logicalType: integer, relationships: [{to: birds.id}]}]}\n"
    project.file("contracts/birds.yaml", (CONTRACT + islands).encode())
    data = {name: {"url": f"{name}.csv", "contract": "contracts/birds.yaml"} for name in ("birds", "islands")}
    project.file("islands.csv", b"bird\n1\n2\n")
    contents = gathered(project, data=data)
    assert contents.promises[0].tables == {"birds": "birds", "islands": "islands"}
    project.file("islands.csv", b"bird\n1\n9\n")
    with pytest.raises(CheckFailedError, match="not what is promised"):
        gathered(project, data=data)


def test_a_contract_with_a_fault_is_told_with_its_line(project: DataProject) -> None:
    project.file("contracts/birds.yaml", CONTRACT.replace("logicalType: date", "logicalType: day").encode())
    with pytest.raises(SpecError) as caught:
        gathered(project)
    assert caught.value.exit_code == 1
    assert "birds.yaml:15" in str(caught.value)


def test_contracts_of_one_name_have_places_of_their_own() -> None:
    places = contract_places(["a/train.yaml", "b/train.yml", "test.yaml"])
    assert places["test.yaml"] == "contracts/test.yaml"
    assert len({place.partition(".")[0] for place in places.values()}) == 3


def test_without_a_contract_nothing_is_added(project: DataProject) -> None:
    contents = gathered(project, data={"birds": {"url": "birds.csv"}})
    assert contents.promises == ()
    document = json.loads(files_of(project, contents)["bundle.json"])
    assert "checks" not in document["data"]["birds"]
    assert {record["role"] for record in document["records"]}.isdisjoint({"contract", "profile", "data-card"})


def test_a_result_counts_for_its_own_data_and_contract_alone(project: DataProject) -> None:
    files = files_of(project, gathered(project))
    entry = json.loads(files["bundle.json"])["data"]["birds"]
    assert stated_check("birds", entry, files) == "passed"
    assert stated_check("birds", {**entry, "checks": "skipped"}, files) == "skipped"
    assert stated_check("birds", {"sha256": entry["sha256"]}, files) == ""
    for changed in (
        {**files, "contracts/birds.yaml": b"{}"},
        {**files, "checks/birds.json": b"{}"},
        {path: data for path, data in files.items() if path != "checks/birds.json"},
    ):
        assert stated_check("birds", entry, changed) not in ("", "passed")
    assert stated_check("birds", {**entry, "sha256": "2" * 64}, files) == "the record is of other data"
