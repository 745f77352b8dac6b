"""No command of `envbuild data` writes over what it reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from contracts_of_tables import write_contract


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        ("check t.csv --contract c.json --format markdown -o t.csv", "t.csv"),
        ("check t.csv --contract c.json -o ./c.json", "c.json"),
        ("check t.csv --contract c.json -o link.csv", "t.csv"),
        ("profile t.csv -o t.csv", "t.csv"),
        ("profile t.csv --contract c.json -o c.json", "c.json"),
        ("drift t.csv t.csv --html t.csv", "t.csv"),
        ("drift t.csv t.csv --prometheus ./t.csv", "t.csv"),
        ("anonymize t.csv --contract c.json --key-file key -o key", "key"),
    ],
)
def test_a_file_that_is_read_is_not_overwritten(
    arguments: str, read: str, work: Path, envbuild: Callable[..., tuple[int, str, str]]
) -> None:
    (work / "t.csv").write_text("x,y\n1,a\n2,b\n")
    (work / "link.csv").symlink_to("t.csv")
    (work / "key").write_text("k" * 64 + "\n")
    (work / "key").chmod(0o600)
    write_contract(work / "c.json", {"x": {"logicalType": "integer"}})
    before = (work / read).read_bytes()

    code, out, err = envbuild("data", *arguments.split())

    assert (code, out) == (1, "")
    assert "is not overwritten" in err
    assert (work / read).read_bytes() == before


def test_a_card_is_not_written_over_its_project(work: Path, envbuild: Callable[..., tuple[int, str, str]]) -> None:
    text = "environment: {python: '3.11'}\ndata:\n  t: {url: t.csv}\n"
    (work / "envbuild.yaml").write_text(text)
    code, _, err = envbuild("data", "card", "-o", "envbuild.yaml")

    assert (code, "is not overwritten" in err) == (1, True), err
    assert (work / "envbuild.yaml").read_text() == text
