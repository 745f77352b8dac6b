"""Data that break their contract stop a run and a bundle before an image is made."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

PLATFORM = ("--platform", "linux/amd64")


@pytest.fixture
def broken(copies: Path, envbuild) -> Path:
    """The example with a bird too light, locked."""
    project = copies / "examples/penguins"
    spec = project / "envbuild.yaml"
    spec.write_text(
        "".join(
            line for line in spec.read_text().splitlines(keepends=True) if "sha256:" not in line and "size:" not in line
        )
    )
    table = project / "data/penguins.csv"
    table.write_text(table.read_text().replace(",3750,", ",-5,", 1))
    envbuild("lock", project)
    return project


def test_a_violated_input_stops_before_an_image_is_made(broken: Path, envbuild, workplace: Path) -> None:
    envbuild = replace(envbuild, store=workplace / "store")
    ran = envbuild("run", broken, "train", "--engine", "embedded", "--out", workplace / "out", code=3)
    assert "penguins.body_mass_g" in ran.stderr
    assert "hint: `envbuild data check" in ran.stderr
    packed = envbuild("bundle", broken, "-o", workplace / "b.tar", *PLATFORM, "--json", code=3)
    assert json.loads(packed.stdout)["error"]["exit-code"] == 3
    assert not (workplace / "b.tar").exists()
    assert not (workplace / "out").exists()
    assert not (envbuild.store / "records/images").exists()


@pytest.mark.slow
def test_that_nothing_was_checked_is_shown_and_goes_on(broken: Path, envbuild, workplace: Path) -> None:
    options = ("--engine", "embedded", "--out", workplace / "out", "--no-check")
    envbuild("run", broken, "train", *options)
    assert json.loads((workplace / "out/run.json").read_bytes())["checks"] == "skipped"
    packed = envbuild("bundle", broken, "-o", workplace / "b.tar", *PLATFORM, "--no-check")
    assert "were not held to their contracts: `penguins`" in packed.stderr
    assert "contracts/penguins.yaml: skipped" in envbuild("inspect", workplace / "b.tar").stdout


def test_data_given_to_a_bundle_are_held_to_the_contract_inside(released, envbuild, workplace: Path) -> None:
    shown = json.loads(envbuild("inspect", released.file, "--records", "--json").stdout)
    assert {"contract", "data-check", "profile", "data-card"} <= {record["role"] for record in shown["records"]}
    assert shown["data"]["penguins"]["checks"] == "passed"
    table = released.project / "data/penguins.csv"
    given = workplace / "others.csv"
    given.write_text(table.read_text().replace(",3750,", ",-5,", 1))
    line = ("run", released.file, "train", "--engine", "embedded", "--out", workplace / "out", "--data")
    stopped = envbuild(*line, f"penguins={given}", code=3)
    assert "is not what the bundle promises of its data `penguins`" in stopped.stderr
    envbuild(*line, f"penguins={table}", "--no-check")
    assert json.loads((workplace / "out/run.json").read_bytes())["checks"] == "skipped"
