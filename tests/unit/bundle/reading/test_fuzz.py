"""Whatever a bundle's file holds: what reads it gives an answer, or an error that can be read."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from bundle_readers import SEEDS, read_archive, read_document, read_layer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

QUICK = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
CHANGES = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=12)), max_size=6)


def changed(seed: bytes, changes: list[tuple[float, bytes]], cut: float) -> bytes:
    """The seed with bytes at some places replaced, and its end cut off."""
    data = bytearray(seed)
    for place, new in changes:
        start = int(place * len(data))
        data[start : start + len(new)] = new
    return bytes(data[: int(len(data) * cut)])


CUT = st.one_of(st.just(1.0), st.floats(0, 1))


@QUICK
@given(CHANGES, CUT)
def test_a_changed_file_is_read_or_refused(tmp_path: Path, changes: list[tuple[float, bytes]], cut: float) -> None:
    read_archive(tmp_path / "a.tar", changed(SEEDS["archive"], changes, cut))


@QUICK
@given(CHANGES, CUT)
def test_a_changed_layer_is_read_or_refused(tmp_path: Path, changes: list[tuple[float, bytes]], cut: float) -> None:
    read_layer(tmp_path / "a", changed(SEEDS["layer"], changes, cut))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize("part", ["commands", "data", "model", "records", "name", "lock", "code"])
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(value=JSON)
def test_a_document_with_anything_in_a_part_is_read_or_refused(part: str, value: object, tmp_path: Path) -> None:
    import json

    with suppress(ValueError):  # half of a surrogate pair
        document = {"format": 1, "name": "a", "commands": {}, "data": {}, "model": None, part: value}
        read_document(tmp_path / "a", json.dumps(document).encode())
