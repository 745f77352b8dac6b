"""Runs inside an environment with roc-validator: each crate that is named, and what is wrong with it, as JSON.

The one document that the validator fetches, RO-Crate's context of 1.1, is given to it from the `rocrate` package.
"""

import contextlib
import io
import json
import sys
from pathlib import Path

import requests
import rocrate
import rocrate_validator.services as services
from rdflib.plugins.shared.jsonld import context as jsonld
from rocrate_validator.models import Severity

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
DATA = (Path(rocrate.__file__).parent / "data/ro-crate.jsonld").read_bytes()


def answer(adapter: object, request: requests.PreparedRequest, **_: object) -> requests.Response:
    """The context, and nothing else."""
    if request.url != CONTEXT:
        raise requests.ConnectionError(request.url)
    response = requests.Response()
    response.status_code, response.url, response.request = 200, CONTEXT, request
    response.headers["Content-Type"] = "application/ld+json"
    response.raw = io.BytesIO(DATA)
    return response


def read(source: str, *arguments: object, **options: object) -> tuple[object, None]:
    """The same, for rdflib."""
    if str(source) != CONTEXT:
        raise OSError(source)
    return json.loads(DATA), None


def issues(folder: str, severity: Severity) -> list[str]:
    """What is wrong with a crate."""
    settings = services.ValidationSettings(
        rocrate_uri=folder, profile_identifier="process-run-crate-0.5",
        requirement_severity=severity, no_cache=True,
    )  # fmt: skip
    result = services.validate(settings)
    return [f"{issue.severity.name} {issue.check.identifier}: {issue.message}" for issue in result.get_issues(severity)]


if __name__ == "__main__":
    requests.adapters.HTTPAdapter.send = answer
    jsonld.source_to_json = read
    level = Severity[sys.argv[1]]
    with contextlib.redirect_stdout(sys.stderr):
        answers = {folder: issues(folder, level) for folder in sys.argv[2:]}
    print(json.dumps(answers))
