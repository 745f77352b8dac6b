"""The report of a reproduction: an in-toto statement of a test result, and the same for people. Pure.

https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md (v0.1). It holds no time and no name
of a machine: the same result gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from builder.errors import ExitCode
from builder.oci.attachments import Attachment
from builder.oci.digest import Digest
from builder.records.in_toto import TEST_RESULT, resource_digest, statement_document, unsigned
from builder.records.markdown import plain
from builder.run.reproduce.check import Check, exit_code

_RESULTS = {ExitCode.OK: "PASSED", ExitCode.NOT_MEASURED: "WARNED"}
_MOST_VALUE = 60


@dataclass(frozen=True, slots=True)
class Report:
    """What was compared, of which bundle."""

    name: str
    """`name:tag`."""
    digest: str
    """Of the bundle, hexadecimal SHA-256."""
    checks: tuple[Check, ...]
    builder: str
    """Which envbuild compared: its version."""
    engine: str | None = None
    """What ran the command, if anything did."""
    machine: str | None = None
    """The processor that it ran on."""
    lock: str | None = None
    """The digest of the lock inside."""

    @property
    def exit_code(self) -> ExitCode:
        """What all of it comes to."""
        return exit_code(self.checks)

    def to_statement(self) -> dict[str, Any]:
        """The in-toto statement. What test results of others do not have is under `dev.envbuild.reproduction`."""
        lock = [{"name": "lock"} | resource_digest(Digest.parse(self.lock))] if self.lock else []
        predicate = {
            "result": _RESULTS.get(self.exit_code, "FAILED"),
            "configuration": lock,
            "passedTests": _names(self.checks, "same"),
            "warnedTests": _names(self.checks, "not measured") + _names(self.checks, "different", required=False),
            "failedTests": _names(self.checks, "different", required=True),
            "dev.envbuild.reproduction": {
                "format": 1,
                "envbuild": self.builder,
                "engine": self.engine,
                "machine": self.machine,
                "exit-code": int(self.exit_code),
                "checks": [check.to_dict() for check in self.checks],
            },
        }
        return statement_document([(self.name, Digest(self.digest))], TEST_RESULT, predicate)

    def to_attachment(self) -> Attachment:
        """The statement, as a record that is attached to the bundle."""
        return unsigned(self.to_statement())

    def to_markdown(self) -> str:
        """For people."""
        where = f", run on {self.engine} ({self.machine})" if self.engine else ""
        lines = [
            f"# {plain(self.name)}: {verdict(self.checks)}",
            "",
            f"Bundle `sha256:{self.digest}`, compared by envbuild {self.builder}{where}.",
            "",
            "| what | is | was | is now | why |",
            "|---|---|---|---|---|",
        ]
        lines += [f"| {' | '.join(map(plain, _row(check)))} |" for check in self.checks]
        return "\n".join(lines) + "\n"


def verdict(checks: Sequence[Check]) -> str:
    """What all of it comes to, in words."""
    return {
        ExitCode.OK: "reproduced",
        ExitCode.NOT_MEASURED: "not everything could be measured",
        ExitCode.DIGEST_WRONG: "the image is NOT reproduced",
        ExitCode.CHECK_FAILED: "the results are NOT reproduced",
    }[exit_code(checks)]


def short(value: Any) -> str:
    """A value in few characters."""
    if value is None:
        return "-"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = f"{text[:19]}…" if text.startswith("sha256:") and len(text) == 71 else text
    return text if len(text) <= _MOST_VALUE else f"{text[:_MOST_VALUE]}…"


def _row(check: Check) -> tuple[str, ...]:
    outcome = check.outcome if check.outcome == "same" else check.outcome.upper() if check.required else "different"
    return check.name, outcome, short(check.recorded), short(check.found), check.reason or " "


def _names(checks: Sequence[Check], outcome: str, required: bool | None = None) -> list[str]:
    return [
        check.name for check in checks if check.outcome == outcome and (required is None or check.required == required)
    ]
