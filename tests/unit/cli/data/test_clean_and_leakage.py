"""`envbuild data clean` and `envbuild data leakage`: what they print, and how they end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from contracts_of_tables import write_contract

Envbuild = Callable[..., tuple[int, str, str]]


@pytest.fixture
def contract(work: Path) -> str:
    clean = {"missing": ["NA"], "whenMissing": {"fill": "median"}, "outliers": "quarantine"}
    column = {"logicalType": "number", "logicalTypeOptions": {"maximum": 9}, "clean": clean}
    (work / "in.csv").write_text("x,y\n1,a\nNA,b\n3,c\n99,d\n")
    return write_contract(work / "c.json", {"x": column}).name


def test_cleaning_says_what_was_done_and_what_to_do_next(contract: str, work: Path, envbuild: Envbuild) -> None:
    code, out, err = envbuild(
        "data", "clean", "in.csv", "--contract", contract, "-o", "out.csv", "--quarantine", "q.csv"
    )

    assert (code, out) == (0, "out.csv\n"), err
    assert "3 of 4 rows stay, 0 dropped, 1 put aside" in err
    assert "`x`: 1 filled, 1 reason to put the row aside" in err
    assert "only you can read it" in err
    assert "envbuild data check out.csv --contract c.json" in err
    assert (work / "out.csv").read_text() == "x,y\n1,a\n2.0,b\n3,c\n"


def test_the_record_is_what_json_prints(contract: str, work: Path, envbuild: Envbuild) -> None:
    arguments = ("--contract", contract, "-o", "out.csv", "--quarantine", "q.csv", "--record", "r.json", "--json")
    code, out, _ = envbuild("data", "clean", "in.csv", *arguments)

    assert code == 0
    assert json.loads(out) == json.loads((work / "r.json").read_text())


def test_what_is_refused_is_the_users_error(contract: str, work: Path, envbuild: Envbuild) -> None:
    for arguments, said in ((("-o", "out.csv"), "--quarantine"), (("-o", "in.csv", "--quarantine", "q"), "one file")):
        code, out, err = envbuild("data", "clean", "in.csv", "--contract", contract, *arguments)
        assert (code, out) == (1, "")
        assert said in err
    assert not (work / "out.csv").exists()


@pytest.fixture
def both(work: Path) -> tuple[str, ...]:
    (work / "train.csv").write_text("".join(["a,y\n", *(f"{number}.37,{number % 2}\n" for number in range(40))]))
    (work / "test.csv").write_text(
        "".join(["a,y\n", "7.37,1\n", *(f"{n}.81,{n * 7 % 3 % 2}\n" for n in range(50, 80))])
    )
    return ("data", "leakage", "--train", "train.csv", "--test", "test.csv", "--target", "y")


def test_a_leak_is_one_line_without_values_and_the_exit_code_is_3(both: tuple[str, ...], envbuild: Envbuild) -> None:
    code, out, err = envbuild(*both)

    assert code == 3
    assert out.startswith("found        equalRows: 1, mustBeLessOrEqualTo 0: ")
    assert "(first: test row 1 is train row 8)" in out
    assert "7.37" not in out + err


def test_a_limit_that_is_raised_is_kept(both: tuple[str, ...], envbuild: Envbuild) -> None:
    assert envbuild(*both, "--threshold", "equalRows=1")[0] == 0


def test_what_is_not_measured_exits_6(both: tuple[str, ...], work: Path, envbuild: Envbuild) -> None:
    (work / "test.csv").write_text("a\n1000.5\n")
    code, out, _ = envbuild(*both, "--json")

    assert code == 6
    assert json.loads(out)["counts"]["not-measured"] == 2


def test_markdown_is_printed(both: tuple[str, ...], envbuild: Envbuild) -> None:
    code, out, _ = envbuild(*both, "--markdown")

    assert code == 3
    assert "| found | equalRows |" in out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--threshold", "equalRows"), 2),
        (("--threshold", "equal=1"), 1),
        (("--markdown", "--json"), 2),
        (("--id", "z"), 1),
    ],
    ids=["no-number", "no-rule", "two-forms", "no-column"],
)
def test_wrong_options(both: tuple[str, ...], envbuild: Envbuild, arguments: tuple[str, ...], code: int) -> None:
    assert envbuild(*both, *arguments)[0] == code
