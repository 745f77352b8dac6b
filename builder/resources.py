"""The files of `templates/`, wherever the package is installed. Owns finding them; not what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2

_INSTALLED = Path(__file__).parent / "templates"
_CHECKOUT = Path(__file__).parent.parent / "templates"


def templates_folder() -> Path:
    """The folder of templates: inside the installed package, or beside it in a checkout."""
    return _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT


def read_template(name: str) -> bytes:
    """The bytes of one file of the templates."""
    return (templates_folder() / name).read_bytes()


def files_below(name: str) -> Iterator[tuple[str, bytes]]:
    """The relative path and bytes of every file in a folder of the templates, sorted."""
    folder = templates_folder() / name
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def render(name: str, values: Mapping[str, Any]) -> str:
    """A template filled in by Jinja; a name that is not given is an error. `quoted` makes a word for a shell."""
    return _environment().get_template(name).render(values)


@cache
def _environment() -> jinja2.Environment:
    """It keeps the templates that it compiled."""
    import shlex

    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_folder()),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=jinja2.select_autoescape(("html.j2",)),  # the others are Markdown and shell
    )
    environment.filters["quoted"] = shlex.quote
    return environment
