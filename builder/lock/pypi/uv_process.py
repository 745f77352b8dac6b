"""Running uv: what it sees of this machine, and how much of it it may take."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from builder.fetch.access import Access, Login, variable_name
from builder.fetch.redaction import without_credentials
from builder.lock.programs import run_resolver

_PASSED = re.compile(
    r"(?!UV_|PIP_|RUST_LOG).*|UV_(DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|INDEX_\w+_(USERNAME|PASSWORD)|CACHE_DIR|"
    r"NO_CACHE|NATIVE_TLS|SYSTEM_CERTS|HTTP_.*|KEYRING_PROVIDER|INSECURE_HOST|OFFLINE|CONCURRENT_.*|REQUEST_TIMEOUT|"
    r"CREDENTIALS_DIR)"
)
"""Which variables uv sees: those that say how to reach an index, none that changes what it chooses."""
_DEFAULTS = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
"""Which variables name what stands in place of PyPI, best first."""
_MEMORY = 8 << 30
"""Bytes of its address space; a page that does not end must not take the machine with it."""


def uv_variables(
    variables: Mapping[str, str], indexes: Iterable[Mapping[str, object]], access: Access
) -> dict[str, str]:
    """The environment variables for uv.

    Those of this machine that name indexes do not change indexes of the spec, but their credentials are used there.
    `indexes` are those of uv's settings.
    """
    named = {str(index["name"]): str(index["url"]) for index in indexes}
    kept = {name: value for name, value in variables.items() if _PASSED.fullmatch(name)}
    if any(index.get("default") for index in indexes):
        kept = {name: value for name, value in kept.items() if name not in _DEFAULTS}
    elif default := next((variables[name] for name in _DEFAULTS if variables.get(name)), None):
        kept = {name: value for name, value in kept.items() if name not in _DEFAULTS} | {"UV_DEFAULT_INDEX": default}
    for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL"):
        if name in kept:
            kept[name] = " ".join(text for text in kept[name].split() if not _is_named(text, named))
    for name, url in named.items():
        login = next(access.logins(url), None)
        if login is not None:
            kept = _credentials(name, login) | kept
    if access.certificates:
        kept.setdefault("SSL_CERT_FILE", access.certificates)
    return {name: value for name, value in kept.items() if value}


def _is_named(text: str, named: Mapping[str, str]) -> bool:
    """Whether a variable's entry, `URL` or `name=URL`, is one of the spec's indexes, by its name or its URL."""
    match = re.match(r"([\w.-]+)=(?=\w+:)", text)
    url = text[match.end() :] if match else text
    if match and variable_name(match[1]) in {variable_name(name) for name in named}:
        return True
    return without_credentials(url).rstrip("/") in {address.rstrip("/") for address in named.values()}


def _credentials(index: str, login: Login) -> dict[str, str]:
    name = f"UV_INDEX_{variable_name(index)}"
    password = {} if login.password is None else {f"{name}_PASSWORD": login.password}
    return {f"{name}_USERNAME": login.user} | password


def run_uv(command: Sequence[str], folder: Path, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run uv in a folder to its end.

    Raises: EnvbuildError, if it does not come to an end within an hour.
    """
    hint = "Look whether an index is very slow; `UV_HTTP_TIMEOUT` and `UV_HTTP_RETRIES` say how long uv waits"
    return run_resolver(command, folder, variables, name="uv", hint=hint, memory=_MEMORY)
