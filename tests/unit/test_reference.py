"""The generated reference and the README say what the program says."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
ANCHOR = re.compile(r"\]\(([^)#:]*)#([^)]+)\)")
NAMED = re.compile(r"`((?:builder|tests|docs|templates|benchmarks)/[\w./-]*)`")


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    specification = importlib.util.spec_from_file_location("tasks", ROOT / "tasks.py")
    assert specification is not None
    assert specification.loader is not None
    tasks = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(tasks)
    return tasks.reference(sys.executable, "-m", "builder")


def test_generated_reference_is_current(reference: dict[str, str]) -> None:
    stale = [name for name, text in reference.items() if (ROOT / name).read_text("utf-8") != text]
    assert stale == [], "run `python3 tasks.py docs`"


def test_readme_lists_the_commands_that_help_lists(reference: dict[str, str]) -> None:
    listed = reference["docs/reference/commands.md"].partition("Commands:\n")[2].partition("```")[0]
    assert "Commands:\n" + listed in (ROOT / "README.md").read_text("utf-8")


def test_files_that_documents_name_are_there() -> None:
    pages = [ROOT / "README.md", *ROOT.glob("docs/[!d]*/*.md")]  # decisions speak of what was there, or in a wheel
    named = [(page, path) for page in pages for path in NAMED.findall(page.read_text("utf-8"))]
    assert len(named) > 20
    assert [f"{page.relative_to(ROOT)}: {path}" for page, path in named if not (ROOT / path).exists()] == []


def test_headings_that_links_lead_to_are_there() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    links = [(page, *found) for page in pages for found in ANCHOR.findall(page.read_text("utf-8"))]
    assert links
    missing = [
        f"{page.relative_to(ROOT)}: {path}#{anchor}"
        for page, path, anchor in links
        if anchor not in headings(page.parent / path if path else page)
    ]
    assert missing == []


def test_readme_leads_to_every_guide() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert [path.name for path in ROOT.glob("docs/guides/*.md") if f"(docs/guides/{path.name})" not in readme] == []


def headings(page: Path) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    lines = re.findall(r"^#+ (.*)", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in lines}


def test_no_document_points_at_a_file_that_is_not_there() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    links = [(page, target) for page in pages for target in LINK.findall(page.read_text("utf-8"))]
    missing = [f"{page.relative_to(ROOT)}: {target}" for page, target in links if not (page.parent / target).exists()]
    assert missing == []
