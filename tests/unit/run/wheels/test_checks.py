"""Whether a built wheel is the one that was resolved."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from builder.errors import EnvbuildError
from builder.lock.artifact import Sdist, Wheel
from builder.lock.document import Interpreter
from builder.lock.interface import BuildRoot, Sources, Target
from builder.lock.pypi.metadata import Metadata
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.run.wheels.checks import check_file_name, check_metadata, is_pure

TARGET = Target(Platform("amd64"), "x86_64", "3.11.2", (2, 36))
SDIST = Sdist(
    "odd-thing", "1.0", "odd_thing-1.0.tar.gz", Digest.of(b""), 1, "https://files.example/odd_thing-1.0.tar.gz"
)


def root(locked: Mapping[str, str | None] | None) -> BuildRoot:
    def resolve(_: Sources) -> tuple[Wheel, ...]:
        raise AssertionError

    interpreter = Interpreter("debian", "3.11.2", "/usr/bin/python3.11")
    return BuildRoot(TARGET, "bookworm", interpreter, (), (), resolve, locked=locked)


@pytest.mark.parametrize(
    "name",
    [
        "odd_thing-1.0-py3-none-any.whl",
        "Odd.Thing-1.0.0-py2.py3-none-any.whl",
        "odd_thing-1.0-cp311-cp311-linux_x86_64.whl",
        "odd_thing-1.0-cp39-abi3-manylinux_2_17_x86_64.whl",
    ],
)
def test_the_wheel_that_was_expected_is_taken(name: str) -> None:
    check_file_name(name, SDIST, TARGET)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("other-1.0-py3-none-any.whl", "it is called `other-1.0-py3-none-any.whl`"),
        ("odd_thing-1.0.post1-py3-none-any.whl", "it is called"),
        ("odd_thing-1.0-cp312-cp312-linux_x86_64.whl", "does not run on linux/amd64 with Python 3.11.2"),
        ("odd_thing-1.0-cp311-cp311-linux_aarch64.whl", "does not run on linux/amd64"),
        ("odd_thing-1.0-cp311-cp311-manylinux_2_39_x86_64.whl", "does not run on linux/amd64"),
        ("odd_thing.whl", "Invalid wheel filename"),
    ],
)
def test_another_wheel_is_refused(name: str, why: str) -> None:
    with pytest.raises(EnvbuildError, match=r"odd-thing 1\.0 gives another wheel than was expected") as caught:
        check_file_name(name, SDIST, TARGET)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("requires", "problems"),
    [
        ("numpy>=2", ["it asks for `numpy>=2`, which is not among the locked packages"]),
        ("six>=9", ["it asks for `six>=9`, and 1.17.0 is locked"]),
        ("six>=1", []),
        ("Six", []),
        ("replaced>=9", []),
        ("numpy; extra == 'fast'", []),
        ("numpy; sys_platform == 'win32'", []),
        ("odd-thing[more]", []),
    ],
)
def test_what_it_asks_for_must_be_locked(requires: str, problems: list[str]) -> None:
    metadata = Metadata("odd-thing", "1.0", (requires,))
    place = root({"six": "1.17.0", "replaced": None, "odd-thing": "1.0"})
    if not problems:
        assert set(check_metadata(metadata, SDIST, place)) <= {"six", "replaced"}
        return
    with pytest.raises(EnvbuildError) as caught:
        check_metadata(metadata, SDIST, place)
    assert list(caught.value.why) == problems


def test_only_wheels_for_any_platform_are_shared() -> None:
    assert is_pure("a-1-py3-none-any.whl")
    assert not is_pure("a-1-cp311-cp311-linux_x86_64.whl")
