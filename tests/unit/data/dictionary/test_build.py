"""What a dictionary says: from contracts, commands, files and glossaries."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.data.dictionary.build import build_dictionary
from builder.data.dictionary.entries import ColumnEntry, Dictionary, Link
from builder.data.dictionary.glossary import read_glossary
from builder.data.dictionary.sources import collect
from builder.errors import EnvbuildError
from builder.spec.reader import SpecError


def made(*paths: Path, glossary: Path | None = None) -> Dictionary:
    return build_dictionary(collect(paths), [read_glossary(glossary)] if glossary else [])


def column(dictionary: Dictionary, table: str, name: str) -> ColumnEntry:
    return next(
        each for entry in dictionary.tables if entry.name == table for each in entry.columns if each.name == name
    )


def test_data_are_told_with_who_makes_and_who_reads_them_and_the_model_that_comes_of_it(project) -> None:
    raw, features = (table.datasets[0] for table in made(project).tables)
    assert (raw.made_by, raw.used_by, raw.models) == (None, ("churn prepare",), ("churn",))
    assert (features.made_by, features.used_by, features.models) == ("churn prepare", ("churn train",), ("churn",))


def test_a_column_has_what_its_contract_says(project) -> None:
    fee = column(made(project), "raw", "fee")
    assert (fee.physical_name, fee.business_name, fee.meaning) == ("FEE_C", "Monthly fee", "What is paid.")
    assert (fee.type, fee.limits, fee.classification) == ("number", "from 0 below 900", "public")
    assert fee.links == (Link("https://example.org/fee", "businessDefinition"),)
    plan = column(made(project), "raw", "plan")
    assert plan.allowed == ("basic", "pro (For companies)")


def test_the_owner_is_the_columns_else_the_teams_else_whom_the_project_names(project) -> None:
    dictionary = made(project)
    assert column(dictionary, "raw", "plan").owner == "Product"
    assert column(dictionary, "raw", "fee").owner == "Sales data (Ann)"
    assert column(dictionary, "features", "left").owner == "churn@example.org"


def test_a_feature_has_a_role_how_it_is_made_and_its_models(project) -> None:
    features = {each.name: each for _, each in made(project).features}
    assert list(features) == ["fee_log", "left"]
    assert (features["fee_log"].made, features["fee_log"].made_of) == ("ln(fee + 1)", ("raw.fee",))
    assert features["fee_log"].models == ("churn",)
    assert (features["left"].role, features["left"].models) == ("target", ("uplift",))
    assert column(made(project), "features", "batch").models == ()


def test_what_nobody_wrote_down_is_listed_also_what_only_the_file_has(project) -> None:
    assert {each.place: each.missing for each in made(project).gaps} == {
        "raw.fee": ("no unit",),
        "raw.plan": ("no classification",),
        "raw.size": ("no description", "no unit"),
        "raw.remark": ("in raw of churn, not in the contract",),
        "data `notes` of churn": ("no contract",),
    }


def test_a_file_that_cannot_be_read_is_no_file_without_surprises(project) -> None:
    (project / "data/raw.csv").write_bytes(b"")
    gap = next(each for each in made(project).gaps if each.place == "data `raw` of churn")
    assert gap.missing[0].startswith("its columns are not known: ")


def test_one_table_of_one_contract_is_one_entry_whoever_uses_it(project, tmp_path) -> None:
    other = tmp_path / "other"
    (other / "contracts").mkdir(parents=True)
    (other / "envbuild.yaml").write_text((project / "envbuild.yaml").read_text().replace("name: churn", "name: other"))
    for name in ("raw", "features"):
        (other / f"contracts/{name}.yaml").write_bytes((project / f"contracts/{name}.yaml").read_bytes())
    tables = made(project, other, project / "contracts/raw.yaml").tables
    assert [(each.name, [data.project for data in each.datasets]) for each in tables] == [
        ("raw", ["churn", "other"]),
        ("features", ["churn", "other"]),
    ]


def test_a_written_term_takes_the_columns_of_its_name_and_of_its_synonyms(project, tmp_path) -> None:
    glossary = tmp_path / "glossary.yaml"
    glossary.write_text(
        "terms:\n"
        "  - {term: Fee, meaning: Money for a month., synonyms: [monthly FEE], links: ['https://example.org/money']}\n"
        "  - {term: Churn, meaning: Somebody leaves.}\n"
    )
    dictionary = made(project, glossary=glossary)
    churn, fee = dictionary.terms
    assert (fee.term, fee.meanings, fee.columns) == ("Fee", ("Money for a month.",), (("raw-fee", "raw.fee"),))
    assert fee.synonyms == ("monthly FEE", "Monthly fee", "Subscription")
    assert [link.url for link in fee.links] == ["https://example.org/money", "https://example.org/fee"]
    assert column(dictionary, "raw", "fee").term == fee.anchor
    assert churn.columns == ()


def test_a_glossary_with_faults_is_refused_with_each_ones_line(tmp_path) -> None:
    glossary = tmp_path / "glossary.yaml"
    glossary.write_text("terms:\n  - {term: A, meaning: b}\n  - {term: a, meaning: b}\n  - {term: C, means: d}\n")
    with pytest.raises(SpecError) as raised:
        read_glossary(glossary)
    assert [line.split(": ", 1)[0].rsplit(":", 1)[1] for line in raised.value.why] == ["3", "4", "4"]


@pytest.mark.parametrize("value", ["label", "[feature]", "{role: feature, models: churn}"])
def test_a_role_that_is_none_is_refused(project, value) -> None:
    file = project / "contracts/features.yaml"
    file.write_text(file.read_text().replace("{role: target, models: [uplift]}", value))
    with pytest.raises(EnvbuildError, match="`feature` of the column `left` is not understood"):
        made(project)
