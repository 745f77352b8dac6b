from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.oci.registry.patience import Patience, TransientError, retry_after


def test_pauses_grow_and_come_to_an_end() -> None:
    pauses: list[float] = []
    patience = Patience(attempts=4, sleep=pauses.append)
    for number in range(1, 4):
        patience.wait(number, TransientError("x"))
    assert pauses == [0.3, 0.6, 1.2]
    with pytest.raises(TransientError, match="x"):
        patience.wait(4, TransientError("x"))
    assert len(pauses) == 3


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, 0), ("", 0), ("7", 7), (" 7 ", 7), ("-7", 0), ("soon", 0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)],
)
def test_a_pause_is_asked_for_in_seconds(header: str | None, seconds: float) -> None:
    assert retry_after(header) == seconds


def test_a_pause_is_asked_for_until_a_date() -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    assert 3500 < retry_after(format_datetime(later, usegmt=True)) <= 3600


@given(st.text())
def test_any_header_can_be_read(header: str) -> None:
    assert retry_after(header) >= 0
