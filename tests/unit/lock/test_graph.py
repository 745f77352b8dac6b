from __future__ import annotations

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from builder.lock.graph import chains, inverted, reach, tops, tree

names = st.sampled_from("abcdefgh")
graphs = st.dictionaries(names, st.sets(names), max_size=8).map(
    lambda edges: {
        name: edges.get(name, set()) for name in {*edges, *(other for needs in edges.values() for other in needs)}
    }
)


def drawn(rows: object) -> list[tuple[str, int, str]]:
    return [(row.name, len(row.last) - 1, row.mark) for row in rows]  # type: ignore[attr-defined]


def test_a_tree_expands_a_package_once_and_marks_circles() -> None:
    edges = {"a": ["b", "c"], "b": ["c"], "c": ["a"], "d": []}
    assert drawn(tree(["a", "d"], edges)) == [
        ("a", 0, ""), ("b", 1, ""), ("c", 2, ""), ("a", 3, "cycle"), ("c", 1, "repeated"), ("d", 0, ""),
    ]  # fmt: skip


def test_a_tree_of_limited_depth_shows_again_what_was_cut_off_before() -> None:
    edges = {"a": ["b", "z"], "b": ["z"], "z": ["y"], "y": []}
    assert drawn(tree(["a"], edges, 2)) == [("a", 0, ""), ("b", 1, ""), ("z", 2, ""), ("z", 1, ""), ("y", 2, "")]


@given(graphs)
def test_a_tree_shows_all_that_its_roots_reach_and_each_edge_of_an_expanded_package(edges: dict[str, set[str]]) -> None:
    roots = sorted(edges)[:2]
    rows = list(tree(roots, edges))
    assert {row.name for row in rows} == reach(roots, edges)
    for row in rows:
        assert len(row.last) >= 1


@given(graphs)
def test_reach_is_that_of_networkx(edges: dict[str, set[str]]) -> None:
    graph = nx.DiGraph(edges)
    for name in edges:
        assert reach([name], edges) == {name, *nx.descendants(graph, name)}


@given(graphs)
def test_tops_are_few_and_reach_everything(edges: dict[str, set[str]]) -> None:
    graph = nx.DiGraph(edges)
    condensed = nx.condensation(graph) if edges else nx.DiGraph()
    sources = [node for node in condensed if condensed.in_degree(node) == 0]
    found = tops(edges, edges)
    assert reach(found, edges) == set(edges)
    assert len(found) == len(sources)


@given(graphs, names)
def test_chains_are_the_shortest_and_none_is_forgotten(edges: dict[str, set[str]], target: str) -> None:
    edges = {**edges, target: edges.get(target, set())}
    graph = nx.DiGraph(edges)
    graph.add_nodes_from(edges)
    found = chains(edges, edges, target, 3)
    for root in edges:
        if not nx.has_path(graph, root, target):
            assert root not in found
            continue
        expected = sorted(map(tuple, nx.all_shortest_paths(graph, root, target)))
        assert found[root].shown == tuple(expected[:3])
        assert found[root].more == max(0, len(expected) - 3)


@given(graphs)
def test_twice_inverted_is_as_before(edges: dict[str, set[str]]) -> None:
    assert inverted(inverted(edges)) == {name: tuple(sorted(needs)) for name, needs in edges.items()}


def test_a_chain_longer_than_the_stack_is_walked() -> None:
    edges = {str(number): [str(number + 1)] for number in range(5000)} | {"5000": []}
    assert len(list(tree(["0"], edges))) == 5001
    assert len(chains(["0"], edges, "5000", 1)["0"].shown[0]) == 5001
