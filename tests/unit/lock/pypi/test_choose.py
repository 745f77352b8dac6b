from __future__ import annotations

import itertools

import pytest

from builder.errors import EnvbuildError
from builder.lock.interface import Target
from builder.lock.pypi.choose import choose
from builder.lock.pypi.found import Found
from builder.oci.digest import Digest
from builder.oci.documents import Platform

TARGET = Target(Platform("amd64"), "x86_64", "3.11.2", (2, 36))


def file(name: str) -> Found:
    return Found("app", "1.0", name, Digest.of(name.encode()), 10, f"https://x.example/{name}")


BEST_FIRST = [
    "app-1.0-2-cp311-cp311-manylinux_2_34_x86_64.whl",
    "app-1.0-1-cp311-cp311-manylinux_2_34_x86_64.whl",
    "app-1.0-cp311-cp311-manylinux_2_34_x86_64.whl",
    "app-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "app-1.0-cp311-abi3-manylinux_2_34_x86_64.whl",
    "app-1.0-cp38-abi3-manylinux1_x86_64.whl",
    "app-1.0-py3-none-any.whl",
]


@pytest.mark.parametrize("count", range(1, len(BEST_FIRST) + 1))
def test_the_wheel_that_suits_a_target_best_is_taken(count: int) -> None:
    names = BEST_FIRST[-count:]
    for order in itertools.islice(itertools.permutations(names), 50):
        assert choose(map(file, order), TARGET, sdists=False).file_name == names[0]


@pytest.mark.parametrize(
    "name",
    [
        "app-1.0-cp312-cp312-manylinux_2_17_x86_64.whl",
        "app-1.0-cp311-cp311-manylinux_2_37_x86_64.whl",
        "app-1.0-cp311-cp311-manylinux_2_17_aarch64.whl",
        "app-1.0-cp311-cp311-musllinux_1_2_x86_64.whl",
        "app-1.0-cp311-cp311-win_amd64.whl",
        "app-1.0-cp311-cp311t-manylinux_2_17_x86_64.whl",
        "nonsense.whl",
        "app-1.0-x.whl",
    ],
)
def test_a_wheel_for_something_else_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(EnvbuildError) as caught:
        choose([file(name)], TARGET, sdists=True, place="requirements.txt:3")
    assert caught.value.what.startswith("requirements.txt:3: `app` 1.0 has no wheel for linux/amd64")
    assert "Python 3.11.2 and glibc 2.36" in caught.value.what
    assert f"`{name}`" in caught.value.why[0]
    assert caught.value.hint


def test_the_source_is_taken_where_no_wheel_suits_and_it_may_be() -> None:
    files = [file("app-1.0.tar.gz"), file("app-1.0-cp312-cp312-win_amd64.whl")]
    assert choose(files, TARGET, sdists=True).file_name == "app-1.0.tar.gz"
    with pytest.raises(EnvbuildError, match=r"`app` 1\.0 has no wheel for linux/amd64") as caught:
        choose(files, TARGET, sdists=False)
    assert "--no-sdist" in str(caught.value.hint)
    wheel = file("app-1.0-py3-none-any.whl")
    assert choose([*files, wheel], TARGET, sdists=True) == wheel


def test_a_message_lists_a_few_of_many_files() -> None:
    files = [file(f"app-1.0-cp3{number}-cp3{number}-win_amd64.whl") for number in range(20, 60)]
    with pytest.raises(EnvbuildError) as caught:
        choose(files, TARGET, sdists=False)
    assert len(caught.value.why) == 9
    assert caught.value.why[-1] == "and 32 more"


def test_no_file_at_all_is_an_error() -> None:
    with pytest.raises(EnvbuildError, match="no file"):
        choose([], TARGET, sdists=True)
