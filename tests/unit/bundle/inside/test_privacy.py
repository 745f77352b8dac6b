"""Which data may not be packed is told by what is in the files that are packed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from data_projects import DataProject
from made_plans import made_lock

from builder.bundle.build import Choice, gather
from builder.bundle.inside.documents import Contents
from builder.bundle.inside.promises import Checking
from builder.bundle.parts.data import Packing
from builder.errors import CheckFailedError, NotMeasuredError

PEOPLE = b"id,salary,street\n1,100,Main\n2,200,Side\n"
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: people
version: 1.0.0
status: active
schema:
  - name: people
    properties:
      - {name: id, logicalType: integer, classification: public}
      - {name: wage, physicalName: salary, logicalType: integer, classification: Restricted}
      - {name: place, physicalName: street, logicalType: string}
"""


@pytest.fixture
def project(tmp_path: Path) -> DataProject:
    made = DataProject(tmp_path / "project", tmp_path / "store")
    made.file("people.csv", PEOPLE)
    made.file("c.yaml", CONTRACT.encode())
    return made


def gathered(project: DataProject, deny: list[str], packing: Packing = "default", **fields: Any) -> Contents:
    data = fields.pop("data", {"people": {"url": "people.csv", "contract": "c.yaml"}})
    loaded = project.spec(data=data, privacy={"deny": deny}, **fields)
    project.lock()
    return gather(loaded, made_lock(), project.fetcher, Choice(packing, Checking(skipped=True)))


def denied(project: DataProject, deny: list[str], **fields: Any) -> tuple[str, ...]:
    with pytest.raises(CheckFailedError) as caught:
        gathered(project, deny, **fields)
    assert caught.value.exit_code == 3
    return caught.value.why


def test_a_packed_file_with_a_column_of_a_denied_class_stops(project: DataProject) -> None:
    assert denied(project, ["restricted"]) == ("data `people`: column `salary` is Restricted",)
    assert gathered(project, ["confidential"]).notes[0].startswith("these data were not held")


def test_words_for_the_same_class_are_the_same(project: DataProject) -> None:
    project.file("c.yaml", CONTRACT.replace("Restricted", "secret").encode())
    assert denied(project, ["restricted"]) == ("data `people`: column `salary` is secret",)


def test_what_is_not_packed_is_not_denied(project: DataProject) -> None:
    assert gathered(project, ["restricted"], "thin").packed == ()


def test_a_column_that_is_declared_and_not_in_the_file_denies_nothing(project: DataProject) -> None:
    project.file("people.csv", b"id,street\n1,Main\n")
    assert gathered(project, ["restricted"]).packed


def test_a_column_that_no_contract_declares_is_guessed_at_or_told(project: DataProject) -> None:
    rows = b"".join(b"%d,anna.%d@mail.de,x\n" % (n, n) for n in range(20))
    project.file("people.csv", b"id,contact,rest\n" + rows)
    (reason,) = denied(project, ["confidential"], scan={"allow": [{"rule": "*", "path": "**", "reason": "made up"}]})
    assert "`contact`, which no contract declares, seems confidential" in reason
    assert "anna" not in reason
    project.file("people.csv", b"id,rest\n1,x\n")
    assert "`rest`" in gathered(project, ["confidential"]).notes[-1]


def test_data_without_a_contract_are_looked_into_too(project: DataProject) -> None:
    project.file("people.csv", b"id,iban\n" + b"1,DE89370400440532013000\n" * 3)
    (reason,) = denied(project, ["confidential", "restricted"], data={"people": {"url": "people.csv"}})
    assert "column `iban`" in reason


def test_a_part_of_an_object_is_denied_where_the_file_has_it(project: DataProject) -> None:
    parts = "properties: [{name: phone, logicalType: string, classification: confidential}]"
    text = CONTRACT + f"      - {{name: contact, logicalType: object, {parts}}}\n"
    project.file("c.yaml", text.encode())
    data = {"people": {"url": "people.jsonl", "contract": "c.yaml"}}
    project.file("people.jsonl", b'{"id": 1, "contact": {"phone": "x"}}\n')
    assert denied(project, ["confidential"], data=data) == (
        "data `people`: column `contact` has `contact.phone`, which is confidential",
    )
    project.file("people.jsonl", b'{"id": 1, "contact": {"city": "x"}}\n')
    assert gathered(project, ["confidential"], data=data).packed


def test_a_sample_beside_the_model_is_looked_into(project: DataProject) -> None:
    project.file("people.csv", b"id,street\n1,Main\n")
    project.file("model/sample.csv", b"salary\n1\n")
    project.file("model/weights.bin", b"1")
    assert denied(project, ["restricted"], model={"path": "model"}) == (
        "model `sample.csv`: column `salary` is Restricted",
    )


def test_what_cannot_be_read_and_may_have_a_denied_column_is_no_pass(project: DataProject) -> None:
    project.file("people.parquet", b"PAR1 cut")
    data = {"people": {"url": "people.parquet", "contract": "c.yaml"}}
    with pytest.raises(NotMeasuredError) as caught:
        gathered(project, ["restricted"], data=data)
    assert caught.value.exit_code == 6
    assert gathered(project, ["internal"], data=data).packed
