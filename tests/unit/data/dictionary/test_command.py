"""`envbuild data dictionary`."""

from __future__ import annotations

import json

import pytest

from builder.cli import invoke


@pytest.fixture
def envbuild(project, monkeypatch, capfd):
    monkeypatch.chdir(project)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = invoke(["data", "dictionary", *arguments])
        captured = capfd.readouterr()
        assert "Traceback" not in captured.err
        return int(code), captured.out, captured.err

    return call


def test_markdown_goes_to_standard_output_and_counts_to_the_other(envbuild) -> None:
    code, out, err = envbuild()
    assert (code, out.splitlines()[0]) == (0, "# Data dictionary: churn")
    assert "2 tables, 7 columns, 2 features, 1 term" in err
    assert "5 places not fully documented" in err


def test_what_is_not_documented_can_be_asked_for(envbuild, project) -> None:
    code, _, err = envbuild("--require-documented", "-o", "d.html")
    assert (code, (project / "d.html").is_file()) == (3, True)
    assert "raw.size: no description, no unit" in err
    assert envbuild("contracts/features.yaml", "--require-documented")[0] == 3
    file = project / "contracts/features.yaml"
    file.write_text(file.read_text() + "team: {name: Sales}\n")
    assert envbuild("contracts/features.yaml", "--require-documented")[0] == 0


def test_as_json_it_says_the_same(envbuild) -> None:
    code, out, _ = envbuild("--json")
    document = json.loads(out)
    assert (code, [each["name"] for each in document["tables"]]) == (0, ["raw", "features"])
    assert document["features"][0] == {"table": "features", "column": "fee_log", "role": "feature", "models": ["churn"]}
    assert {"place": "raw.fee", "missing": ["no unit"]} in document["undocumented"]


def test_the_last_check_is_told_if_it_was_of_this_contract(envbuild, project) -> None:
    code = invoke(["data", "check", "--contract", "contracts/raw.yaml", "data/raw.csv", "--json", "-o", "report.json"])
    assert code == 0
    assert "passed; 1 rows" in envbuild("--checked", "report.json")[1]
    contract = project / "contracts/raw.yaml"
    contract.write_text(contract.read_text() + "# changed\n")
    assert "; 1 rows" not in envbuild("--checked", "report.json")[1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"contracts": [{"contract": {"digest": []}, "outcomes": [], "tables": [{"name": "a", "rows": 1}]}]}',
        "[" * 9000,
        '{"contracts": [{"contract": {"digest": 1}, "tables": 3}]}',
    ],
    ids=["empty", "list", "tables", "deep", "number"],
)
def test_a_report_that_is_none_is_refused(envbuild, project, text) -> None:
    (project / "report.json").write_text(text)
    code, _, err = envbuild("--checked", "report.json")
    assert (code, "`report.json` is no report of a check" in err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "expected", "told"),
    [
        (["nowhere"], 1, "`nowhere` is not there"),
        (["data/raw.csv"], 1, "data/raw.csv:1"),
        (["data"], 1, "has neither `envbuild.yaml`"),
        (["-o", "d.pdf"], 2, "ends neither in `.md` nor in `.html`"),
        (["-o", "no/folder/d.md"], 1, "no/folder/d.md"),
        (["--glossary", "envbuild.yaml"], 1, "envbuild.yaml:1: `name`: this key is not known"),
    ],
    ids=["nowhere", "no-contract", "no-project", "ending", "no-folder", "no-glossary"],
)
def test_what_cannot_be_taken_is_told_with_its_place(envbuild, project, arguments, expected, told) -> None:
    code, _, err = envbuild(*arguments)
    assert code == expected
    assert told in err
    assert not list(project.glob("d.*"))
