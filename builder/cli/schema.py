"""`envbuild schema`: the JSON Schema of a document, for editors and other tools."""

from __future__ import annotations

import click

from builder.cli.output import print_json
from builder.spec import Environment, Project
from builder.spec.schema import json_schema

DOCUMENTS = {"envbuild": Project, "environment": Environment}


@click.command("schema", short_help="Print the JSON Schema of a document.")
@click.argument("document", type=click.Choice(list(DOCUMENTS)))
def command(document: str) -> None:
    """Print the JSON Schema of `envbuild.yaml` or `environment.yaml`."""
    print_json(json_schema(DOCUMENTS[document], f"{document}.schema.json"))
