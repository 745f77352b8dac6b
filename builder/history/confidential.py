"""What a record must not have: a run whose parameters or arguments are secrets is not begun."""

from __future__ import annotations

import io
from collections.abc import Iterator

from builder.errors import CheckFailedError
from builder.history.leaves import leaves
from builder.history.record import RunRecord


def check_no_secret(record: RunRecord) -> None:
    """Hold what a run is given to the forms that tokens and keys are known by.

    Raises: CheckFailedError, naming what seems to be a secret, and never the secret.
    """
    from builder.records.scan.finding import STOPS
    from builder.records.scan.secrets import find_secrets

    for name, text in _given(record):
        found = find_secrets(io.BytesIO(text.encode("utf-8", "replace")), "", is_text=False)
        message = next((one.message for one in found if one.level in STOPS), None)
        if message:
            raise CheckFailedError(
                f"{name} of `{record.command}` seems to be a secret",
                (message, "the record of a run keeps what it was given"),
                "Give it as an environment variable (`run --env NAME`), which no record has",
            )


def _given(record: RunRecord) -> Iterator[tuple[str, str]]:
    for name, value in leaves(record.params):
        if isinstance(value, str):
            yield f"the parameter `{name}`", value
    for number, argument in enumerate((*record.run, *record.arguments)):
        yield f"argument {number}", argument
    yield "the reason (`--why`)", record.why
