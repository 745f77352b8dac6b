from __future__ import annotations

from pathlib import Path

import pytest

from builder.bundle.parts.parameters import read_parameters
from builder.errors import EnvbuildError


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.yaml", "rate: 0.1\nlayers: [1, 2]\nname: a\nflag: true\nnothing: null\n"),
        ("p.yml", "{rate: 0.1, layers: [1, 2], name: a, flag: yes, nothing: }"),
        ("p.json", '{"rate": 0.1, "layers": [1, 2], "name": "a", "flag": true, "nothing": null}'),
        ("p.toml", 'rate = 0.1\nlayers = [1, 2]\nname = "a"\nflag = true\n'),
    ],
)
def test_parameters_are_read_from_each_kind_of_file(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    found = {"nothing": None} | read_parameters(tmp_path / name)
    assert found == {"rate": 0.1, "layers": [1, 2], "name": "a", "flag": True, "nothing": None}


BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{chr(n)}: &{chr(n)} [{', '.join([f'*{chr(n - 1)}'] * 9)}]\n" for n in range(98, 110)
)

MERGES = "a: &a {x: 1}\n" + "".join(
    f"{chr(n)}: &{chr(n)} {{<<: [{', '.join([f'*{chr(n - 1)}'] * 9)}]}}\n" for n in range(98, 106)
)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("p.txt", b"a: 1"),
        ("p.yaml", b""),
        ("p.yaml", b"[1]"),
        ("p.yaml", b"a: ["),
        ("p.yaml", b"a: 2026-01-01"),
        ("p.yaml", b"a: .nan"),
        ("p.yaml", b"a: &a [*a]"),
        ("p.yaml", b"a: {1: x, b: y}"),
        ("p.yaml", b'a: "\\ud800"'),
        ("p.yaml", b"a: !!python/object/apply:os.system [id]"),
        ("p.yaml", b"\xff"),
        ("p.yaml", b"a: " + b"[" * 5000),
        ("p.yaml", BOMB.encode()),
        ("p.yaml", MERGES.encode()),
        ("p.json", b'{"a": Infinity}'),
        ("p.json", b"[" * 100_000),
        ("p.json", b'{"a": "' + b"x" * (1 << 20) + b'"}'),
        ("p.toml", b"a = 2026-01-01"),
        ("none.yaml", None),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_parameters_that_are_no_json_values_are_refused(name: str, data: bytes | None, tmp_path: Path) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(EnvbuildError, match="parameters"):
        read_parameters(tmp_path / name)


def test_keys_of_inner_mappings_become_text(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("weights: {0: 0.5, 1: 0.5}\n")
    assert read_parameters(tmp_path / "p.yaml") == {"weights": {"0": 0.5, "1": 0.5}}


def test_parts_of_a_file_may_be_named_and_merged(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("base: &base {rate: 1, depth: 2}\nmore: {<<: *base, rate: 3}\nagain: *base\n")
    assert read_parameters(tmp_path / "p.yaml")["more"] == {"rate": 3, "depth": 2}
