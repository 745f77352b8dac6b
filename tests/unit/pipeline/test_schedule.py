"""Which stages may be run now."""

from __future__ import annotations

import pytest

from builder.errors import EnvbuildError
from builder.pipeline.schedule import Board, Capacity, check_capacity
from builder.spec.stages import Resources

NEEDS = {"a": (), "b": (), "c": ("a", "b"), "d": ("c",)}


def board(capacity: Capacity, jobs: int | None = None, **resources: Resources) -> Board:
    return Board(NEEDS, {name: resources.get(name, Resources()) for name in NEEDS}, capacity, jobs)


def test_a_stage_is_ready_when_those_before_it_are_done():
    one = board(Capacity(8, None))
    assert one.ready() == ["a", "b"]
    one.begin("a")
    assert one.ready() == ["b"]
    one.end("a", is_done=True)
    assert one.ready() == ["b"]
    one.end("b", is_done=True)
    assert one.ready() == ["c"]


def test_what_waits_for_a_failure_names_it():
    one = board(Capacity(8, None))
    one.end("a", is_done=False)
    one.end("b", is_done=True)
    assert one.ready() == []
    assert one.left() == {"c": "a", "d": "a"}


@pytest.mark.parametrize(
    ("capacity", "jobs", "wanted", "fits"),
    [
        pytest.param(Capacity(2, None), None, Resources(), True, id="two-processors"),
        pytest.param(Capacity(1.5, None), None, Resources(), False, id="one-and-a-half"),
        pytest.param(Capacity(2, None), 1, Resources(), False, id="one-job"),
        pytest.param(Capacity(2, 3 << 30), None, Resources(memory="2g"), False, id="memory"),
        pytest.param(Capacity(2, 4 << 30), None, Resources(memory="2g"), True, id="enough-memory"),
        pytest.param(Capacity(2, None, ("0",)), None, Resources(gpu=1), False, id="one-gpu"),
        pytest.param(Capacity(2, None, ("0", "1")), None, Resources(gpu=1), True, id="two-gpus"),
    ],
)
def test_stages_run_beside_each_other_as_far_as_they_find_room(capacity, jobs, wanted, fits):
    one = board(capacity, jobs, a=wanted, b=wanted)
    assert one.fits("a")
    one.begin("a")
    assert one.fits("b") is fits


def test_each_stage_has_gpus_of_its_own():
    one = board(Capacity(8, None, ("0", "1", "2")), a=Resources(gpu=1), b=Resources(gpu=2))
    assert one.begin("a") == ("0",)
    assert one.begin("b") == ("1", "2")
    one.end("a", is_done=True)
    assert one.begin("a") == ("0",)


def test_what_the_machine_does_not_have_is_told_before_anything_runs():
    wanted = [("big", Resources(cpu=9, memory="9g", gpu=1)), ("small", Resources())]
    with pytest.raises(EnvbuildError) as failure:
        check_capacity(Capacity(8, 1 << 30), wanted)
    assert failure.value.why == (
        "`big` needs 9 processors of 8",
        "`big` needs 9g of memory of 1.0g",
        "`big` needs 1 GPUs of 0",
    )
    check_capacity(Capacity(9, None, ("0",)), wanted)
