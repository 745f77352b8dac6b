"""Profiles of files: opened as a contract says, or as they look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from builder.data.contract.document import SchemaObject
from builder.data.contract.read import LoadedContract
from builder.data.profile.document import MOST_BYTES, Profile
from builder.data.profile.make import Manner, profile_table
from builder.data.promised import file_stem, promised_file, table_of_file
from builder.data.tables import Database, Limits, TableFile, format_of
from builder.data.tables.digests import file_digest
from builder.errors import EnvbuildError
from builder.oci.digest import Digest


def profile_files(
    loaded: LoadedContract | None,
    paths: Sequence[Path],
    *,
    table: str | None = None,
    manner: Manner | None = None,
    limits: Limits | None = None,
) -> Profile:
    """The profile of a file, or of several with the same columns; `table` names the one of a contract with several.

    Raises: EnvbuildError, if they cannot be read, or the contract has no such table.
    """
    name, file, promised = table_of(loaded, paths, table)
    with Database.opened({name: file}, limits) as database:
        profile = profile_table(database, name, promised, digest=digest_of(paths), manner=manner)
    return replace(profile, contract=str(loaded.digest) if loaded else "")


def table_of(
    loaded: LoadedContract | None, paths: Sequence[Path], table: str | None = None
) -> tuple[str, TableFile, SchemaObject | None]:
    """The name of the table that is in files, how they are read, and what a contract says of it."""
    if loaded is None:
        return table or file_stem(paths[0]) or "table", TableFile(tuple(paths), format_of(paths[0])), None
    promised = table_of_file(loaded.contract, paths[0], table)
    return promised.name, promised_file(promised, paths), promised


def digest_of(paths: Sequence[Path]) -> str:
    """SHA-256 of a file; of several, that of the list of their digests, a line each."""
    digests = [file_digest(path) for path in paths]
    listed = "".join(f"{digest.hex}\n" for digest in digests).encode()
    return str(digests[0] if len(digests) == 1 else Digest.of(listed))


def read_profile(path: Path) -> Profile:
    """The profile in a file. Raises: EnvbuildError."""
    import json

    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise EnvbuildError(f"`{path}` is no profile", f"it is larger than {MOST_BYTES} bytes")
        document = json.loads(data)
    except OSError as error:
        raise EnvbuildError(f"the profile `{path}` cannot be read", error.strerror or str(error)) from error
    except (ValueError, RecursionError) as error:
        raise EnvbuildError(f"`{path}` is no profile", "it is not JSON") from error
    try:
        return Profile.from_dict(document)
    except EnvbuildError as error:
        raise EnvbuildError(f"`{path}`: {error.what}", error.why, error.hint) from error
