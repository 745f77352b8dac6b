from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st
from made_subjects import HOSTILE

from builder.records.graph import Edge, Graph, Node, layers, without_cycles
from builder.records.graph_drawing import graph_svg
from builder.records.graph_text import graph_mermaid, graph_tree

SVG = "{http://www.w3.org/2000/svg}"
PIPELINE = Graph(
    "churn",
    (
        Node("raw", "data", "/data/raw", "12 MB"),
        Node("ingest", "command", "ingest", "python -m ingest", "Anna"),
        Node("clean", "result", "clean.parquet"),
        Node("train", "command", "train", "python -m train", "Ben", marked=True),
        Node("model", "result", "model/"),
    ),
    (
        Edge("raw", "ingest"),
        Edge("ingest", "clean", "writes"),
        Edge("clean", "train"),
        Edge("train", "model"),
        Edge("raw", "train"),
    ),
)


def drawn(graph: Graph) -> ET.Element:
    return ET.fromstring(graph_svg(graph))


def arrows(root: ET.Element) -> list[str]:
    return [path.attrib["d"] for path in root.iter(f"{SVG}path") if path.get("marker-end")]


def boxes(root: ET.Element) -> list[tuple[int, int, int, int]]:
    """Left, top, right and bottom of each."""
    found = [box for group in root.iter(f"{SVG}g") for box in group.iter(f"{SVG}rect")]
    sides = [[int(box.attrib[name]) for name in ("x", "y", "width", "height")] for box in found]
    return [(left, top, left + width, top + height) for left, top, width, height in sides]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    names = [str(number) for number in range(draw(st.integers(0, 12)))]
    one = st.sampled_from([*names, "unknown"])
    pairs = draw(st.lists(st.tuples(one, one), max_size=30))
    nodes = tuple(Node(name, "data", name, owner=draw(st.sampled_from(["", "Anna"]))) for name in names)
    return Graph("any", nodes, tuple(itertools.starmap(Edge, pairs)))


@given(graphs())
def test_no_box_lies_on_another_and_every_way_is_drawn(graph: Graph) -> None:
    root = drawn(graph)
    places = boxes(root)
    assert len(places) == len(graph.nodes)
    assert len(arrows(root)) == len(graph.known_edges())
    for one, other in itertools.combinations(places, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    width, height = map(int, root.attrib["viewBox"].split()[2:])
    assert all(0 <= left < right <= width and 0 <= top < bottom <= height for left, top, right, bottom in places)


@given(graphs())
def test_columns_are_the_longest_ways_and_cycles_are_cut_as_little_as_a_walk_needs(graph: Graph) -> None:
    nodes, every = [node.id for node in graph.nodes], [(edge.start, edge.end) for edge in graph.known_edges()]
    onward = without_cycles(nodes, every)
    whole, cut = nx.DiGraph(every), nx.DiGraph(onward)
    assert nx.is_directed_acyclic_graph(cut)
    assert (len(onward) == len(every)) == nx.is_directed_acyclic_graph(whole)
    cut.add_nodes_from(nodes)
    longest: dict[str, int] = {}
    for node in nx.topological_sort(cut):
        longest[node] = max((longest[before] + 1 for before in cut.predecessors(node)), default=0)
    assert layers(nodes, onward) == longest


def test_ways_that_need_not_cross_do_not() -> None:
    """Three pairs whose order is turned round by what is declared first."""
    names = ["a", "b", "c"]
    nodes = (
        *(Node(f"{name}1", "data", name) for name in names),
        *(Node(f"{name}2", "data", name) for name in names[::-1]),
    )
    root = drawn(Graph("pairs", nodes, tuple(Edge(f"{name}1", f"{name}2") for name in names)))
    assert all(line.split()[1].split("C")[0] == line.split()[-1] for line in arrows(root)), "all are level"


def test_a_way_over_a_column_is_led_past_its_boxes() -> None:
    root = drawn(PIPELINE)
    led = [way for way in arrows(root) if "H" in way]
    assert len(led) == 1
    top = int(led[0].split("H")[0].split()[-1])
    assert not [box for box in boxes(root)[1:3] if box[1] <= top <= box[3]]


def test_a_picture_needs_nothing_from_elsewhere_and_is_always_the_same() -> None:
    data = graph_svg(PIPELINE)
    assert data == graph_svg(PIPELINE)
    assert data.count(b"http") == 1, "the name space alone"
    assert b"prefers-color-scheme: dark" in data
    assert b'class="command marked"' in data


def test_a_way_past_very_many_boxes_is_drawn_straight() -> None:
    nodes = tuple(Node(str(number), "data", f"node {number}") for number in range(200))
    chain = [Edge(str(n), str(n + 1)) for n in range(199)]
    root = drawn(Graph("large", nodes, (*chain, *(Edge(str(n), "199") for n in range(198)))))
    assert len(arrows(root)) == 397
    assert not [way for way in arrows(root) if "H" in way]


def test_whatever_people_write_is_text() -> None:
    long = HOSTILE * 20
    graph = Graph(long, (Node(long, "data", long, long, long), Node("b", "image", long)), (Edge(long, "b", long),))
    root = drawn(graph)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {
        "svg", "title", "style", "defs", "marker", "path", "rect", "text", "g",
    }  # fmt: skip
    assert max(len(element.text or "") for element in root.iter(f"{SVG}text")) <= 31
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on") or "href" in name]
    mermaid = graph_mermaid(graph).splitlines()
    assert len(mermaid) == 6
    assert not [line for line in mermaid if any(part in line.replace("<br>", "") for part in ("<", "`", "\x1b", "$"))]
    assert [line.count('"') for line in mermaid] == [0, 2, 2, 2, 0, 0]


def test_mermaid_says_who_answers_and_what_is_doubtful() -> None:
    text = graph_mermaid(PIPELINE)
    assert '  n2(["ingest<br>python -m ingest<br>Anna"]):::command\n' in text
    assert '  n2 -- "writes" --> n3\n' in text
    assert "  classDef commandmarked fill:#fff8c5,stroke:#d4a72c,color:#1f2328,stroke-dasharray:5 3\n" in text


def test_a_tree_shows_what_follows_once() -> None:
    assert [*graph_tree(PIPELINE)] == [
        "/data/raw (12 MB)",
        "├─ ingest (python -m ingest, Anna)",
        "│  └─ clean.parquet",
        "│     └─ train (python -m train, Ben)",
        "│        └─ model/",
        "└─ train (python -m train, Ben) (see above)",
    ]
    assert [*graph_tree(PIPELINE, ["clean"], backward=True)] == [
        "clean.parquet",
        "└─ ingest (python -m ingest, Anna)",
        "   └─ /data/raw (12 MB)",
    ]


@given(graphs())
def test_a_tree_names_every_node(graph: Graph) -> None:
    lines = [*graph_tree(graph)]
    shown = {line.replace("(see above)", "").replace("(Anna)", "").split()[-1] for line in lines}
    assert shown == {node.label for node in graph.nodes}


def test_a_long_way_makes_no_tree_that_fills_the_memory() -> None:
    nodes = tuple(Node(str(number), "data", str(number)) for number in range(10_000))
    lines = [*graph_tree(Graph("long", nodes, tuple(Edge(str(n), str(n + 1)) for n in range(9_999))), ["0"])]
    assert len(lines) == 201
    assert lines[-1].endswith("200 …")
