"""What `--sweep` means: which points, in which order, the same for the same seed."""

from __future__ import annotations

import json

import pytest

from builder.errors import EnvbuildError
from builder.pipeline.sweep.axes import Span, check_names, parse_axes
from builder.pipeline.sweep.points import Point, drawn, grid, in_force
from builder.spec.reader import nearest


def labels(*texts: str) -> list[str]:
    return [point.label for point in grid(parse_axes(texts))]


def test_every_combination_is_a_point_and_the_last_axis_changes_fastest():
    assert labels("lr=0.1,0.01", "seed=1..2") == [
        "lr=0.1 seed=1", "lr=0.1 seed=2", "lr=0.01 seed=1", "lr=0.01 seed=2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a=1..3", "1 2 3"), ("a=1..10..4", "1 5 9"), ("a=0.1..0.3..0.1", "0.1 0.2 0.3"), ("a=-1..1", "-1 0 1"),
        ("a=1..2,5", "1 2 5"), ('a="[1,2]",x', "[1,2] x"), ("a.b=true,false", "true false"),
    ],
    ids=range(7),
)  # fmt: skip
def test_lists_and_ranges_are_read(text, values):
    (axis,) = parse_axes([text])
    assert " ".join(axis.values) == values


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("lr", "a name, `=`"), ("lr=", "a value is missing"), ("lr=1,,2", "a value is missing"), ("lr=1,1", "twice"),
        ("lr=0.1..0.5", "takes a step"), ("lr=5..1", "goes up"), ("lr=1..5..0", "goes up"),
        ("lr=1..99999", "more than"),
        ("lr=log:0.1..1", "--random"), ("seed=a", "whole numbers"), ("seed=4294967296", "whole numbers"),
        ('lr="a', "quotes"), ("lr=1e999..2e999", "too large"), ("lr=0..1..1e-999", "too large"),
    ],
    ids=range(14),
)  # fmt: skip
def test_what_cannot_be_read_is_told(text, why):
    with pytest.raises(EnvbuildError) as caught:
        parse_axes([text])
    assert why in caught.value.why[0]


def test_all_problems_are_told_together_and_too_many_points_are_refused():
    with pytest.raises(EnvbuildError) as caught:
        parse_axes(["lr", "lr=1", "lr=2", "x=log:0..1"], drawn=True)
    assert len(caught.value.why) == 3
    with pytest.raises(EnvbuildError, match="more than 10000 points"):
        grid(parse_axes(["a=1..101", "b=1..100"]))


def test_draws_are_the_same_for_the_same_seed_and_each_has_every_seed():
    axes = parse_axes(["lr=log:0.0001..0.1", "depth=2..8", "rest=0.5..1.0", "kind=a,b", "seed=1..2"], drawn=True)
    points = drawn(axes, 50, 7)
    assert points == drawn(axes, 50, 7) != drawn(axes, 50, 8)
    assert len(points) == 100
    values = [dict(point.values) for point in points[::2]]
    assert [point.seed for point in points[:4]] == [1, 2, 1, 2]
    assert {int(one["depth"]) for one in values} == set(range(2, 9))
    assert {one["kind"] for one in values} == {"a", "b"}
    assert all(0.0001 <= float(one["lr"]) <= 0.1 and 0.5 <= float(one["rest"]) <= 1 for one in values)
    assert sum(float(one["lr"]) < 0.00316 for one in values) == pytest.approx(25, abs=10)
    assert points[0].label == "lr=0.00093648 depth=3 rest=0.825467 kind=a seed=1"


def test_what_can_be_drawn_less_often_is_drawn_less_often():
    assert len(drawn(parse_axes(["kind=a,b"], drawn=True), 10, 0)) == 2
    assert len(drawn(parse_axes(["seed=1..3"], drawn=True), 10, 0)) == 3


def test_both_ends_of_a_span_are_in_it():
    assert [Span(1, 3, whole=True).at(place) for place in (0, 0.5, 0.999999)] == ["1", "2", "3"]
    assert [Span(0.001, 0.1, "log").at(place) for place in (0, 0.5, 1)] == ["0.001", "0.01", "0.1"]


def test_names_that_the_command_does_not_take_are_told_with_the_nearest():
    with pytest.raises(EnvbuildError) as caught:
        check_names(parse_axes(["rat=1", "seed=1"]), ["rate"], nearest)
    assert "`rat`" in caught.value.why[0]
    assert "`rate`" in caught.value.why[0]


def test_parameters_in_force_are_those_that_the_launcher_makes(launcher):
    defaults = {"a": {"b": 1, "on": True}, "lr": 0.1, "name": "x", "list": [1], "none": None}
    given = (("a.b", "2"), ("a.on", "FALSE"), ("lr", "1"), ("name", "3"), ("list", "[2, 3]"), ("none", "word"))
    expected = json.loads(json.dumps(defaults))
    for name, text in given:
        launcher.set_parameter(expected, name, text)
    assert in_force(defaults, Point(given)) == expected
    for name, text in (("a.b", "x"), ("a.on", "1"), ("lr", "nan"), ("lr", "x")):
        with pytest.raises(EnvbuildError, match=f"`{name}` cannot be `{text}`"):
            in_force(defaults, Point(((name, text),)))


@pytest.fixture(scope="module")
def launcher():
    from builder.run.recorded import _launcher

    return _launcher()
