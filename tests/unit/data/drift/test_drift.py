"""Drift between files and profiles: found where it is, not where it is not, and never passed without a look."""

from __future__ import annotations

import csv
import random
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families
from scipy import stats

from builder.cli.data.drift import command
from builder.cli.output import Output
from builder.data.contract import read_contract
from builder.data.drift.compare import Compared, compare
from builder.data.drift.outcome import Drift, Measure
from builder.data.drift.page import page
from builder.data.drift.prometheus import prometheus_text
from builder.data.profile import profile_files
from builder.errors import EnvbuildError

Rows = list[dict[str, str]]


def write(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def penguins() -> Rows:
    spec = find_spec("palmerpenguins")
    assert spec is not None
    assert spec.origin is not None
    with (Path(spec.origin).parent / "data/penguins.csv").open() as file:
        rows = [{name: "" if value == "NA" else value for name, value in row.items()} for row in csv.DictReader(file)]
    return [row for row in rows for _ in range(5)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, penguins: Rows) -> Path:
    """A reference, its profile, a sample of the same rows, and heavier penguins."""
    folder = tmp_path_factory.mktemp("drift")
    write(folder / "reference.csv", penguins)
    write(folder / "same.csv", random.Random(7).choices(penguins, k=2000))
    heavier = [
        row | {"body_mass_g": str(float(row["body_mass_g"] or 0) + 600)} for row in penguins if row["body_mass_g"]
    ]
    write(folder / "heavier.csv", heavier)
    for name in ("reference", "heavier"):
        profile = profile_files(None, [folder / f"{name}.csv"])
        (folder / f"{name}.json").write_bytes(profile.to_bytes())
    return folder


def found(compared: Compared, state: str) -> set[tuple[str, str]]:
    return {(each.column, each.metric) for each in compared.drift.measures if each.state == state}


@pytest.mark.parametrize("reference", ["reference.csv", "reference.json"])
def test_a_sample_of_the_same_rows_has_not_drifted(place: Path, reference: str) -> None:
    compared = compare(place / reference, place / "same.csv")
    assert not found(compared, "violated")
    assert not found(compared, "not-evaluated")


@pytest.mark.parametrize("reference", ["reference.csv", "reference.json"])
def test_heavier_penguins_are_found_and_nothing_else(place: Path, reference: str) -> None:
    violated = found(compare(place / reference, place / "heavier.csv"), "violated")
    assert violated == {("body_mass_g", "psi"), ("body_mass_g", "ks"), ("body_mass_g", "outOfRange")}


def test_smirnov_of_two_files_is_scipys(place: Path, penguins: Rows) -> None:
    compared = compare(place / "reference.csv", place / "same.csv")
    with (place / "same.csv").open() as file:
        same = list(csv.DictReader(file))
    for measure in compared.drift.measures:
        if measure.metric == "ks":
            sides = [[float(row[measure.column]) for row in rows if row[measure.column]] for rows in (penguins, same)]
            assert measure.value == pytest.approx(stats.ks_2samp(*sides, method="asymp").statistic, abs=1e-9)


def test_of_two_profiles_what_bins_do_not_tell_is_not_passed(place: Path) -> None:
    compared = compare(place / "reference.json", place / "heavier.json")
    assert ("body_mass_g", "ks") in found(compared, "violated")
    assert ("body_mass_g", "psi") in found(compared, "not-evaluated")
    assert not found(compare(place / "reference.json", place / "reference.json"), "violated")


def test_few_rows_that_differ_by_chance_are_no_drift_and_no_pass(place: Path, penguins: Rows, tmp_path: Path) -> None:
    write(tmp_path / "few.csv", random.Random(3).choices(penguins, k=60))
    compared = compare(place / "reference.json", tmp_path / "few.csv")
    assert not found(compared, "violated")
    open_ = [each for each in compared.drift.measures if each.state == "not-evaluated"]
    assert any("by chance alone" in each.reason for each in open_)
    write(tmp_path / "fewer.csv", penguins[:20])
    reasons = {each.reason for each in compare(place / "reference.json", tmp_path / "fewer.csv").drift.measures}
    assert any("too few" in reason for reason in reasons)


def test_columns_that_are_gone_or_retyped_are_told(place: Path, penguins: Rows, tmp_path: Path) -> None:
    rows = [{name: value for name, value in row.items() if name != "island"} | {"extra": "1"} for row in penguins]
    compared = compare(place / "reference.json", write(tmp_path / "gone.csv", rows))
    schema = compared.drift.measures[0]
    assert (schema.state, schema.value, schema.reason) == ("violated", 1, "gone: island; new: extra")
    assert ("island", "distance") in found(compared, "not-evaluated")
    words = [row | {"body_mass_g": "heavy"} for row in penguins]
    compared = compare(place / "reference.json", write(tmp_path / "words.csv", words))
    assert {("body_mass_g", "unreadable"), ("body_mass_g", "missing")} <= found(compared, "violated")


def test_new_categories_and_missing_values_are_drift(place: Path, penguins: Rows, tmp_path: Path) -> None:
    changed = [
        row | ({"species": "Emperor", "bill_depth_mm": ""} if n % 4 == 0 else {}) for n, row in enumerate(penguins)
    ]
    violated = found(compare(place / "reference.json", write(tmp_path / "new.csv", changed)), "violated")
    assert {("species", "distance"), ("species", "newCategories"), ("bill_depth_mm", "missing")} <= violated


def contract(path: Path, of_table: str, of_column: str) -> Path:
    path.write_text(
        "apiVersion: v3.1.0\nkind: DataContract\nid: p\nversion: 1.0.0\nstatus: active\nschema:\n- name: reference\n"
        f"  customProperties: [{{property: drift, value: {of_table}}}]\n  properties:\n"
        f"  - {{name: body_mass_g, logicalType: number, customProperties: [{{property: drift, value: {of_column}}}]}}\n"
    )
    return path


def test_limits_are_the_contracts_and_options_go_first(place: Path, tmp_path: Path) -> None:
    file = contract(
        tmp_path / "c.yaml", "{outOfRange: false, rowCount: {mustBeBetween: [0.5, 2]}}", "{psi: {mustBeLessThan: 9}}"
    )
    options = ["body_mass_g.ks.mustBeLessThan=0.9"]
    compared = compare(place / "reference.json", place / "heavier.csv", read_contract(file), options)
    assert not found(compared, "violated")
    assert {("", "rowCount"), ("body_mass_g", "psi"), ("body_mass_g", "ks")} <= found(compared, "passed")
    asked = compare(place / "reference.json", place / "same.csv", None, ["sex.psi.mustBeLessThan=1"])
    assert found(asked, "not-evaluated") == {("sex", "psi")}


@pytest.mark.parametrize(
    ("of_table", "of_column", "said"),
    [
        ("{psy: {mustBeLessThan: 1}}", "{}", "`psy` is not known"),
        ("{}", "{psi: {mustBeLower: 1}}", "`mustBeLower` is none of"),
        ("{}", "{psi: {mustBeLessThan: much}}", "mustBeLessThan needs a number"),
        ("{}", "{psi: {}}", "it needs one of"),
        ("{}", "{rowCount: {mustBe: 1}}", "`rowCount` is of tables"),
        ("[]", "7", "it is no mapping of metrics to limits"),
    ],
    ids=["metric", "operator", "limit", "none", "place", "kind"],
)
def test_limits_that_cannot_be_understood_are_refused(
    place: Path, tmp_path: Path, of_table: str, of_column: str, said: str
) -> None:
    loaded = read_contract(contract(tmp_path / "c.yaml", of_table, of_column))
    with pytest.raises(EnvbuildError) as caught:
        compare(place / "reference.json", place / "same.csv", loaded)
    assert said in str(caught.value)


@pytest.mark.parametrize("option", ["ks", "ks.mustBe", "psi.mustBeLessThan=x", "=off", "a.b.c.mustBe=1"])
def test_an_option_that_is_no_limit_is_refused(place: Path, option: str) -> None:
    with pytest.raises(EnvbuildError):
        compare(place / "reference.json", place / "same.csv", None, [option])


HOSTILE = 'a"b\\c\n</title><script>alert(1)</script>{}='


def test_prometheus_reads_what_is_written_whatever_names_are_like(place: Path) -> None:
    drift = Drift("t", "r", "n", 1, 2, (Measure(HOSTILE, "psi", 0.25, None, "told"),))
    samples = [each for family in text_string_to_metric_families(prometheus_text(drift)) for each in family.samples]
    assert samples[0].labels == {"table": "t", "column": HOSTILE, "metric": "psi"}
    assert samples[0].value == 0.25
    whole = prometheus_text(compare(place / "reference.json", place / "heavier.csv").drift)
    families = {family.name: family for family in text_string_to_metric_families(whole)}
    violated = [each.labels["metric"] for each in families["envbuild_drift_violated"].samples if each.value]
    assert sorted(violated) == ["ks", "outOfRange", "psi"]
    assert all(family.type == "gauge" and family.documentation for family in families.values())


def test_names_and_values_are_no_markup_on_the_page(tmp_path: Path) -> None:
    rows = [
        {"n<script>": str(number), "c": "<img src=x onerror=alert(1)>" if number % 2 else "b"} for number in range(90)
    ]
    text = page(compare(write(tmp_path / "a.csv", rows), tmp_path / "a.csv"))
    assert "<script" not in text
    assert "<img" not in text
    assert not re.search(r"(src|href)=", text.replace("&lt;img src=x", ""))
    body = text[text.index("<main>") : text.index("</main>") + 7]
    root = ET.fromstring(body)
    assert len(root.findall(".//svg")) == 3
    assert root.findall(".//polygon")


def run(*arguments: Any) -> tuple[int, str]:
    result = CliRunner().invoke(command, [str(each) for each in arguments], obj=Output(quiet=True))
    failed = result.exception
    return (failed.exit_code if isinstance(failed, EnvbuildError) else result.exit_code), result.output


def test_the_exit_code_says_what_came_of_it(place: Path, tmp_path: Path) -> None:
    assert run(place / "reference.json", place / "same.csv")[0] == 0
    code, out = run(place / "reference.json", place / "heavier.csv", "--html", tmp_path / "p.html", "--prometheus", "-")
    assert (code, out.startswith("# HELP envbuild_drift_value")) == (3, True)
    assert "polygon" in (tmp_path / "p.html").read_text()
    assert run(place / "reference.json", place / "same.csv", "--threshold", "sex.psi.mustBeLessThan=1")[0] == 6


def test_categories_that_nobody_may_see_are_told_as_not_compared(tmp_path: Path) -> None:
    data = write(tmp_path / "t.csv", [{"c": "ab"[number % 2]} for number in range(90)])
    contract = tmp_path / "c.yaml"
    column = "{name: c, logicalType: string, classification: internal}"
    contract.write_text(
        "{apiVersion: v3.1.0, kind: DataContract, id: c, version: 1.0.0, status: draft, "
        f"schema: [{{name: t, properties: [{column}]}}]}}"
    )
    measures = {each.metric: each for each in compare(data, data, read_contract(contract)).drift.measures}
    assert (measures["distance"].state, measures["distance"].value) == ("told", None)
    assert "confidential" in measures["distance"].reason


def test_rows_that_are_not_there_are_not_passed(place: Path, tmp_path: Path, penguins: Rows) -> None:
    (tmp_path / "none.csv").write_text(",".join(penguins[0]) + "\n")
    compared = compare(place / "reference.json", tmp_path / "none.csv")
    assert not [each for each in found(compared, "passed") if each[0]]
    assert found(compared, "not-evaluated")


def test_a_key_has_new_values_and_that_is_no_drift(tmp_path: Path) -> None:
    contract = tmp_path / "c.yaml"
    contract.write_text(
        "{apiVersion: v3.1.0, kind: DataContract, id: t, version: 1.0.0, status: active, schema: [{name: old,"
        "properties: [{name: id, logicalType: integer, primaryKey: true}, {name: v, logicalType: integer}]}]}"
    )
    for name, first in (("old", 0), ("new", 5000)):
        write(tmp_path / f"{name}.csv", [{"id": str(first + n), "v": str(n % 7)} for n in range(1000)])
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    assert not found(compare(old, new, read_contract(contract)), "violated")
    assert ("id", "ks") in found(compare(old, new), "violated")


def test_an_option_that_names_no_column_is_told_with_the_nearest(place: Path) -> None:
    with pytest.raises(EnvbuildError, match="which the reference does not have") as caught:
        compare(place / "reference.csv", place / "same.csv", None, ["body_mas_g.ks.mustBeLessThan=0.1"])
    assert "body_mass_g" in str(caught.value.hint)
