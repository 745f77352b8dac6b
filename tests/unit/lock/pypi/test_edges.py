from __future__ import annotations

from builder.lock.pypi.edges import asked_extras, edges, reachable
from builder.lock.pypi.metadata import Metadata
from builder.lock.pypi.tags import marker_environment

AMD64 = marker_environment("3.11.2", "x86_64")
ARM64 = marker_environment("3.11.2", "aarch64")


def packages(**requires: tuple[str, ...]) -> dict[str, Metadata]:
    return {name.replace("_", "-"): Metadata(name.replace("_", "-"), "1", texts) for name, texts in requires.items()}


def test_markers_are_those_of_the_target() -> None:
    found = packages(app=('arm; platform_machine == "aarch64"', 'new; python_full_version >= "3.11.3"'), arm=(), new=())
    assert edges(found, {}, AMD64)["app"] == ()
    assert edges(found, {}, ARM64)["app"] == ("arm",)


def test_extras_are_followed_from_package_to_package() -> None:
    found = packages(
        app=("Middle.One[Deep_Extra]",),
        middle_one=('inner[x]; extra == "deep-extra"', 'never; extra == "other"'),
        inner=('leaf; extra == "x"', 'inner[y]; extra == "x"', 'last; extra == "y"'),
        leaf=(), never=(), last=(),
    )  # fmt: skip
    assert edges(found, {}, AMD64) == {
        "app": ("middle-one",),
        "inner": ("last", "leaf"),
        "last": (),
        "leaf": (),
        "middle-one": ("inner",),
        "never": (),
    }
    assert reachable(found, ["app"], AMD64) == {"app", "middle-one", "inner", "leaf", "last"}


def test_cycles_end() -> None:
    found = packages(one=("two[a]",), two=("one[b]",))
    assert edges(found, {"one": frozenset({"b"})}, AMD64) == {"one": ("two",), "two": ("one",)}
    assert reachable(found, ["one[z]"], AMD64) == {"one", "two"}


def test_what_cannot_be_read_is_left_out() -> None:
    found = packages(
        app=("not a requirement!!", "lib (>=1", "lib", 'odd; nonsense == "x"', "odd; extra == "), lib=(), odd=()
    )
    assert edges(found, {}, AMD64)["app"] == ("lib",)


def test_what_is_not_locked_is_reached_and_no_edge() -> None:
    found = packages(app=("elsewhere[x]>=1",))
    assert edges(found, {}, AMD64) == {"app": ()}
    assert reachable(found, ["app", 'no; python_version < "3"', "also"], AMD64) == {"app", "elsewhere", "also"}


def test_extras_from_outside_apply_where_their_markers_do() -> None:
    texts = ["app[a,B]", 'app[c]; platform_machine == "aarch64"', "App[d] @ https://x.example/a.whl", "nonsense ["]
    assert asked_extras(texts, AMD64) == {"app": frozenset({"a", "b", "d"})}
    assert asked_extras(texts, ARM64) == {"app": frozenset({"a", "b", "c", "d"})}
