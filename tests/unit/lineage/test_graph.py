from __future__ import annotations

import networkx as nx
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.lineage.graph import Lineage
from builder.lineage.shown import as_json, graph_of, ways
from builder.lineage.things import EMPTY, Activity, Part

DIGESTS = [f"{number:064x}" for number in range(8)]
one_digest = st.sampled_from([*DIGESTS, EMPTY])


@st.composite
def parts(draw: st.DrawFn) -> tuple[Part, ...]:
    """Files, and folders of files that are things by themselves."""
    found = []
    for sha256 in draw(st.lists(one_digest, max_size=3)):
        inner = tuple((f"{index}", each, 1) for index, each in enumerate(draw(st.lists(one_digest, max_size=3))))
        found.append(Part(f"p{sha256[-1]}", sha256, "folder" if inner else "file", 1, inner))
    return tuple(found)


@st.composite
def activities(draw: st.DrawFn) -> list[Activity]:
    count = draw(st.integers(0, 6))
    return [
        Activity(f"run:{number}", "stage", f"s{number}", "", draw(parts()), draw(parts()), run=str(number))
        for number in range(count)
    ]


def every_way(done: list[Activity]) -> nx.DiGraph[str]:
    """What the definition says: each thing that an activity used leads to it, and it leads to each that it made."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    for activity in done:
        for part in activity.used:
            graph.add_edges_from((f"sha256:{each}", activity.id) for each in part.digests())
        for part in activity.made:
            graph.add_edges_from((activity.id, f"sha256:{each}") for each in part.digests())
    return graph


@settings(max_examples=40, deadline=None)
@given(activities(), one_digest)
def test_a_walk_finds_what_can_be_reached_and_nothing_else(done: list[Activity], sha256: str) -> None:
    lineage, graph, start = Lineage.of(done), every_way(done), f"sha256:{sha256}"
    graph.add_node(start)
    assert lineage.forward([start]).nodes == nx.descendants(graph, start) | {start}
    assert lineage.backward([start]).nodes == nx.ancestors(graph, start) | {start}
    for depth in (1, 2):
        near = nx.single_source_shortest_path_length(graph, start, cutoff=2 * depth)
        assert lineage.forward([start], depth).nodes == set(near)


@settings(max_examples=40, deadline=None)
@given(activities(), one_digest)
def test_what_is_shown_leads_to_every_activity_that_was_reached(done: list[Activity], sha256: str) -> None:
    lineage, start = Lineage.of(done), f"sha256:{sha256}"
    walk = lineage.forward([start])
    shown = ways(walk.links, {start: start})
    reached = {node for node in walk.nodes if node.startswith("run:")}
    graph = nx.DiGraph([(way.start, way.end) for way in shown])
    graph.add_node(start)
    assert nx.descendants(graph, start) | {start} >= reached
    assert set(graph.edges) <= set(every_way(done).edges)
    assert {node["id"] for node in as_json(lineage, shown, [start])["nodes"]} == set(graph.nodes)
    assert {node.id for node in graph_of(lineage, shown, [start], "all").nodes} == set(graph.nodes)


def test_files_that_are_empty_have_nothing_to_do_with_each_other() -> None:
    init = (("__init__.py", EMPTY, 0),)
    made = Activity("run:1", "stage", "one", made=(Part("a", DIGESTS[0], "folder", 0, init),), run="1")
    used = Activity("run:2", "stage", "two", used=(Part("b", DIGESTS[1], "folder", 0, init),), run="2")
    assert Lineage.of([made, used]).forward(["run:1"]).nodes == {"run:1", f"sha256:{DIGESTS[0]}"}


def test_a_file_of_a_folder_is_shown_only_where_it_leads_elsewhere() -> None:
    files = tuple((f"f{number}", DIGESTS[number], 1) for number in (2, 3, 4))
    whole = Part("clean", DIGESTS[0], "folder", 3, files)
    one = Activity("run:1", "stage", "ingest", made=(whole,), run="1")
    two = Activity("run:2", "stage", "train", used=(whole,), run="2")
    three = Activity("run:3", "stage", "plot", used=(Part("clean/f2", DIGESTS[2]),), run="3")
    walk = Lineage.of([one, two, three]).forward(["run:1"])
    shown = {(way.start, way.end) for way in ways(walk.links, {"run:1": "run:1"})}
    assert shown == {
        ("run:1", f"sha256:{DIGESTS[0]}"),
        (f"sha256:{DIGESTS[0]}", "run:2"),
        ("run:1", f"sha256:{DIGESTS[2]}"),
        (f"sha256:{DIGESTS[2]}", "run:3"),
    }


def test_the_same_work_that_a_lock_and_a_run_tell_of_is_one() -> None:
    used, made = (Part("a", DIGESTS[0]),), (Part("b", DIGESTS[1]),)
    run = Activity("run:1", "stage", "train", "", used, made, run="1")
    same, pruned = (Activity(f"stage:{name}", "stage", "train", "", used, made, run=name) for name in ("1", "9"))
    other = Activity("stage:3", "stage", "train", "", used, (Part("b", DIGESTS[2]),))
    assert [*Lineage.of([run, same, pruned, other]).activities] == ["run:1", "stage:3"]
