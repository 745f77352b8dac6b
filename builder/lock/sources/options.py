"""What becomes of each option of a requirements file: honoured, or refused with what to write instead. Pure."""

from __future__ import annotations

from builder.lock.sources.references import ReferenceRefusedError
from builder.lock.sources.statements import VARIABLE

HONOURED = frozenset({"require-hashes", "prefer-binary"})
"""What is so anyhow: hashes are always kept, and a wheel is taken where there is one."""
VARIABLE_HINT = "write the value; credentials come from netrc, keyring or the environment"
LOCAL_HINT = (
    "the project's own code is packed by `code:` in envbuild.yaml, its dependencies come with `file: pyproject.toml`; "
    "another project is built to a wheel first"
)
_INDEX_HINT = "name it in the spec: `pypi: {indexes: [{name: …, url: …}]}`"

REFUSED = {
    "editable": ("an editable install is not taken", LOCAL_HINT),
    "no-index": ("it is not taken", "give the index that stands in place of PyPI `default: true` in the spec"),
    "no-require-hashes": ("it is not taken", "leave it out: every file is pinned by its hash"),
    "find-links": ("it is not taken", f"serve the folder as an index (PEP 503) and {_INDEX_HINT}"),
    "no-binary": ("it is not taken", "leave it out: source is built where there is no wheel"),
    "only-binary": ("it is not taken", "leave it out and run `envbuild lock --no-sdist`"),
    "pre": ("it is not taken", "ask for pre-releases of the package that needs them, as in `name>=2.0rc1`"),
    "all-releases": ("it is not taken", "ask for pre-releases of the package that needs them, as in `name>=2.0rc1`"),
    "only-final": ("it is not taken", "leave it out: pre-releases are taken only where they are asked for"),
    "trusted-host": ("it is not taken", "let this machine trust the certificate: `SSL_CERT_FILE`"),
    "use-feature": ("it is not taken", "leave it out"),
    "config-settings": ("settings of a build are not taken", "build the wheel first and name its URL with its hash"),
    "global-option": ("settings of a build are not taken", "build the wheel first and name its URL with its hash"),
    "install-option": ("settings of a build are not taken", "build the wheel first and name its URL with its hash"),
    "build-option": ("settings of a build are not taken", "build the wheel first and name its URL with its hash"),
}
"""Why an option is refused, and what to write instead."""


def check_index_url(url: str) -> None:
    """Refuse what is no URL of an index that everyone may know. Raises: ReferenceRefusedError."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ReferenceRefusedError(f"its URL cannot be read: {error}", _INDEX_HINT) from error
    if "@" in parts.netloc or parts.query or VARIABLE.search(url):
        raise ReferenceRefusedError(
            "the index holds credentials, a query or a variable, which do not belong into a file that is shared",
            f"{_INDEX_HINT}, and put credentials into netrc, keyring or `UV_INDEX_<NAME>_PASSWORD`",
        )
    if parts.scheme not in ("http", "https", "file"):
        raise ReferenceRefusedError("the index is not a URL", _INDEX_HINT)
