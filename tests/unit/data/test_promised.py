"""Which table of a contract a file is, and that every command reads it as the contract says."""

from pathlib import Path

import pytest
import yaml

from builder.cli import invoke
from builder.data.contract import LoadedContract, read_contract
from builder.data.drift.compare import compare
from builder.data.leakage.columns import Asked
from builder.data.leakage.look import look_for_leakage
from builder.data.profile import profile_files


@pytest.fixture
def latin(tmp_path: Path) -> LoadedContract:
    """A contract of one table that is written in Latin-1."""
    column = {"name": "town", "logicalType": "string"}
    table = {
        "name": "towns",
        "properties": [column],
        "customProperties": [{"property": "encoding", "value": "latin-1"}],
    }
    document = {
        "apiVersion": "v3.1.0", "kind": "DataContract", "id": "towns", "version": "1.0.0", "status": "active",
        "schema": [table],
    }  # fmt: skip
    file = tmp_path / "contract.yaml"
    file.write_text(yaml.safe_dump(document))
    return read_contract(file)


def towns(path: Path, *names: str) -> Path:
    path.write_text("town\n" + "".join(f"{name}\n" for name in names), "latin-1")
    return path


def test_new_data_are_read_in_the_encoding_of_their_contract(latin: LoadedContract, tmp_path: Path) -> None:
    reference = towns(tmp_path / "old.csv", *["Köln"] * 40)
    new = towns(tmp_path / "new.csv", *["Köln"] * 40)
    profile = tmp_path / "profile.json"
    profile.write_bytes(profile_files(latin, [reference]).to_bytes())
    for known in (reference, profile):
        measures = {each.metric: each for each in compare(known, new, latin).drift.measures}
        assert measures["distance"].value == 0


def test_both_sides_of_a_split_are_read_in_the_encoding_of_their_contract(
    latin: LoadedContract, tmp_path: Path
) -> None:
    train, test = towns(tmp_path / "train.csv", "Köln", "Bonn"), towns(tmp_path / "test.csv", "Köln")
    report = look_for_leakage([train], [test], Asked(), latin.contract.schema[0])
    assert next(each for each in report.outcomes if each.rule == "equalRows").count == 1


@pytest.mark.parametrize("command", ["clean", "profile", "anonymize", "leakage"])
def test_a_table_that_the_contract_does_not_have_is_not_taken_for_another(
    latin: LoadedContract, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(towns(tmp_path / "towns.csv", "Köln"))
    named = ["--train", file, "--test", file] if command == "leakage" else [file]
    target = [] if command == "leakage" else ["-o", str(tmp_path / "out.csv")]
    code = invoke(["data", command, *named, "--contract", str(latin.file), "--table", "twons", *target])
    assert code == 1
    assert "has no table `twons`" in capsys.readouterr().err
