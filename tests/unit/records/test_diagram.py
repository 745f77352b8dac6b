from __future__ import annotations

import xml.etree.ElementTree as ET

from made_subjects import HOSTILE

from builder.records.diagram import Flow, Step, diagram

SVG = "{http://www.w3.org/2000/svg}"
FLOW = Flow(
    "churn 1.0",
    (("/data/a", "inside"), ("/model", "2 files")),
    (
        Step("train", "python -m t", ("/data/a",), ("/out/model",)),
        Step("serve", "python -m s", ("/model",), ("port 80",)),
    ),
    (("linux/amd64", "Debian"), ("/app", "3 files")),
)


def drawn(flow: Flow) -> ET.Element:
    return ET.fromstring(diagram(flow).data)


def texts(root: ET.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def test_all_that_is_given_is_drawn_with_an_arrow_for_each_way() -> None:
    root = drawn(FLOW)
    assert {"train", "serve", "/data/a", "/model", "/out/model", "port 80", "linux/amd64", "3 files"} <= {*texts(root)}
    assert len([path for path in root.iter(f"{SVG}path") if path.get("marker-end")]) == 4
    width, height = map(int, root.attrib["viewBox"].split()[2:])
    for box in root.iter(f"{SVG}rect"):
        left, top = int(box.get("x", 0)), int(box.get("y", 0))
        assert 0 <= left <= left + int(box.attrib["width"]) <= width
        assert 0 <= top <= top + int(box.attrib["height"]) <= height


def test_the_layers_lie_on_each_other() -> None:
    tops = {element.text: int(element.attrib["y"]) for element in drawn(FLOW).iter(f"{SVG}text")}
    assert tops["/app"] < tops["linux/amd64"]


def test_an_empty_bundle_has_a_picture() -> None:
    assert texts(drawn(Flow("churn", (), (), ()))) == ["churn"]


def test_whatever_people_write_is_text_that_fits() -> None:
    long = HOSTILE * 20
    steps = (Step(long, long, (long,), (long,)),)
    root = drawn(Flow(long, ((long, long),), steps, ((long, long),)))
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {
        "svg", "title", "style", "defs", "marker", "path", "rect", "text", "g",
    }  # fmt: skip
    assert max(map(len, texts(root))) <= 120
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on") or "href" in name]


def test_it_needs_nothing_from_elsewhere_and_is_always_the_same() -> None:
    data = diagram(FLOW).data
    assert data == diagram(FLOW).data
    assert data.count(b"http") == 1, "the name space alone"
    assert b"prefers-color-scheme: dark" in data
