"""A project whose model is trained on what a first command makes, with contracts that leave gaps."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

PROJECT = """\
    name: churn
    environment: {python: "3.11", platforms: [linux/amd64], base: {suite: bookworm}}
    contacts: [churn@example.org]
    model: {path: out/model}
    data:
      raw: {url: data/raw.csv, contract: contracts/raw.yaml}
      features: {url: out/features/table.parquet, contract: contracts/features.yaml}
      notes: {url: data/notes.txt}
    commands:
      prepare: {run: python -m prepare, inputs: [raw], outputs: [features]}
      train: {run: python -m train, inputs: [features], outputs: [model]}
      look: {run: python -m look, inputs: [notes]}
    """
RAW = """\
    apiVersion: v3.2.0
    kind: DataContract
    id: raw
    version: 2.1.0
    status: active
    team:
      name: Sales data
      members:
        - {username: ann, name: Ann, role: Data Owner}
        - {username: bob, role: owner, dateOut: "2026-01-01"}
    schema:
      - name: raw
        description: Customers.
        properties:
          - {name: id, description: Number., logicalType: integer, primaryKey: true, classification: internal}
          - name: fee
            physicalName: FEE_C
            businessName: Monthly fee
            description: What is paid.
            logicalType: number
            logicalTypeOptions: {minimum: 0, exclusiveMaximum: 900}
            classification: public
            synonyms: [{synonym: Subscription}]
            authoritativeDefinitions: [{type: businessDefinition, url: "https://example.org/fee"}]
          - name: plan
            description: Which plan.
            logicalType: string
            enum: [basic, {value: pro, label: For companies}]
            customProperties: [{property: unit, value: none}, {property: owner, value: Product}]
          - {name: size, logicalType: integer, classification: public}
    """
FEATURES = """\
    apiVersion: v3.1.0
    kind: DataContract
    id: features
    version: 1.0.0
    status: draft
    schema:
      - name: features
        description: Features.
        properties:
          - name: fee_log
            description: The fee on another scale.
            logicalType: number
            classification: public
            transformLogic: ln(fee + 1)
            transformSourceObjects: [raw.fee]
            customProperties: [{property: unit, value: ln EUR}, {property: feature, value: feature}]
          - name: left
            description: Whether the customer left.
            logicalType: boolean
            classification: public
            customProperties: [{property: feature, value: {role: target, models: [uplift]}}]
          - {name: batch, description: Which load., logicalType: string, classification: public}
    """


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The folder of the project, which is the current one."""
    folder = tmp_path / "churn"
    for name, text in {
        "envbuild.yaml": PROJECT,
        "contracts/raw.yaml": RAW,
        "contracts/features.yaml": FEATURES,
        "data/raw.csv": "id,FEE_C,plan,size,remark\n1,9.5,basic,3,x\n",
        "data/notes.txt": "none\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(dedent(text))
    return folder
