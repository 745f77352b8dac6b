from __future__ import annotations

import pytest

from builder.errors import EnvbuildError
from builder.lock.debian.solve import solve
from builder.lock.debian.universe import Universe


@pytest.fixture
def p(debian):
    return debian.paragraph


@pytest.fixture
def closure(debian):
    def call(paragraphs: list[str], *names: str) -> list[str]:
        return [package.name for package in solve(debian.universe(*paragraphs), names)]

    return call


@pytest.fixture
def reasons(closure):
    def call(paragraphs: list[str], *names: str) -> list[str]:
        with pytest.raises(EnvbuildError) as caught:
            closure(paragraphs, *names)
        return list(caught.value.why)

    return call


def test_closure_has_all_that_is_needed_and_nothing_recommended(closure, p):
    packages = [
        p("a", Depends="b", Pre_Depends="c", Recommends="d", Suggests="e"), p("b", Depends="c"), p("c"), p("d"), p("e"),
    ]  # fmt: skip
    assert closure(packages, "a") == ["a", "b", "c"]


def test_essential_packages_come_only_where_needed(closure, p):
    assert closure([p("a"), p("dpkg", Essential="yes")], "a") == ["a"]


def test_circle_of_needs_ends(closure, p):
    assert closure([p("a", Depends="b"), p("b", Depends="c"), p("c", Depends="a")], "b") == ["a", "b", "c"]


def test_chain_may_be_longer_than_the_stack(closure, p):
    packages = [p(f"p{number}", Depends=f"p{number + 1}") for number in range(3000)] + [p("p3000")]
    assert len(closure(packages, "p0")) == 3001


def test_highest_version_of_all_archives_is_taken(debian, p):
    main, security = debian.index(p("a", "1.9")), debian.index(p("a", "1.10"))
    universe = Universe([main, security], "amd64")
    (package,) = solve(universe, ["a"])
    assert (package.version, universe.position(package)) == ("1.10", 1)


def test_first_archive_is_taken_for_an_equal_version(debian, p):
    universe = Universe([debian.index(p("a")), debian.index(p("a"))], "amd64")
    (package,) = solve(universe, ["a"])
    assert universe.position(package) == 0


def test_first_alternative_that_can_be_installed_is_taken(closure, p):
    packages = [p("a", Depends="gone | broken | b | c"), p("broken", Depends="gone"), p("b"), p("c")]
    assert closure(packages, "a") == ["a", "b"]


def test_what_a_failed_alternative_needed_is_not_kept(closure, p):
    packages = [p("a", Depends="broken | b"), p("broken", Depends="helper, gone"), p("helper"), p("b")]
    assert closure(packages, "a") == ["a", "b"]


def test_alternative_that_is_there_already_is_enough(closure, p):
    packages = [p("a", Depends="c, b | c"), p("b"), p("c")]
    assert closure(packages, "a") == ["a", "c"]
    assert closure([p("a", Depends="b | c"), p("b"), p("c")], "a", "c") == ["a", "c"]


def test_order_of_paragraphs_does_not_matter(closure, p):
    packages = [p("a", Depends="b | c"), p("b", Depends="d"), p("c"), p("d")]
    assert closure(packages, "a") == closure(packages[::-1], "a") == ["a", "b", "d"]


def test_real_package_comes_before_those_that_provide_it(closure, p):
    packages = [p("a", Depends="x"), p("provider", Provides="x", Priority="required"), p("x")]
    assert closure(packages, "a") == ["a", "x"]


def test_essential_provider_comes_first_then_priority(closure, p):
    packages = [p("a", Depends="awk"), p("gawk", Provides="awk"), p("mawk", Provides="awk", Priority="required")]
    assert closure(packages, "a") == ["a", "mawk"]
    packages.append(p("busybox", Provides="awk", Essential="yes"))
    assert closure(packages, "a") == ["a", "busybox"]


def test_provider_that_is_mentioned_last_comes_first_among_equals(closure, p):
    packages = [p("a", Depends="mta"), p("exim", Provides="mta"), p("postfix", Provides="mta")]
    assert closure(packages, "a") == ["a", "postfix"]
    packages.insert(0, p("0", Suggests="postfix"))
    assert closure(packages, "a") == ["a", "exim"]


def test_provides_with_a_version_satisfies_only_that_version(closure, reasons, p):
    packages = [p("a", Depends="x (>= 2)"), p("old", Provides="x (= 1)"), p("new", Provides="x (= 2)")]
    assert closure(packages, "a") == ["a", "new"]
    assert reasons([p("a", Depends="x (>= 2)"), p("old", Provides="x (= 1)")], "a")


def test_provides_without_a_version_does_not_satisfy_one(reasons, p):
    assert reasons([p("a", Depends="x (>= 2)"), p("b", Provides="x")], "a") == [
        "`a` needs `x (>= 2)`, and no package is or provides that"
    ]


