from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import EnvbuildError
from builder.fetch import Fetcher, Mirrors
from builder.fetch.failure import TransportError, hint_for
from builder.fetch.mirrors import STANDALONE_PYTHONS
from builder.fetch.source import Source
from builder.oci.digest import Digest
from builder.oci.store import Store


@pytest.mark.parametrize("published", STANDALONE_PYTHONS)
@pytest.mark.parametrize("status", [None, 403, 404])
def test_an_interpreter_that_cannot_be_fetched_names_the_setting_of_its_mirror(
    published: str, status: int | None
) -> None:
    assert "ENVBUILD_PYTHON_MIRROR" in hint_for([TransportError("no", status)], [f"{published}1/a.tar.gz"])
    assert "ENVBUILD_PYTHON_MIRROR" not in hint_for([TransportError("no", status)], ["https://pypi.org/a.whl"])


def test_the_fetcher_hints_by_what_it_was_asked_for(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.create()
    mirrors = Mirrors.from_environment({"ENVBUILD_PYTHON_MIRROR": "file:///nowhere/"})
    source = Source(Digest("0" * 64), None, (f"{STANDALONE_PYTHONS[0]}1/a.tar.gz",), "the interpreter")
    with pytest.raises(EnvbuildError) as caught:
        Fetcher(store, mirrors).blob(source)
    assert "ENVBUILD_PYTHON_MIRROR" in str(caught.value.hint)
