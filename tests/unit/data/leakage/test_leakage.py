"""Leaks planted in real data are found; a split that is honest has none."""

from __future__ import annotations

import csv
import importlib.util
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from contracts_of_tables import loaded_contract

from builder.data.leakage.columns import Asked
from builder.data.leakage.features import area
from builder.data.leakage.look import look_for_leakage
from builder.data.leakage.report import LeakageReport, Outcome, markdown
from builder.data.tables import Limits
from builder.errors import CheckFailedError, EnvbuildError, NotMeasuredError

Row = dict[str, str]
Both = tuple[list[Row], list[Row]]


def packaged(package: str, path: str) -> Path:
    """A file that is in an installed package, which is not imported."""
    spec = importlib.util.find_spec(package)
    assert spec
    assert spec.origin
    return Path(spec.origin).parent / path


def split(rows: list[Row], first: int) -> Both:
    random.Random(1).shuffle(rows)
    return rows[:first], rows[first:]


@pytest.fixture
def penguins() -> Both:
    with packaged("palmerpenguins", "data/penguins.csv").open() as file:
        rows = [{name: cell.replace("NA", "") for name, cell in row.items()} for row in csv.DictReader(file)]
    return split(rows, 250)


@pytest.fixture
def tumours(all_of_tumours: Both) -> Both:
    """Some of their columns: each takes its time."""
    names = ("f0", "f3", "f9", "f22", "target")
    train, test = ([{name: row[name] for name in names} for row in rows] for rows in all_of_tumours)
    return train, test


@pytest.fixture
def all_of_tumours() -> Both:
    with packaged("sklearn", "datasets/data/breast_cancer.csv").open() as file:
        rows = list(csv.reader(file))[1:]
    names = [*(f"f{number}" for number in range(30)), "target"]
    return split([dict(zip(names, row, strict=True)) for row in rows], 400)


@pytest.fixture
def look(tmp_path: Path) -> Callable[..., LeakageReport]:
    """Writes both sides and looks."""

    def call(both: tuple[Sequence[Row], Sequence[Row]], threads: int = 2, **asked: Any) -> LeakageReport:
        contract = asked.pop("contract", None)
        paths = []
        for name, rows in zip(("train", "test"), both, strict=True):
            paths.append(tmp_path / f"{name}.csv")
            with paths[-1].open("w") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        return look_for_leakage(paths[:1], paths[1:], Asked(**asked), contract, Limits(threads=threads))

    return call


def found(report: LeakageReport) -> dict[tuple[str, str | None], Outcome]:
    return {(each.rule, each.column): each for each in report.of("found")}


@pytest.mark.parametrize("target", ["species", "body_mass_g"])
def test_an_honest_split_of_penguins_has_no_finding(penguins: Both, look: Any, target: str) -> None:
    report = look(penguins, target=target)

    assert not report.of("found") + report.of("not-measured")
    report.check()


def test_an_honest_split_of_tumours_has_no_finding_and_the_known_area(all_of_tumours: Both, look: Any) -> None:
    report = look(all_of_tumours, target="target")

    assert not report.of("found") + report.of("not-measured")
    areas = {each.column: each.measured for each in report.outcomes if each.rule == "singleFeatureAuc"}
    for name in ("f22", "f3", "f7"):
        ill, well = ([float(row[name]) for row in all_of_tumours[1] if row["target"] == each] for each in "01")
        larger = sum((one > other) + (one == other) / 2 for one in ill for other in well)
        assert areas[name] == pytest.approx(larger / len(ill) / len(well), abs=0.02)


def test_equal_rows_are_found_whatever_their_ids(penguins: Both, look: Any) -> None:
    train, test = penguins
    for number, row in enumerate(train + test):
        row["row_id"] = str(number)
    test[4] = {**train[9], "row_id": "9004"}
    test[7] = {**train[3], "row_id": "9007", "species": "Dodo"}
    report = look((train, test), target="species")

    assert report.ids == ("row_id",)
    assert found(report).keys() == {("equalRows", None), ("equalFeatures", None)}
    assert found(report)["equalRows", None].samples == ((5, 10),)
    assert found(report)["equalFeatures", None].samples == ((8, 4),)
    with pytest.raises(CheckFailedError, match="gives away"):
        report.check()


