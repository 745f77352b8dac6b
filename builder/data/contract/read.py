"""Reading a contract: bytes in, a checked document out; every problem with file and line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from builder.data.contract.document import Contract
from builder.errors import EnvbuildError
from builder.oci.digest import Digest
from builder.spec.reader import Reader, SpecError

_LARGEST = 1 << 20
_OTHER_VERSION = "of other versions nothing else is looked at; what v3.0 has, v3.1 has too, apart from names of rules"


@dataclass(frozen=True, slots=True)
class LoadedContract:
    """A contract and where it came from."""

    contract: Contract
    file: Path
    digest: Digest
    """Of the file's bytes."""
    lines: dict[str, int]
    """The line of each key: `schema[0].properties[2].quality[0]`."""

    def line(self, place: str) -> int | None:
        """The line of a key, or else of what it is in."""
        while place and place not in self.lines:
            place = place[: max(place.rfind("."), place.rfind("["), 0)]
        return self.lines.get(place)


def read_contract(file: Path) -> LoadedContract:
    """The contract in a YAML or JSON file. Raises: SpecError, EnvbuildError."""
    try:
        with file.open("rb") as opened:
            data = opened.read(_LARGEST + 1)  # one byte more: the reader says that it is too large
    except OSError as error:
        raise EnvbuildError(f"the contract `{file}` cannot be read", error.strerror or str(error)) from error
    reader = Reader(str(file), file.parent)
    contract = reader.read(data, Contract)
    if contract is None:
        versions = [each for each in reader.problems if each.key == "apiVersion"]
        raise SpecError(str(file), [replace(each, hint=_OTHER_VERSION) for each in versions] or reader.problems)
    return LoadedContract(contract, file, Digest.of(data), reader.lines)
