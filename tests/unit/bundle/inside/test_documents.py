from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder.bundle.inside.documents import Contents, bundle_files, bundle_json
from builder.layers.files import FileEntry
from builder.lock.data.document import DataLock
from builder.lock.data.entry import LockedFile, Pointer, folder_entry
from builder.lock.data.locking import promised_entry
from builder.lock.document import Interpreter, Lock, LockDocument, PlatformLock
from builder.oci.canonical import readable_json
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.records.record import Record
from builder.spec import Command, DataReference, Project
from builder.spec.project import Model

PLATFORM = Platform("amd64")
INTERPRETER = Interpreter("debian", "3.11.2", "/usr/bin/python3.11")
DOCUMENT = LockDocument(
    {}, {}, 1, "1980-01-02T00:00:00Z", {PLATFORM: PlatformLock("bookworm", INTERPRETER, (), "p", Digest("0" * 64))}
)
LOCK = Lock(DOCUMENT, Digest("1" * 64), {PLATFORM: ()}, {}, {"envbuild.lock.json": b"{}"})
DATA = {
    "train.v2": DataReference("https://example.com/train.csv", "a" * 64, 10),
    "test": DataReference("data/test.csv", "b" * 64),
}
COMMANDS = {
    "train-all.v2": Command("python -m a 'b c'", ("train.v2", "test"), ("model", "plots"), "p.yaml", 7),
    "end": Command(("python", "-m", "s"), port=8080, ready="/readyz", env={"B": "1", "A": "2"}),
}


def project(commands: Mapping[str, Command] = COMMANDS, data: Mapping[str, DataReference] = DATA) -> Project:
    return Project(".", "churn", "1.0", "What | it is for", data=data, commands=commands)


def contents(model: bool = True) -> Contents:
    files = (FileEntry("w.bin", b"x"),) if model else ()
    parameters = {"train-all.v2": {"rate": 0.1, "a": 1}}
    return Contents(
        (FileEntry("a.py"),),
        files,
        parameters,
        Digest("2" * 64),
        Digest("3" * 64) if model else None,
        None,
        b"spec",
        None,
        DataLock({name: promised_entry(reference) for name, reference in DATA.items()}),
    )


def files(made: Project, what: Contents) -> dict[str, bytes]:
    entries = bundle_files(made, "churn", LOCK, what)
    return {entry.path.removeprefix("bundle/"): entry.data for entry in entries}


def test_a_bundle_holds_launcher_spec_lock_and_documents() -> None:
    found = files(project(), contents())
    assert sorted(found) == [
        "README.md", "bundle.json", "diagram.mmd", "diagram.svg", "envbuild.yaml", "launcher.py",
        "lock/envbuild.lock.json", "python/envbuild_run.py",
    ]  # fmt: skip
    assert found["envbuild.yaml"] == b"spec"


def test_bundle_json_says_what_the_launcher_needs() -> None:
    document = json.loads(files(project(), contents())["bundle.json"])
    assert document["format"] == 1
    assert document["lock"] == f"sha256:{'1' * 64}"
    assert document["model"] == {"path": "/model", "digest": f"sha256:{'3' * 64}", "files": []}
    assert document["commands"]["train-all.v2"] == {
        "run": ["python", "-m", "a", "b c"], "inputs": ["train.v2", "test"], "outputs": ["model", "plots"],
        "params": "p.yaml", "parameters": {"a": 1, "rate": 0.1}, "seed": 7, "port": None, "ready": None,
        "environment": {}, "deterministic": False, "tolerances": {},
    }  # fmt: skip
    assert document["data"]["test"]["local"] == "data/test.csv"
    assert document["data"]["test"]["urls"] == []
    assert document["data"]["train.v2"]["urls"] == ["https://example.com/train.csv"]
    assert bundle_json(project(), "churn", LOCK, contents(model=False))["model"] is None


def test_bundle_json_says_where_folders_globs_and_pointed_files_are() -> None:
    manifest = [LockedFile("a.csv", Digest("4" * 64), 1)]
    commit = "5" * 40
    data = {
        "folder": folder_entry("data", "folder", manifest),
        "glob": folder_entry("data/*.csv", "glob", manifest),
        "all": folder_entry("*.csv", "glob", manifest),
        "bucket": folder_entry("s3://bucket/a/*.csv", "glob", manifest),
        "hub": replace(folder_entry("hf://o/m", "folder", manifest), pinned=f"hf://o/m@{commit}/b"),
        "dvc": replace(promised_entry(DataReference("a.dvc", "6" * 64, 1)), pointer=Pointer("b/a", "7" * 32)),
    }
    references = {name: DataReference(entry.url) for name, entry in data.items()}
    made = bundle_json(project(data=references), "churn", LOCK, replace(contents(), data=DataLock(data)))["data"]
    assert {name: (entry["local"], entry["urls"]) for name, entry in made.items()} == {
        "folder": ("data/", []), "glob": ("data/", []), "all": (".", []), "bucket": (None, ["s3://bucket/a/"]),
        "hub": (None, [f"hf://o/m@{commit}/b/", f"https://huggingface.co/o/m/resolve/{commit}/b/"]),
        "dvc": ("b/a", []),
    }  # fmt: skip
    assert made["folder"]["kind"] == "folder"
    assert made["folder"]["sha256"] == hashlib.sha256(f'[["a.csv","{"4" * 64}",1]]'.encode()).hexdigest()


