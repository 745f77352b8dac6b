"""The signature of a model by OpenSSF Model Signing, version 1.0: over the digest of each of its files. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from builder.errors import EnvbuildError
from builder.oci.digest import Digest
from builder.records.signing.statement import MODEL_SIGNATURE, Statement

_SERIALIZATION = {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": []}


def model_statement(name: str, files: Mapping[str, Digest]) -> Statement:
    """The statement of a model's files, by path from its folder; `name` is what that is called.

    Raises: EnvbuildError, if there are none.
    """
    if not files:
        raise EnvbuildError("there is no model to sign")
    paths = sorted(files, key=lambda path: tuple(path.split("/")))  # as pathlib sorts, and so the specification's tool
    resources = [{"name": path, "algorithm": "sha256", "digest": files[path].hex} for path in paths]
    root = Digest.of(b"".join(bytes.fromhex(files[path].hex) for path in paths))
    return Statement((root,), MODEL_SIGNATURE, {"serialization": _SERIALIZATION, "resources": resources}, name)
