from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from builder.spec import Environment, Project
from builder.spec.reader import Reader
from builder.spec.schema import json_schema

SHA = "0" * 64
ENVIRONMENTS: dict[str, bool] = {
    'python: "3.11"': True,
    "python: 3.11": True,
    "python: 3.11\nplatforms: [linux/arm64]": True,
    "python: 3.11\nbase: {suite: trixie}\ndebian: [libgomp1, g++]": True,
    "python: 3.11\npypi: {requirements: [a, 'b>=2; python_version < \"4\"'], resolver: uv}": True,
    "python: 3.11\npypi: {requirements: [a], exclude-newer: '2026-11-01T00:00:00Z'}": True,
    "python: python3": False,
    "python: true": False,
    "python: [3.11]": False,
    "platforms: [linux/arm64]": False,
    "python: 3.11\nplatforms: linux/arm64": False,
    "python: 3.11\nplatforms: [windows/amd64]": False,
    "python: 3.11\nbase: bookworm": False,
    "python: 3.11\nbase: {suite: woody}": False,
    "python: 3.11\nbase: {}": False,
    "python: 3.11\ndebian: [A]": False,
    "python: 3.11\ndebian: [null]": False,
    "python: 3.11\ndebian: null": False,
    "python: 3.11\npypi: {}": False,
    "python: 3.11\npypi: {requirements: [a], exclude-newer: tomorrow}": False,
    "python: 3.11\npypi: {requirements: [a], index: x}": False,
    "python: 3.11\nunknown: 1": False,
    "[]": False,
    "text": False,
}
PROJECTS: dict[str, bool] = {
    "environment: {python: 3.11}": True,
    "environment: .": True,
    "environment: .\nname: a-b\nversion: 1.0\ndescription: 'true'": True,
    "environment: .\nversion: latest\ndescription: 12": True,
    "environment: .\ncode: [src/**, '*.py']\nmodel: {path: out/model}": True,
    f"environment: .\ndata: {{a: {{url: 'https://x/y', sha256: '{SHA}', size: 3}}}}": True,
    "environment: .\ncommands: {a: {run: b, port: 1, ready: /z, seed: 0, env: {A: b, C: 1, D: true}}}": True,
    "environment: .\ncommands: {a: {run: [python, -c, 'print(1)']}}": True,
    "environment: .\ncommands: {a: {run: 'python\n\n  -m x'}}": True,
    "environment: .\ncommands:\n  a:\n    run: |\n      python\n      -m x\n": True,
    "name: a": False,
    "environment: {}": False,
    "environment: []": False,
    "environment: .\nname: A": False,
    "environment: .\nversion: ''": False,
    "environment: .\ncode: src": False,
    "environment: .\ncode: [/src]": False,
    "environment: .\ncode: [../src]": False,
    "environment: .\ncode: [a/../../b]": False,
    "environment: .\nmodel: out": False,
    f"environment: .\ndata: {{a: {{url: 'https://x/y', sha256: '{SHA}0'}}}}": False,
    f"environment: .\ndata: {{A: {{url: 'https://x/y', sha256: '{SHA}'}}}}": False,
    f"environment: .\ndata: {{a: {{url: ' x', sha256: '{SHA}'}}}}": False,
    "environment: .\ndata: [a]": False,
    "environment: .\ncommands: {a: b}": False,
    "environment: .\ncommands: {a: {run: {b: c}}}": False,
    "environment: .\ncommands: {a: {run: b, seed: x}}": False,
    "environment: .\ncommands: {a: {run: b, seed: 1.5}}": False,
    "environment: .\ncommands: {a: {run: b, ready: z, port: 1}}": False,
    "environment: .\ncommands: {a: {run: b, env: {'1': b}}}": False,
    "environment: .\ncommands: {a: {run: b, env: {A: [b]}}}": False,
    "environment: .\ncommands: {a: {run: b, outputs: [A]}}": False,
}


def is_valid(document: Any, root: type) -> bool:
    schema = json_schema(root, "x.schema.json")
    return jsonschema.Draft202012Validator(schema).is_valid(document)


@pytest.mark.parametrize(
    ("root", "text", "expected"),
    [(Environment, *case) for case in ENVIRONMENTS.items()] + [(Project, *case) for case in PROJECTS.items()],
)
def test_schema_and_reader_agree(root: type, text: str, expected: bool, tmp_path: Path) -> None:
    (tmp_path / "environment.yaml").write_text("python: 3.11")
    reader = Reader("spec.yaml", tmp_path)
    assert (reader.read(text.encode(), root) is not None) is expected, reader.problems
    assert is_valid(yaml.safe_load(text), root) is expected


@pytest.mark.parametrize("root", [Environment, Project])
def test_schemas_are_valid_and_describe_every_key(root: type) -> None:
    schema = json_schema(root, "x.schema.json")
    jsonschema.Draft202012Validator.check_schema(schema)
    assert all(value["description"] for value in schema["properties"].values())


@pytest.mark.parametrize("file", ["environments/sklearn/environment.yaml", "examples/penguins/envbuild.yaml"])
def test_schemas_accept_the_documents_of_this_repository(file: str) -> None:
    text = (Path(__file__).parents[3] / file).read_text("utf-8")
    document = yaml.load(text, Loader=yaml.BaseLoader)
    root = Project if file.endswith("envbuild.yaml") else Environment
    for command in document.get("commands", {}).values():
        command |= {name: int(command[name]) for name in ("seed", "port") if name in command}
        command |= {"deterministic": command["deterministic"] == "true"} if "deterministic" in command else {}
        command |= {"tolerances": {name: float(value) for name, value in command.get("tolerances", {}).items()}}
    for data in document.get("data", {}).values():
        data["size"] = int(data["size"])
    assert is_valid(document, root)
