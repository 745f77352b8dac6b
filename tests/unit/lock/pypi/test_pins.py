"""Hashed requirements are taken as they are, and what is wrong with one is said with its line."""

from __future__ import annotations

from typing import Any

import pytest

from builder.errors import EnvbuildError
from builder.lock.interface import Pin, Request, Sources, Target
from builder.lock.pypi.found import Found
from builder.lock.pypi.index import Listed
from builder.lock.pypi.pins import choose_pins
from builder.oci.digest import Digest
from builder.oci.documents import Platform

X86 = Target(Platform("amd64"), "x86_64", "3.11.2", (2, 36))
ARM = Target(Platform("arm64"), "aarch64", "3.11.2", (2, 36))


def digest(file_name: str) -> str:
    return Digest.of(file_name.encode()).hex


class Known:
    """Indexes with these files."""

    def __init__(self, *file_names: str, yanked: bool = False) -> None:
        self.files: dict[str, list[Listed]] = {}
        self.ahead: list[str] = []
        for file_name in file_names:
            name, version = file_name.removesuffix(".tar.gz").split("-")[:2]
            url = f"https://files.example/{file_name}"
            found = Found(name, version, file_name, Digest(digest(file_name)), 7, url)
            self.files.setdefault(name, []).append(Listed(found, None, yanked, ">=4"))

    def read_ahead(self, projects: Any) -> None:
        self.ahead += projects

    def listed(self, project: str) -> tuple[Listed, ...] | None:
        return tuple(self.files[project]) if project in self.files else None

    def asked(self, *_: str) -> tuple[str, ...]:
        return ("`https://pypi.org/simple/`",)


def pin(name: str, version: str, *file_names: str, marker: str | None = None, **more: Any) -> Pin:
    hashes = frozenset(map(digest, file_names))
    return Pin(name, version, hashes, marker, more.get("url"), more.get("place", "requirements.txt:3"))


def chosen(known: Known, *pins: Pin, target: Target = X86, sdists: bool = True) -> list[str]:
    found = choose_pins(pins, Request(Sources(), sdists=sdists), target, known)  # type: ignore[arg-type]
    return [file.file_name for file in found]


def refusal(known: Known, *pins: Pin, target: Target = X86, sdists: bool = True) -> EnvbuildError:
    with pytest.raises(EnvbuildError) as caught:
        chosen(known, *pins, target=target, sdists=sdists)
    assert caught.value.exit_code == 1
    return caught.value


PURE = "pure-1.0-py3-none-any.whl"
NATIVE = [f"native-1.0-cp311-cp311-manylinux_2_28_{machine}.whl" for machine in ("x86_64", "aarch64")]


def test_each_target_gets_its_own_wheel_among_the_hashes() -> None:
    known = Known(*NATIVE, PURE)
    pins = (pin("pure", "1.0", PURE), pin("native", "1.0", *NATIVE))
    assert chosen(known, *pins) == [NATIVE[0], PURE]
    assert chosen(known, *pins, target=ARM) == [NATIVE[1], PURE]
    assert known.ahead == ["native", "pure"] * 2


def test_a_better_wheel_whose_hash_is_not_pinned_is_not_taken() -> None:
    better = "native-1.0-cp311-cp311-manylinux_2_34_x86_64.whl"
    assert chosen(Known(*NATIVE, better), pin("native", "1.0", *NATIVE)) == [NATIVE[0]]
    assert chosen(Known(*NATIVE, better), pin("native", "1.0", *NATIVE, better)) == [better]


def test_a_yanked_file_is_taken_where_it_is_pinned() -> None:
    assert chosen(Known(PURE, yanked=True), pin("pure", "1.0", PURE)) == [PURE]


def test_versions_are_compared_and_not_their_spelling() -> None:
    assert chosen(Known(PURE), pin("pure", "1.0.0", PURE)) == [PURE]


def test_markers_hold_for_the_target_and_not_for_this_machine() -> None:
    both = Known(PURE, "other-1.0.tar.gz")
    pins = (
        pin("pure", "1.0", PURE, marker="platform_machine == 'aarch64'"),
        pin("other", "1.0", "other-1.0.tar.gz", marker="python_full_version == '3.11.2'"),
    )
    assert chosen(both, *pins) == ["other-1.0.tar.gz"]
    assert chosen(both, *pins, target=ARM) == ["other-1.0.tar.gz", PURE]


