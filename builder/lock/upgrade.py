"""What may move when a lock is made anew: nothing that need not, all, or named packages. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from builder.errors import EnvbuildError
from builder.fetch.project_name import normalised


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Which packages may leave the version that they were locked at."""

    everything: bool = False
    packages: Mapping[str, str | None] = field(default_factory=dict)
    """The version to go to, or None for the newest, by normalised name (PEP 503)."""

    @classmethod
    def parse(cls, everything: bool, names: Iterable[str]) -> Upgrade:
        """From `NAME` and `NAME==VERSION`.

        Raises: EnvbuildError, for another form.
        """
        packages = {}
        for text in names:
            match = re.fullmatch(
                r"\s*([A-Za-z0-9_][A-Za-z0-9._+-]*)\s*(?:==?\s*([A-Za-z0-9][A-Za-z0-9._+!-]*))?\s*", text
            )
            if match is None:
                raise EnvbuildError(f"`{text}` is not a package to upgrade", hint="Write `NAME` or `NAME==VERSION`")
            packages[normalised(match[1])] = match[2]
        return cls(everything, packages)

    def __bool__(self) -> bool:
        return self.everything or bool(self.packages)

    def keeps(self, name: str) -> bool:
        """Whether the package of this normalised name is to stay where it is."""
        return not self.everything and name not in self.packages
