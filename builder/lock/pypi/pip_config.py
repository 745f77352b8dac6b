"""What pip is configured with on this machine, for those who ask for it: which indexes it asks."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Mapping

from builder.errors import EnvbuildError

ASKED = "ENVBUILD_PIP_CONFIG"
"""The variable that asks for it; without it pip's configuration decides nothing."""
_SECTIONS = ("global", "install", ":env:")
"""The later one wins (pip: configuration, precedence)."""


def with_pip_indexes(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment variables, where `ENVBUILD_PIP_CONFIG` is set with pip's indexes as uv's variables name them.

    Those that name an index already stay as they are. `find-links` is not looked at: no other machine has that folder.

    Raises: EnvbuildError, if pip cannot tell its configuration.
    """
    found = dict(variables)
    if variables.get(ASKED, "") in ("", "0"):
        return found
    settings = _settings(variables)
    if "index-url" in settings and not variables.keys() & {"UV_DEFAULT_INDEX", "UV_INDEX_URL"}:
        found["UV_DEFAULT_INDEX"] = settings["index-url"].strip()
    if "extra-index-url" in settings and not variables.keys() & {"UV_INDEX", "UV_EXTRA_INDEX_URL"}:
        found["UV_INDEX"] = " ".join(settings["extra-index-url"].split())
    return found


def _settings(variables: Mapping[str, str]) -> dict[str, str]:
    finished = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        env=dict(variables) | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if finished.returncode != 0:
        raise EnvbuildError(
            "pip's configuration cannot be read",
            f"`python -m pip config list` failed with {finished.returncode}",
            f"Correct it, or unset `{ASKED}`",
        )
    found: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for line in finished.stdout.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section in found:
            found[section][key] = _value(value)
    return {key: value for section in _SECTIONS for key, value in found[section].items()}


def _value(text: str) -> str:
    """Of a setting, which pip shows as Python writes a string."""
    try:
        return str(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return text
