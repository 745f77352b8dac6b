"""Reading a contract: bytes in, a checked document out; every problem with file and line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from builder.data.contract.document import Contract
from builder.errors import EnvbuildError
from builder.oci.digest import Digest
from builder.spec.reader import Reader, SpecError


@dataclass(frozen=True, slots=True)
class LoadedContract:
    """A contract and where it came from."""

    contract: Contract
    file: Path
    digest: Digest
    """Of the file's bytes."""
    lines: dict[str, int]
    """The line of each key: `schema[0].properties[2].quality[0]`."""


def read_contract(file: Path) -> LoadedContract:
    """The contract in a YAML or JSON file. Raises: SpecError, EnvbuildError."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise EnvbuildError(f"the contract `{file}` cannot be read", error.strerror or str(error)) from error
    reader = Reader(str(file), file.parent)
    contract = reader.read(data, Contract)
    if contract is None:
        raise SpecError(str(file), reader.problems)
    return LoadedContract(contract, file, Digest.of(data), reader.lines)
