from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.pipeline.graph import Node, Places, find_cycle, find_needs, order_of, with_needed

_NAMES = st.lists(st.sampled_from([f"s{number}" for number in range(12)]), unique=True, min_size=1, max_size=12)


@st.composite
def _acyclic(draw: st.DrawFn) -> list[Node]:
    """Stages each of which reads outputs of some before it, as whole, in part, or with the folder above."""
    names = draw(_NAMES)
    nodes = []
    for number, name in enumerate(names):
        before = draw(st.sets(st.sampled_from(names[:number]))) if number else set()
        forms = [f"out/{other}{draw(st.sampled_from(['', '/part.csv']))}" for other in sorted(before)]
        nodes.append(Node(name, tuple(forms), (f"out/{name}",)))
    return nodes


@settings(max_examples=40, deadline=None)
@given(_acyclic(), st.randoms(use_true_random=False))
def test_the_order_is_that_of_paths_and_names_however_stages_are_declared(
    nodes: list[Node], shuffler: random.Random
) -> None:
    order = order_of(find_needs(nodes))
    shuffled = [*nodes]
    shuffler.shuffle(shuffled)
    needs = find_needs(shuffled)
    assert order_of(needs) == order
    assert find_cycle(needs) is None
    place = {name: number for number, name in enumerate(order)}
    assert all(place[other] < place[name] for name, needed in needs.items() for other in needed)


@settings(max_examples=40, deadline=None)
@given(_acyclic())
def test_of_stages_that_do_not_wait_for_each_other_the_first_by_name_comes_first(nodes: list[Node]) -> None:
    needs = find_needs(nodes)
    order = order_of(needs)
    for number, name in enumerate(order):
        done = set(order[:number])
        ready = [other for other in needs if other not in done and done.issuperset(needs[other])]
        assert name == min(ready)


@settings(max_examples=40, deadline=None)
@given(_NAMES.filter(lambda names: len(names) > 1))
def test_a_circle_is_found_and_each_of_it_waits_for_the_next(names: list[str]) -> None:
    pairs = itertools.pairwise([*names, names[0]])
    ring = [Node(name, (f"out/{other}",), (f"out/{name}",)) for name, other in pairs]
    needs = find_needs([*ring, Node("after", ("out/s0", "out/s1"), ("out/after",))])
    way = find_cycle(needs)
    assert way is not None
    assert set(way) == set(names)
    assert all(other in needs[name] for name, other in itertools.pairwise([*way, way[0]]))
    with pytest.raises(ValueError, match="wait for each other"):
        order_of(needs)


@pytest.mark.parametrize("read", ["out/features", "out/features/train.csv", "out"])
def test_a_stage_waits_for_what_writes_its_input_a_part_of_it_or_what_is_above(read: str) -> None:
    needs = find_needs([Node("features", (), ("out/features",)), Node("train", (read,), ("model",))])
    assert needs == {"features": (), "train": ("features",)}


def test_a_name_that_begins_like_another_is_another() -> None:
    needs = find_needs([Node("a", (), ("out/model",)), Node("b", ("out/model2", "out/mode"), ("c",))])
    assert needs["b"] == ()


def test_a_folder_above_several_outputs_waits_for_each_of_them() -> None:
    nodes = [Node(name, (), (f"out/{name}",)) for name in "abc"]
    assert find_needs([*nodes, Node("d", ("out",), ("report",))])["d"] == ("a", "b", "c")


def test_a_stage_is_wanted_with_all_that_it_waits_for() -> None:
    needs = {"a": (), "b": ("a",), "c": ("b",), "d": ("a",)}
    assert with_needed(["c"], needs) == {"a", "b", "c"}


def test_places_below_a_path_do_not_hold_those_that_only_sort_between() -> None:
    places = Places([("a-b", "1"), ("a/b", "2"), ("a", "3"), ("a.b", "4")])
    assert list(places.below("a")) == [("a/b", "2")]
    assert list(places.at_or_above("a/b/c")) == [("a/b", "2"), ("a", "3")]