def test_nearly_equal_rows_are_found(tumours: Both, look: Any) -> None:
    train, test = tumours
    for row in train + test:
        row["note"] = "Crème  brûlée"
    train[0] |= {"note": " a  Note", "f0": "17.9904"}
    test[0] = {**train[0], "note": "A note ", "f0": "17.9896", "target": "1"}
    report = look((train, test), target="target")

    assert found(report).keys() == {("nearRows", None)}
    assert found(report)["nearRows", None].samples == ((1, 1),)


def test_shared_ids_and_groups_are_found(penguins: Both, look: Any) -> None:
    train, test = penguins
    for number, row in enumerate(train + test):
        row |= {"sampleId": f"s{number}", "nest": f"n{number // 2}"}
    test[2]["sampleId"] = train[30]["sampleId"]
    report = look((train, test), target="species", group="nest")
    assert found(report).keys() == {("sharedIds", "sampleId")}
    assert found(report)["sharedIds", "sampleId"].samples == ((3, 31),)

    test[5]["nest"] = train[8]["nest"]
    report = look((train, test), target="species", group="nest", limits={"sharedIds": 1})
    assert found(report).keys() == {("sharedGroups", "nest")}


def test_a_contract_says_what_ids_and_subjects_are(penguins: Both, look: Any, tmp_path: Path) -> None:
    train, test = penguins
    for number, row in enumerate(train + test):
        row |= {"tag": str(number), "colony": f"c{number // 50}"}
    test[0]["tag"] = "0" + train[0]["tag"]
    columns = {
        "tag": {"logicalType": "integer", "primaryKey": True},
        "colony": {"logicalType": "string", "privacyRole": "subject"},
        "species": {"logicalType": "string", "classification": "restricted"},
    }
    contract = loaded_contract(tmp_path / "c.json", columns).contract.schema[0]
    report = look((train, test), target="species", contract=contract)

    assert {rule for rule, _ in found(report)} == {"sharedIds"}
    assert "sharedGroups" in {each.rule for each in report.outcomes}
    assert "Adelie" not in str(report.to_dict()) + markdown(report)


@pytest.mark.parametrize(
    ("target", "leak", "rules"),
    [
        ("species", lambda row: f"code-{ord(row['species'][0])}", {"singleFeature", "targetFunction"}),
        ("body_mass_g", lambda row: str(float(row["body_mass_g"] or 0) / 1000), {"singleFeature"}),
        ("sex", lambda row: {"male": "5.5", "female": "1.25"}.get(row["sex"], ""), {"singleFeature", "targetFunction"}),
    ],
    ids=["class", "quantity", "number"],
)
def test_a_feature_that_is_the_target_is_found(
    penguins: Both, look: Any, target: str, leak: Any, rules: set[str]
) -> None:
    for row in penguins[0] + penguins[1]:
        row["leak"] = leak(row)
    report = look(penguins, target=target)

    names = {column for _, column in found(report)}
    assert names == {"leak"}
    assert rules <= {rule for rule, _ in found(report)}


def test_a_score_that_ranks_the_target_is_found(tumours: Both, look: Any) -> None:
    generator = random.Random(2)
    for row in tumours[0] + tumours[1]:
        row["score"] = str(int(row["target"]) + generator.random() * 1.05)
    report = look(tumours, target="target")

    assert {column for _, column in found(report)} == {"score"}
    assert ("singleFeatureAuc", "score") in found(report)


