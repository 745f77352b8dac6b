"""Cards of data: what is said, promised and measured; no value of a confidential column, and no markup of others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from data_projects import DataProject
from made_subjects import HOSTILE
from markdown_it import MarkdownIt

from builder.bundle.inside.cards import make_cards
from builder.data.card import CardFacts, data_card
from builder.errors import EnvbuildError

CONTRACT = {
    "apiVersion": "v3.1.0",
    "kind": "DataContract",
    "id": "shop",
    "version": "1.0.0",
    "status": "active",
    "description": {"purpose": "To bill.", "usage": "Per month.", "limitations": "No returns."},
    "team": {"name": "Sales", "members": [{"username": "anna@example.org", "role": "owner"}]},
    "customProperties": [{"property": "dataBiases", "value": ["Only one town."]}],
    "schema": [
        {
            "name": "orders",
            "description": "One order a row.",
            "properties": [
                {"name": "id", "logicalType": "integer", "primaryKey": True},
                {
                    "name": "amount",
                    "logicalType": "number",
                    "description": "What was paid",
                    "customProperties": [{"property": "unit", "value": "EUR"}],
                },
                {"name": "mail", "logicalType": "string", "classification": "confidential"},
                {"name": "customer", "logicalType": "integer", "relationships": [{"to": "customers.id"}]},
            ],
        },
        {"name": "customers", "properties": [{"name": "id", "logicalType": "integer", "required": True}]},
    ],
}
ORDERS = b"id,amount,mail,customer\n" + b"".join(b"%d,%d.5,who@example.org,1\n" % (n, n) for n in range(40))


@pytest.fixture
def project(tmp_path: Path) -> DataProject:
    made = DataProject(tmp_path / "project", tmp_path / "store")
    made.file("orders.csv", ORDERS)
    made.file("customers.csv", b"id\n1\n")
    made.file("shop.json", json.dumps(CONTRACT).encode())
    data = {name: {"url": f"{name}.csv", "contract": "shop.json", "license": "MIT"} for name in ("orders", "customers")}
    made.spec(data=data, contacts=["The shop"])
    made.lock()
    return made


def test_a_card_says_what_is_promised_and_what_was_measured(project: DataProject) -> None:
    card = make_cards(project.loaded, project.fetcher, project.folder).cards["orders"].decode()
    for told in (
        "# orders", "One order a row.", "| source | `orders.csv` |", "| licence | MIT |", "| rows | 40 |", "To bill.",
        "Per month.", "No returns.", "Only one town.", "anna@example.org, owner",
        "| `amount` | number | EUR |  | What was paid. | 0.5 … 39.5 | 0 % | quartiles ", "Result: passed.",
        "- mail: confidential",
    ):  # fmt: skip
        assert told in card
    assert "who@" not in card


def test_what_was_not_checked_is_not_called_passed(project: DataProject) -> None:
    card = make_cards(project.loaded, project.fetcher, project.folder, no_check=True).cards["orders"].decode()
    assert "They were not held to their contract." in card
    assert "passed" not in card


def test_croissant_has_columns_references_and_terms(project: DataProject) -> None:
    document = json.loads(make_cards(project.loaded, project.fetcher, project.folder / "docs").croissant)
    assert document["conformsTo"][1] == "http://mlcommons.org/croissant/RAI/1.0"
    assert document["rai:dataUseCases"][-2:] == ["orders: To bill.", "orders: Per month."]
    assert document["rai:dataBiases"] == ["customers: Only one town.", "orders: Only one town."]
    assert document["rai:personalSensitiveInformation"] == ["orders: column mail: confidential"]
    assert [file["contentUrl"] for file in document["distribution"]] == ["../customers.csv", "../orders.csv"]
    tables = {table["name"]: table for table in document["recordSet"]}
    assert tables["orders-table"]["description"] == "40 rows."
    fields = {field["name"]: field for field in tables["orders-table"]["field"]}
    assert fields["customer"]["references"] == {"field": {"@id": "customers-table/1"}}
    assert fields["amount"]["description"] == "What was paid. Unit: EUR."


def test_data_without_a_contract_have_a_card_too(project: DataProject) -> None:
    project.spec(data={"orders": {"url": "orders.csv", "description": "Orders."}})
    project.lock()
    card = make_cards(project.loaded, project.fetcher, project.folder).cards["orders"].decode()
    assert "| contract | none |" in card
    assert "| `amount` |" in card
    assert "Nothing is promised of them." in card


def test_a_project_without_data_has_no_card(project: DataProject) -> None:
    project.spec()
    with pytest.raises(EnvbuildError, match="declares no data"):
        make_cards(project.loaded, project.fetcher, project.folder)


def test_no_text_of_others_is_markup() -> None:
    card = data_card(CardFacts("x", HOSTILE, HOSTILE, HOSTILE, contacts=(HOSTILE,))).decode()
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(card)
    assert "alert(1)" in page
    for markup in ("<script", "<img", "<a ", "\x1b"):
        assert markup not in page