def test_a_url_is_taken_as_it_is_and_no_index_is_asked() -> None:
    url = f"https://files.example/x/{NATIVE[0]}"
    found = choose_pins([pin("native", "", "x", url=url)], Request(Sources()), X86, Known())  # type: ignore[arg-type]
    assert found == (Found("native", "1.0", NATIVE[0], Digest(digest("x")), None, url, direct=True),)


def test_a_url_for_another_platform_is_refused() -> None:
    url = f"https://files.example/x/{NATIVE[0]}"
    error = refusal(Known(), pin("native", "1.0", "x", url=url), target=ARM)
    assert error.what.startswith("requirements.txt:3: `native` 1.0 has no wheel for linux/arm64")


def test_a_url_with_two_hashes_is_refused() -> None:
    url = f"https://files.example/x/{NATIVE[0]}"
    assert "one sha256" in refusal(Known(), pin("native", "1.0", "x", "y", url=url)).what


def test_a_version_that_is_not_there_is_named_with_those_that_are() -> None:
    error = refusal(Known(PURE, "pure-2.0.tar.gz"), pin("pure", "3.0", PURE))
    assert error.what == "requirements.txt:3: `pure` 3.0 is not on the index"
    assert "there are 2.0, 1.0" in error.why[0]


def test_a_project_that_is_on_no_index_is_named_with_what_was_asked() -> None:
    error = refusal(Known(), pin("pure", "3.0", PURE))
    assert error.what == "requirements.txt:3: `pure` is on no index"
    assert "https://pypi.org/simple/" in error.why[0]


def test_other_hashes_than_those_of_the_index_are_refused() -> None:
    error = refusal(Known(PURE), pin("pure", "1.0", "something else"))
    assert error.what == "requirements.txt:3: no file of `pure` 1.0 on the index has one of its hashes"
    assert "1 of its files" in error.why[0]


def test_no_wheel_for_a_platform_is_refused_with_the_line() -> None:
    error = refusal(Known(*NATIVE), pin("native", "1.0", NATIVE[0]), target=ARM)
    assert error.what.startswith("requirements.txt:3: `native` 1.0 has no wheel for linux/arm64")


def test_source_is_taken_only_where_it_may_be_and_its_hash_is_pinned() -> None:
    known = Known(NATIVE[0], "native-1.0.tar.gz")
    with_source = pin("native", "1.0", NATIVE[0], "native-1.0.tar.gz")
    assert chosen(known, with_source, target=ARM) == ["native-1.0.tar.gz"]
    assert "--no-sdist" in str(refusal(known, with_source, target=ARM, sdists=False).hint)
    refusal(known, pin("native", "1.0", NATIVE[0]), target=ARM)


def test_two_pins_of_one_package_are_refused_with_both_lines() -> None:
    known = Known(PURE)
    pins = (pin("pure", "1.0", PURE), pin("pure", "2.0", PURE, place="more.txt:9"))
    error = refusal(known, *pins)
    assert error.what == "more.txt:9: `pure` is pinned twice for linux/amd64"
    assert "requirements.txt:3" in error.why[0]


def test_two_pins_of_one_package_with_markers_that_exclude_each_other_are_fine() -> None:
    pins = (
        pin("pure", "1.0", PURE, marker="python_version < '3.12'"),
        pin("pure", "2.0", PURE, marker="python_version >= '3.12'"),
    )
    assert chosen(Known(PURE), *pins) == [PURE]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    error = refusal(Known(PURE), pin("pure", "9", PURE), pin("gone", "1", PURE, place="requirements.txt:5"))
    assert "requirements.txt:3" in str(error)
    assert "requirements.txt:5" in str(error)


def test_a_marker_that_cannot_be_read_is_refused_with_its_line() -> None:
    assert refusal(Known(PURE), pin("pure", "1.0", PURE, marker="python is good")).what.startswith("requirements.txt:3")
