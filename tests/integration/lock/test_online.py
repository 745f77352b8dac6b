"""Whether what a lock names can still be had is asked of the servers, and told apart from what nobody knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_locks import AMD64, made_deb, made_lock

from builder.errors import EnvbuildError, NotMeasuredError
from builder.fetch import Fetcher, Mirrors
from builder.lock.artifact import Wheel
from builder.lock.document import Lock
from builder.lock.online import look_up
from builder.oci.digest import Digest
from builder.oci.store import Store
from builder.spec import Environment, PyPI


def served_wheel(index: Any, name: str) -> Wheel:
    file = index.add(name, "1.0")
    data = index.files[name][file]
    url = f"http://127.0.0.1:{index.port}{index.path(name, file)}"
    return Wheel(name, "1.0", file, Digest.of(data), len(data), url)


@pytest.fixture
def lock(index: Any, tmp_path: Path) -> Lock:
    """Two wheels and a Debian package, all of which are there."""
    index.authentication = False
    wheels = [served_wheel(index, name) for name in ("alpha", "beta")]
    (tmp_path / "x.deb").write_bytes(b"deb")
    deb = replace(made_deb("x"), digest=Digest.of(b"deb"), size=3, urls=((tmp_path / "x.deb").as_uri(),))
    return made_lock(Environment("3.11", pypi=PyPI(("alpha", "beta"))), wheels, [deb], [AMD64])


@pytest.fixture
def fetcher(tmp_path: Path) -> Fetcher:
    store = Store(tmp_path / "cache")
    store.create()
    return Fetcher(store, Mirrors())


def test_everything_that_can_be_had_is_asked_for_and_nothing_is_fetched(lock: Lock, fetcher: Fetcher) -> None:
    found = look_up(lock, fetcher)
    assert (found.asked, found.gone, found.unknown) == (3, (), ())
    found.check("the lock")
    assert not [path for path in fetcher.store.root.rglob("*") if path.is_file() and path.stat().st_size > 1000]


def test_what_is_gone_is_told_by_name_and_url(lock: Lock, fetcher: Fetcher, index: Any, tmp_path: Path) -> None:
    del index.files["beta"]
    (tmp_path / "x.deb").unlink()
    with pytest.raises(EnvbuildError, match="2 of 3 artifacts of the lock can no longer be had") as caught:
        look_up(lock, fetcher).check("the lock")
    assert caught.value.exit_code == 1
    text = str(caught.value)
    assert "beta 1.0 can no longer be had" in text
    assert "x 1.0 can no longer be had" in text
    assert f"http://127.0.0.1:{index.port}/files/beta/" in text


def test_a_server_that_does_not_answer_is_never_a_pass(lock: Lock, fetcher: Fetcher) -> None:
    (alpha, beta) = lock.wheels[AMD64]
    unknown = replace(lock, wheels={AMD64: (alpha, replace(beta, url="http://127.0.0.1:9/beta.whl"))})
    with pytest.raises(NotMeasuredError, match="1 of 3 artifacts of the lock could not be asked for") as caught:
        look_up(unknown, fetcher).check("the lock")
    assert caught.value.exit_code == 6
