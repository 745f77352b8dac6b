"""Cleaning the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from builder.oci.store import BUILT_WHEELS, CHECKOUTS, Store


def test_what_no_index_has_stays_unless_it_is_named(
    envbuild: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVBUILD_CACHE", str(tmp_path / "store"))
    store = Store(tmp_path / "store")
    store.create()
    wheel, commit = store.write(b"a wheel"), store.write(b"a commit")
    store.write(b"from an index")
    store.keep_record(BUILT_WHEELS, "a", {"digest": str(wheel)})
    store.keep_record(CHECKOUTS, "b", {"digest": str(commit)})
    code, _, errors = envbuild("cache", "prune", "--all")
    assert code == 0
    assert "kept 2 wheels and commits that no index has (15 bytes); `--all --built` deletes them too" in errors
    assert set(store.blobs()) == {wheel, commit}
    code, _, errors = envbuild("cache", "prune", "--all", "--built")
    assert (code, "kept" in errors) == (0, False)
    assert not list(store.blobs())


def test_built_alone_deletes_nothing(envbuild: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVBUILD_CACHE", str(tmp_path / "store"))
    code, _, errors = envbuild("cache", "prune", "--built")
    assert code == 2
    assert "`--built` goes with `--all`" in errors
