"""The reference for people says all that a document may hold."""

import re

from builder.spec import Environment, Project
from builder.spec.reference import markdown_reference


def row(text: str, section: str, key: str) -> str:
    part = re.split(r"^##+ ", text, flags=re.MULTILINE)
    (found,) = (one for one in part if one.startswith(f"{section}\n"))
    (line,) = (line for line in found.splitlines() if line.startswith(f"| `{key}` |"))
    return line


def test_every_document_that_is_pointed_at_has_a_section() -> None:
    for document, name in ((Project, "envbuild.yaml"), (Environment, "environment.yaml")):
        text = markdown_reference(document, name)
        pointed = set(re.findall(r"\]\(#(\w+)\)", text))
        assert pointed <= {title.lower() for title in re.findall(r"^### (\w+)$", text, re.MULTILINE)}


def test_documents_in_lists_are_described() -> None:
    text = markdown_reference(Environment, "environment.yaml")
    assert "Whether it stands in place of PyPI" in row(text, "Index", "default")
    assert "| `false` |" in row(text, "Index", "default")


def test_a_form_stands_beside_what_it_is_of() -> None:
    text = markdown_reference(Project, "envbuild.yaml")
    assert "text (a Python version like 3.11) or [Python](#python)" in row(text, "Environment", "python")
    assert "mapping from the name of an environment variable to text" in row(text, "Command", "env")


def test_it_says_which_keys_a_document_needs_one_of() -> None:
    text = markdown_reference(Environment, "environment.yaml")
    assert "One of `file`, `dependencies` and `lockfile` is needed." in text
