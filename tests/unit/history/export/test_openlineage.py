from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from made_runs import FIRST, LAST
from referencing import Registry, Resource

from builder.history.export.openlineage import events, run_uuid, web_url

SCHEMAS = Path(__file__).parents[3] / "schemas" / "openlineage"
DOCUMENTS = {path.stem: json.loads(path.read_bytes()) for path in SCHEMAS.glob("*.json")}
REGISTRY: Any = Registry().with_resources(
    [(document["$id"], Resource.from_contents(document)) for document in DOCUMENTS.values()]
    + [
        ("https://openlineage.io/spec/2-0-2/OpenLineage.json", Resource.from_contents(DOCUMENTS["OpenLineage"])),
    ]
)


def check(event: dict[str, Any]) -> None:
    """Hold an event and each of its facets to the schemas that they name."""
    Draft202012Validator(DOCUMENTS["OpenLineage"], registry=REGISTRY, format_checker=FormatChecker()).validate(event)
    facets = [event["run"]["facets"], event["job"]["facets"]]
    for dataset in (*event["inputs"], *event["outputs"]):
        facets += [dataset.get("facets", {}), dataset.get("outputFacets", {})]
    for name, facet in ((name, facet) for group in facets for name, facet in group.items()):
        kind = facet["_schemaURL"].rpartition("/")[2]
        schema = DOCUMENTS[kind]
        assert facet["_schemaURL"] == f"{schema['$id']}#/$defs/{kind}"
        Draft202012Validator(schema, registry=REGISTRY, format_checker=FormatChecker()).validate({name: facet})


@pytest.mark.parametrize(
    ("changes", "kind"),
    [({}, "COMPLETE"), ({"exit_code": 2}, "FAIL"), ({"state": "killed", "exit_code": None}, "ABORT")],
)
def test_events_are_what_their_schemas_say(changes: dict[str, Any], kind: str) -> None:
    record = replace(LAST, owner="team-a", parent="sweep-1", **changes)
    start, end = events(record, repository="https://example.com/churn.git")
    for event in (start, end):
        check(event)
    assert (start["eventType"], end["eventType"]) == ("START", kind)
    assert (start["eventTime"], end["eventTime"]) == (record.start, record.end)
    assert start["run"]["runId"] == end["run"]["runId"] == run_uuid(record.id)
    assert [one["name"] for one in end["outputs"]] == ["model", "copy"]
    assert end["inputs"][0]["facets"]["version"]["datasetVersion"] == "sha256:" + "a" * 64
    assert end["job"]["facets"]["sourceCodeLocation"]["version"] == "d" * 40
    assert end["run"]["facets"]["parent"]["run"]["runId"] == run_uuid("sweep-1")


def test_a_run_that_goes_on_has_begun_alone() -> None:
    assert [event["eventType"] for event in events(FIRST)] == ["START"]


@pytest.mark.parametrize(
    ("remote", "url"),
    [
        ("git@example.com:team/churn.git", "ssh://example.com/team/churn.git"),
        ("https://me:secret@example.com/team/churn.git", "https://example.com/team/churn.git"),
        ("ssh://git@example.com:22/churn", "ssh://example.com:22/churn"),
        ("/srv/churn.git", None),
        ("https://example.com/a b", None),
        ("", None),
    ],
)
def test_the_address_of_code_has_no_credentials(remote: str, url: str | None) -> None:
    assert web_url(remote) == url