@pytest.mark.parametrize("qualifier", ["any", "native", "amd64"])
def test_qualified_need_is_met_by_a_package_that_allows_it(qualifier, closure, p):
    packages = [p("a", Depends=f"b:{qualifier} (>= 1)"), p("b", Multi_Arch="allowed")]
    assert closure(packages, "a") == ["a", "b"]


def test_need_for_another_architecture_cannot_be_met(reasons, p):
    (reason,) = reasons([p("a", Depends="b:arm64"), p("b", Multi_Arch="same")], "a")
    assert reason == "`a` needs `b:arm64`, and `b` is not there for that architecture"


def test_need_for_any_architecture_is_not_met_by_a_package_that_does_not_allow_it(reasons, p):
    (reason,) = reasons([p("a", Depends="b:any"), p("b", Multi_Arch="foreign")], "a")
    assert reason == "`a` needs `b:any`, and `b` is not there for that architecture"


def test_conflict_between_what_was_asked_for_is_told_by_name(reasons, p):
    assert reasons([p("a", Conflicts="b"), p("b")], "a", "b") == ["`a` conflicts with `b` (`b`)"]
    assert reasons([p("a"), p("b", Breaks="a (<< 2)")], "a", "b") == ["`b` conflicts with `a` (`a (<< 2)`)"]


def test_conflict_with_another_version_is_none(closure, p):
    assert closure([p("a", Breaks="b (<< 1.0)", Conflicts="b (>> 1.0)"), p("b")], "a", "b") == ["a", "b"]


def test_package_does_not_conflict_with_itself(closure, p):
    packages = [p("a", Provides="mta", Conflicts="mta, a", Depends="b"), p("b")]
    assert closure(packages, "a") == ["a", "b"]


def test_conflict_with_a_virtual_package_is_with_all_that_provide_it(reasons, p):
    packages = [p("exim", Provides="mta", Conflicts="mta"), p("postfix", Provides="mta", Conflicts="mta")]
    assert reasons(packages, "exim", "postfix") == [
        "`exim` conflicts with `postfix` (`mta`)",
        "`postfix` conflicts with `exim` (`mta`)",
    ]


def test_alternative_that_conflicts_is_passed_over(closure, p):
    packages = [p("a", Depends="b | c"), p("b"), p("c"), p("d", Conflicts="b")]
    assert closure(packages, "d", "a") == closure(packages, "a", "d") == ["a", "c", "d"]
    packages = [p("a", Depends="b | c"), p("b", Conflicts="d"), p("c"), p("d")]
    assert closure(packages, "a", "d") == ["a", "c", "d"]


def test_conflict_of_what_is_needed_tells_why_it_is_there(reasons, p):
    packages = [p("a", Depends="b"), p("b", Conflicts="d"), p("c", Depends="d"), p("d")]
    (reason,) = reasons(packages, "a", "c")
    assert reason == "`c` needs `d`, and `d` cannot be there with `b` (`d`)"


def test_chain_of_needs_is_told_to_its_end(reasons, p):
    packages = [p("a", Depends="b"), p("b", Depends="c (>= 1) | c2"), p("c", Depends="d (>= 3)"), p("d", "2.5")]
    assert reasons(packages, "a") == ["`a` needs `b`, `b` needs `c`, `c` needs `d (>= 3)`, but `d` has version 2.5"]


def test_need_that_could_be_met_is_not_told_as_a_problem(reasons, p):
    packages = [p("a", Depends="b, gone"), p("b")]
    assert reasons(packages, "a") == ["`a` needs `gone`, and no package is or provides that"]


def test_all_problems_are_told_together(reasons, p):
    packages = [p("a", Depends="gone"), p("b", Depends="lost, gone")]
    assert reasons(packages, "a", "b") == [
        "`a` needs `gone`, and no package is or provides that",
        "`b` needs `lost`, and no package is or provides that",
        "`b` needs `gone`, and no package is or provides that",
    ]


def test_unknown_names_are_told_together_with_similar_ones(reasons, p):
    packages = [p("libgomp1"), p("libgmp10"), p("ca-certificates")]
    unknown, no_name, nothing = reasons(packages, "libgom1", "libgomp1=2", "zzz")
    assert unknown.startswith("there is no package `libgom1`; similar are `libgomp1`")
    assert no_name == "`libgomp1=2` is not the name of a Debian package"
    assert nothing == "there is no package `zzz`"


def test_name_that_one_package_provides_stands_for_it(closure, reasons, p):
    assert closure([p("b", Provides="x")], "x") == ["b"]
    assert reasons([p("b", Provides="x"), p("c", Provides="x")], "x") == [
        "`x` is provided by several packages: `b`, `c`"
    ]


def test_nothing_is_needed_for_nothing(closure, p):
    assert closure([p("a")]) == []


def test_name_given_twice_counts_once(closure, p):
    assert closure([p("a")], "a", "a") == ["a"]
