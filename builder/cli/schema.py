"""`envbuild schema`: the JSON Schema of a document, for editors and other tools, or its reference for people."""

from __future__ import annotations

import click

from builder.cli.output import print_json
from builder.records.policy.document import Policy
from builder.spec import Environment, Project
from builder.spec.module import ModuleDocument
from builder.spec.reference import markdown_reference
from builder.spec.schema import json_schema

DOCUMENTS = {"envbuild": Project, "environment": Environment, "module": ModuleDocument, "policy": Policy}


@click.command("schema", short_help="Print the JSON Schema of a document.")
@click.argument("document", type=click.Choice(list(DOCUMENTS)))
@click.option("--markdown", is_flag=True, help="Print the reference for people instead.")
def command(document: str, markdown: bool) -> None:
    """Print the JSON Schema of `envbuild.yaml`, `environment.yaml`, `module.yaml` or a policy."""
    if markdown:
        click.echo(markdown_reference(DOCUMENTS[document], f"{document}.yaml"), nl=False)
    else:
        print_json(json_schema(DOCUMENTS[document], f"{document}.schema.json"))
