from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from data_projects import DataProject
from object_stores import STORES, ObjectStore


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataProject:
    monkeypatch.chdir(tmp_path)
    return DataProject(tmp_path / "project", tmp_path / "store")


@pytest.fixture(autouse=True)
def _no_credentials_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_", "HF_", "STORAGE_", "FSSPEC_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture(scope="session")
def stores() -> Iterator[Mapping[str, ObjectStore]]:
    """All stores of objects: one of each, as the libraries that read them keep where they found one."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(make()) for name, make in STORES.items()}


@pytest.fixture(params=STORES)
def objects(
    request: pytest.FixtureRequest, stores: Mapping[str, ObjectStore], monkeypatch: pytest.MonkeyPatch
) -> ObjectStore:
    """A store of objects that this process finds by its variables."""
    store = stores[request.param]
    for name, value in store.variables.items():
        monkeypatch.setenv(name, value)
    return store
