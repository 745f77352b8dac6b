"""Profiles: what they tell, what they never tell, and that they are the same each time."""

from __future__ import annotations

import copy
import itertools
import json
import statistics
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builder.data.contract import read_contract
from builder.data.profile import Profile, numbers, profile_files, read_profile
from builder.data.tables import Limits
from builder.errors import EnvbuildError
from builder.spec.schema import json_schema

SHARES = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99]
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: staff
version: 1.0.0
status: active
schema:
  - name: staff
    properties:
      - {name: pay, logicalType: number, classification: confidential, customProperties: [{property: unit, value: EUR}]}
      - {name: nick, logicalType: string, classification: restricted}
      - {name: team, logicalType: string, classification: public, description: Where they work.}
"""


def written(folder: Path, columns: dict[str, Any], name: str = "t.parquet") -> Path:
    pq.write_table(pa.table(columns), folder / name)
    return folder / name


def profile_of(path: Path, **options: Any) -> Profile:
    return profile_files(None, [path], **options)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("staff")


@pytest.fixture(scope="module")
def staff(office: Path) -> Profile:
    """Rows with rare values in each column: a pay, a nickname, a team that only one has."""
    rows = [f"{1000 + number % 50}.25,nick{number % 3},{'red' if number % 2 else 'blue'}" for number in range(400)]
    rows[7] = "987654.321,zaphod,purple"
    (office / "staff.csv").write_text("pay,nick,team\n" + "\n".join(rows) + "\n")
    (office / "c.yaml").write_text(CONTRACT)
    return profile_files(read_contract(office / "c.yaml"), [office / "staff.csv"])


def test_figures_are_those_of_numpy_and_the_standard_library(tmp_path: Path) -> None:
    values = np.random.default_rng(3).normal(50, 9, 5000)
    column = profile_of(written(tmp_path, {"x": values})).columns[0]
    assert column.mean == pytest.approx(statistics.fmean(values), rel=1e-10)
    assert column.deviation == pytest.approx(statistics.stdev(values), rel=1e-7)
    expected = np.quantile(values, SHARES, method="inverted_cdf")
    assert column.quantiles == pytest.approx(expected, rel=1e-9)
    assert (column.minimum, column.maximum) == (values.min(), values.max())
    assert column.plot is not None
    bounds = [-np.inf, *column.plot.edges, np.inf]
    counts = [int(((values > low) & (values <= up)).sum()) for low, up in itertools.pairwise(bounds)]
    assert list(column.plot.counts) == counts


@pytest.mark.parametrize("shape", ["normal", "lognormal", "outlier", "whole", "zeros"])
def test_quantiles_of_many_rows_are_within_the_bound_that_the_guide_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str
) -> None:
    monkeypatch.setattr(numbers, "FEW_ROWS", 0)
    rng = np.random.default_rng(5)
    values = {
        "normal": lambda: rng.normal(0, 1, 20_000),
        "lognormal": lambda: rng.lognormal(3, 2, 20_000),
        "outlier": lambda: np.append(rng.uniform(0, 100, 20_000), 1e12),
        "whole": lambda: rng.integers(-5, 100_000, 20_000),
        "zeros": lambda: np.where(rng.random(20_000) < 0.6, 0.0, rng.exponential(8, 20_000)),
    }[shape]()
    column = profile_of(written(tmp_path, {"x": values})).columns[0]
    ranks = [float((values <= quantile).mean()) for quantile in column.quantiles]
    before = [float((values < quantile).mean()) for quantile in column.quantiles]
    for share, rank, below in zip(SHARES, ranks, before, strict=True):
        assert below - 0.01 <= share <= rank + 0.01
    assert column.bins is not None
    assert max(column.bins.counts) / len(values) < (0.65 if shape == "zeros" else 0.03)


def test_bytes_are_the_same_however_many_threads_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers, "FEW_ROWS", 1000)  # so that distinct values are estimated
    rng = np.random.default_rng(1)
    columns = {"a": rng.normal(0, 1e6, 100_000), "b": rng.integers(0, 9, 100_000), "c": rng.normal(0, 1e-9, 100_000)}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet", row_group_size=4_000)
    made = [profile_of(tmp_path / "t.parquet", limits=Limits(threads=threads)) for threads in (1, 2, 4)]
    assert made[0].to_bytes() == made[1].to_bytes() == made[2].to_bytes()
    assert not made[0].columns[0].distinct_is_exact
    assert made[0].columns[0].distinct == pytest.approx(100_000, rel=0.1)
    assert (made[0].columns[1].distinct, made[0].columns[1].distinct_is_exact) == (9, True)


def test_no_rare_value_is_in_the_file(staff: Profile) -> None:
    text = staff.to_bytes().decode()
    for rare in ("987654", "zaphod", "purple"):
        assert rare not in text
    team = staff.column("team")
    assert team is not None
    assert team.other == 1
    assert {each.value for each in team.categories} == {"red", "blue"}


def test_a_confidential_column_tells_counts_and_bins_of_several_rows(staff: Profile) -> None:
    nick, pay = staff.column("nick"), staff.column("pay")
    assert nick is not None
    assert pay is not None
    assert (nick.count, nick.distinct, nick.categories, nick.other, nick.longest) == (400, 4, (), None, None)
    assert (pay.minimum, pay.maximum, pay.quantiles, pay.plot, pay.unit) == (None, None, (), None, "EUR")
    assert pay.bins is not None
    assert min(pay.bins.counts) >= 10
    assert pay.bins.on_edge == ()
    assert not any(edge % 1 == 0.25 for edge in pay.bins.edges)  # every value ends so


def test_what_seems_to_be_about_people_is_confidential_without_a_contract(tmp_path: Path) -> None:
    mails = [f"person{number % 4}@firma-nord.de" for number in range(100)]
    column = profile_of(written(tmp_path, {"contact": mails})).columns[0]
    assert (column.confidential, column.categories) == (True, ())


def test_values_that_are_no_number_are_counted_apart(tmp_path: Path) -> None:
    values = [float("nan"), float("inf"), -float("inf"), None, 1.0, 3.0]
    column = profile_of(written(tmp_path, {"x": values})).columns[0]
    assert (column.missing, column.nan, column.infinite, column.distinct) == (1, 1, 2, 2)
    assert (column.minimum, column.maximum, column.mean) == (1.0, 3.0, 2.0)


def test_a_table_without_rows_is_described_by_its_types(tmp_path: Path) -> None:
    columns = {"x": pa.array([], pa.float64()), "day": pa.array([], pa.date32()), "name": pa.array([], pa.string())}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    made = profile_of(tmp_path / "t.parquet").columns
    assert [(each.kind, each.missing, each.distinct, each.nan, each.bins) for each in made] == [
        (kind, 0, 0, 0, None) for kind in ("number", "date", "category")
    ]


def test_the_greatest_floats_make_no_endless_figure(tmp_path: Path) -> None:
    path = written(tmp_path, {"x": [1.7e308, -1.7e308, 5e-324, 0.0], "y": [9e299, -9e299, 0.0, 1.0]})
    json.loads(profile_of(path).to_bytes(), parse_constant=pytest.fail)


@pytest.mark.parametrize("text", ["a,b\n", "a,b\n,\n,\n"], ids=["no-rows", "no-values"])
def test_a_table_without_values_has_a_profile(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    profile = profile_of(tmp_path / "t.csv")
    assert Profile.from_dict(profile.to_dict()) == profile
    assert all(each.values == 0 and each.mean is None for each in profile.columns)


def test_dates_are_described_in_days(tmp_path: Path) -> None:
    days = np.arange("2024-01-01", "2024-04-10", dtype="datetime64[D]")
    column = profile_of(written(tmp_path, {"day": days})).columns[0]
    assert (column.kind, column.shown(column.minimum), column.shown(column.quantiles[4])) == (
        "date",
        "2024-01-01",
        "2024-02-19",
    )


def test_a_profile_is_read_as_it_was_written_and_is_of_its_schema(staff: Profile, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_bytes(staff.to_bytes())
    assert read_profile(tmp_path / "p.json") == staff
    jsonschema.Draft202012Validator(json_schema(Profile, "profile.schema.json")).validate(staff.to_dict())


def broken(document: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    document = copy.deepcopy(document)
    *way, last = place.split(".")
    target: Any = document
    for step in way:
        target = target[int(step)] if step.isdecimal() else target[step]
    target[int(last) if last.isdecimal() else last] = value
    return document


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("formatVersion", 2),
        ("rows", -1),
        ("rows", 1 << 70),
        ("rows", True),
        ("rows", "400"),
        ("more", 1),
        ("columns", {}),
        ("columns.0", None),
        ("columns.0.kind", "row"),
        ("columns.0.mean", float("inf")),
        ("columns.0.mean", 10**400),
        ("columns.0.missing", 401),
        ("columns.0.bins.edges.0", 1e9),
        ("columns.0.bins.counts.0", 0),
        ("columns.0.bins.counts", []),
        ("columns.0.name", "nick"),
        ("columns.0.name", "x" * 20_000),
        ("columns.2.categories.0.count", 3),
        ("columns.2.quantiles", [1.0]),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_profile_that_cannot_be_true_is_refused(staff: Profile, place: str, value: Any) -> None:
    with pytest.raises(EnvbuildError):
        Profile.from_dict(broken(staff.to_dict(), place, value))


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"rows": NaN}'],
    ids=["empty", "list", "half", "bytes", "deep", "nan"],
)
def test_what_is_no_profile_is_said_with_its_file(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "p.json").write_bytes(data)
    with pytest.raises(EnvbuildError, match=r"p\.json"):
        read_profile(tmp_path / "p.json")


def test_the_digest_is_that_of_the_file_and_the_contract(staff: Profile, office: Path) -> None:
    assert staff.contract.startswith("sha256:")
    two = profile_files(None, [office / "staff.csv"] * 2)
    assert (two.rows, two.digest != staff.digest) == (800, True)
    assert staff.digest == profile_of(office / "staff.csv").digest