def test_bundle_json_does_not_depend_on_the_order_of_names() -> None:
    turned = project(dict(reversed(COMMANDS.items())), dict(reversed(DATA.items())))
    one, other = (readable_json(bundle_json(made, "churn", LOCK, contents())) for made in (turned, project()))
    assert one == other


def test_bundle_json_lists_every_document_beside_it_by_digest() -> None:
    what = replace(
        contents(),
        card=b"# Card",
        environment=b"x",
        data_lock=b"{}",
        inputs={"a/b.in": b"y"},
        records=(Record("sbom.cdx.json", "sbom", "application/vnd.cyclonedx+json", b"{}"),),
    )
    found = files(project(), what)
    listed = json.loads(found.pop("bundle.json"))["records"]
    assert {entry["path"]: (entry["digest"], entry["size"]) for entry in listed} == {
        path: (str(Digest.of(data)), len(data)) for path, data in found.items()
    }
    assert [entry["path"] for entry in listed] == sorted(found)
    roles = {entry["path"]: entry["role"] for entry in listed}
    assert (roles["MODEL_CARD.md"], roles["README.md"], roles["sbom.cdx.json"]) == ("model-card", "readme", "sbom")


@pytest.mark.parametrize("model", [True, False])
@pytest.mark.parametrize("commands", [{}, COMMANDS], ids=["no commands", "commands"])
@pytest.mark.parametrize("data", [{}, DATA], ids=["no data", "data"])
def test_the_documents_of_any_bundle_are_whole(model: bool, commands: Any, data: Any) -> None:
    if not data:
        commands = {name: Command(command.run) for name, command in commands.items()}
    found = files(project(commands, data), contents(model))
    readme = found["README.md"].decode()
    assert readme.startswith("# churn 1.0\n")
    assert readme.count("```") % 2 == 0
    assert not [mark for mark in ("{{", "{%", "None", "Undefined") if mark in readme.replace('{{"port', "")]
    assert ("## Data" in readme) is bool(data)
    assert ("No model yet" in readme) is not model
    assert all(f"### {name}\n" in readme for name in commands)


def test_a_diagram_draws_arrows_between_shapes_that_it_has() -> None:
    diagram = files(project(), contents())["diagram.mmd"].decode()
    shapes = set(re.findall(r"^ *(?:.* --> )?(\w+)(?:\[|\(|\{\{)", diagram, re.MULTILINE)) | {"image"}
    ends = {end for line in diagram.splitlines() if "-->" in line for end in re.findall(r"^ *(\w+)|--> (\w+)", line)}
    assert {name for pair in ends for name in pair if name} <= shapes
    assert 'command_2 --> port_2{{"port 8080"}}' in diagram
    assert "data_1 --> command_1" in diagram


HOSTILE = "$(touch pwned) `touch pwned`; touch pwned; \"'&&touch pwned"


def test_names_of_files_are_no_commands_in_the_instructions(tmp_path: Path) -> None:
    made = replace(
        project(),
        environment=f"../{HOSTILE}",
        model=Model(path=f"out/{HOSTILE}", card=f"{HOSTILE}/card.md"),
    )
    what = replace(
        contents(), card=b"", environment=b"", data_lock=b"{}", inputs={f"{HOSTILE}.in": b"x", "b/c.txt": b""}
    )
    text = files(made, what)["README.md"].decode()
    script = text.partition("This takes it out:\n\n```sh\n")[2].partition("```")[0]
    (tmp_path / "docker").write_text('#!/bin/sh\nprintf "%s\\n" "$#" "$@" >> docker.log\n')
    (tmp_path / "docker").chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    variables = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(
        ["sh", "-eu"], input=script, cwd=work, env=variables, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not [*work.rglob("pwned")]
    told = (work / "docker.log").read_text()
    environment = f"recreated/{HOSTILE}"
    assert f"recreate:/bundle/MODEL_CARD.md\nrecreated/churn/{HOSTILE}/card.md\n" in told
    assert f"-{HOSTILE}.in\n{environment}/{HOSTILE}.in\n" in told
    assert f"recreate:/model/.\nrecreated/churn/out/{HOSTILE}\n" in told
    assert (work / environment / "b").is_dir()
    last = text.rpartition("```sh\n")[2].partition("```")[0]
    assert last == "envbuild build recreated/churn\n"