def test_a_rare_class_makes_no_feature_a_function_of_the_target(look: Any) -> None:
    generator = random.Random(3)
    rows = [
        {"x": str(generator.randrange(200)), "z": str(generator.random()), "y": str(int(number % 100 == 0))}
        for number in range(4000)
    ]
    report = look(split(rows, 3000), target="y")

    assert {each.rule for each in report.of("found")} <= {"nearRows"}  # two columns of three digits are often so


def test_time_running_backwards_is_found(penguins: Both, look: Any) -> None:
    train, test = penguins
    for number, row in enumerate(train + test):
        row["day"] = f"2020-{1 + number // 28:02}-{1 + number % 28:02}" if number < 336 else "2021-01-01"
    assert not look((train, test), time="day").of("found")

    test[6]["day"] = "2020-01-05"
    report = look((train, test), time="day")
    outcome = found(report)["timeBackwards", "day"]
    assert (outcome.count, outcome.samples) == (1, ((7, None),))


def test_duplicates_in_training_and_constant_columns_are_found(penguins: Both, look: Any) -> None:
    train, test = penguins
    train += train[:5]
    for row in train + test:
        row["same"] = "1"
    report = look((train, test))

    assert found(report).keys() == {("trainDuplicates", None), ("constantColumns", "same")}
    assert found(report)["trainDuplicates", None].samples[0] == (None, 251)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda row: row.pop("species"), "the target is not in the test set"),
        (lambda row: row.update(species="Adelie"), "the target has one value in test"),
        (lambda row: row.update(species=""), "the target has no value in test"),
        (lambda row: row.update(extra="1"), "only one of both has it"),
    ],
    ids=["no-column", "one-value", "no-value", "another-column"],
)
def test_what_cannot_be_measured_is_no_pass(penguins: Both, look: Any, change: Any, said: str) -> None:
    for row in penguins[1]:
        change(row)
    report = look(penguins, target="species")

    assert said in {each.reason for each in report.of("not-measured")}
    if not report.of("found"):
        with pytest.raises(NotMeasuredError):
            report.check()


def test_a_time_that_is_none_is_not_measured(penguins: Both, look: Any) -> None:
    report = look(penguins, time="island")

    assert [each.rule for each in report.of("not-measured")] == ["timeBackwards"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"target": "specie"}, "there is no column `specie`"),
        ({"ids": ("nothing",)}, "there is no column `nothing`"),
        ({"limits": {"equalRow": 1}}, "there is no rule `equalRow`"),
    ],
    ids=["target", "id", "rule"],
)
def test_a_name_of_nothing_is_wrong_input(penguins: Both, look: Any, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(EnvbuildError, match=said):
        look(penguins, **asked)


def test_no_rows_are_wrong_input(tmp_path: Path) -> None:
    for name in ("train", "test"):
        (tmp_path / f"{name}.csv").write_text("x,y\n" + ("1,2\n" if name == "train" else ""))
    with pytest.raises(EnvbuildError, match=r"test\.csv` has no rows"):
        look_for_leakage([tmp_path / "train.csv"], [tmp_path / "test.csv"], Asked())


def test_the_report_does_not_depend_on_the_number_of_threads(tumours: Both, look: Any) -> None:
    train = [row | {"x": str(number / 7)} for number, row in enumerate(tumours[0] * 20)]
    test = [row | {"x": str(number / 7)} for number, row in enumerate(tumours[1] * 20)]
    made = [look((train, test), threads, target="x").to_dict() for threads in (1, 4)]

    assert made[0] == made[1]


def test_names_of_columns_are_no_markup(penguins: Both, look: Any) -> None:
    for row in penguins[0] + penguins[1]:
        row["<img src=x>|`"] = "1"
    text = markdown(look(penguins))

    assert "<img" not in text
    assert "&#60;img src=x&#62;&#124;&#96;" in text


def test_the_area_counts_ties_as_half() -> None:
    assert area([(1, 3), (2, 2), (3, 1)]) == pytest.approx((1 * 1.5 + 2 * 4 + 3 * 5.5) / 36)
    assert area([(1, 0)]) is None
