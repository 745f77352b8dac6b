"""A sweep from its points to its table, with runs that are made up."""

from __future__ import annotations

import json
import math
import signal
import statistics
import sys
from pathlib import Path

import pytest

from builder.cli.sweep_options import spread_out
from builder.errors import EnvbuildError
from builder.history.content import Content
from builder.history.record import Code, RunRecord
from builder.history.search import predicate
from builder.history.search.facts import facts_of
from builder.pipeline.sweep.children import Children, Job, SweepInterruptedError
from builder.pipeline.sweep.document import Plan, Sweep, read_sweep, sweep_file, write_sweep
from builder.pipeline.sweep.points import Point
from builder.pipeline.sweep.recorded import Wanted
from builder.pipeline.sweep.sweeping import Sweeping
from builder.pipeline.sweep.table import Done, Objective, best, best_run, groups, odd_ones

ID = "20260101T000000Z-sweep-train-0123ab"


class Runs:
    """Makes runs by a function of the parameters and the seed; what it was asked for is in `made`."""

    def __init__(self, metric, known=()) -> None:
        self.metric = metric
        self.made: list[str] = []
        self.results = {one.point: one for one in known}

    def known(self, point):
        return self.results.get(point)

    def run(self, points, done):
        for number, point in points:
            self.made.append(point.label)
            value = self.metric({name: float(text) for name, text in point.values}, point.seed)
            result = Done(
                point, "failed" if value is None else "ok", f"r{number}", {} if value is None else {"m": value}
            )
            if result.outcome == "ok":
                self.results[point] = Done(point, "ok", result.run, result.metrics, reused=True)
            if not done(number, result):
                return


def done(lr: str, seed: int, value: float | str | None, outcome: str = "ok") -> Done:
    return Done(Point((("lr", lr),), seed), outcome, f"{lr}-{seed}", {} if value is None else {"auc": value})


def test_mean_and_spread_are_those_of_the_seeds_and_the_best_is_complete():
    ones = [
        done("0.1", 1, 0.8), done("0.1", 2, 0.9), done("0.2", 1, 0.99), done("0.2", 2, "NaN"), done("0.3", 1, 0.98),
        done("0.3", 2, None, "failed"), done("0.4", 1, 0.5), done("0.4", 2, 0.6), done("0.5", 1, None),
    ]  # fmt: skip
    found = groups(ones)
    spread = found[0].metrics["auc"]
    assert (spread.n, spread.mean) == (2, pytest.approx(0.85))
    assert spread.deviation == pytest.approx(statistics.stdev([0.8, 0.9]))
    most, least = Objective("auc"), Objective("auc", "minimize")
    assert best(found, most).values == (("lr", "0.1"),)
    assert best_run(best(found, most), most) == "0.1-2"
    assert best(found, least).values == (("lr", "0.4"),)
    assert best_run(best(found, least), least) == "0.4-1"
    assert odd_ones(found, most) == [
        "lr=0.2: `auc` is no finite number in 1 of 2",
        "lr=0.3: 1 of 2 runs have no `auc`",
        "lr=0.5: 1 of 1 runs have no `auc`",
    ]
    assert best(found, Objective("loss")) is None


def test_only_points_without_a_good_run_are_run_and_order_stays_that_of_the_points():
    runs = Runs(lambda values, _: values["lr"])
    plan = Plan("train", ("lr=1,2,3",))
    Sweeping(plan, runs).go()
    again = Sweeping(Plan("train", ("lr=0,1,2,3",)), runs).go()
    assert runs.made == ["lr=1", "lr=2", "lr=3", "lr=0"]
    assert [(one.metrics["m"], one.reused) for one in again] == [(0, False), (1, True), (2, True), (3, True)]


def test_a_point_that_fails_stops_nothing_unless_told_so():
    runs = Runs(lambda values, _: None if values["lr"] == 2 else 1.0)
    plan = Plan("train", ("lr=1,2,3",))
    assert [one.outcome for one in Sweeping(plan, runs).go()] == ["ok", "failed", "ok"]
    runs = Runs(runs.metric)
    stopped = Sweeping(plan, runs, stop_on_failure=True)
    assert [one.outcome for one in stopped.go()] == ["ok", "failed", "missing"]
    assert stopped.stopped


def test_optuna_proposes_the_same_after_the_same_results_so_that_a_study_goes_on_where_it_ended():
    def bowl(values, seed):
        return None if values["depth"] == 5 else (math.log10(values["lr"]) + 2) ** 2 + seed * 0.001

    axes = ("lr=log:0.0001..1.0", "depth=2..6", "kind=1,2", "seed=1..2")
    plan = Plan("train", axes, driver="optuna", trials=12, seed=3, objective=Objective("m", "minimize"))
    runs = Runs(bowl)
    whole = Sweeping(plan, runs).go()
    assert len(whole) == 24
    assert min(one.metrics["m"] for one in whole if one.metrics) < 0.3
    begun = Runs(bowl, [one for one in whole[:9] if one.outcome == "ok"])
    resumed = Sweeping(plan, begun).go()
    assert [one.point for one in resumed] == [one.point for one in whole]
    assert not set(begun.made) & {one.point.label for one in whole[:9] if one.outcome == "ok"}


def test_where_optuna_is_not_installed_it_is_said_how_it_is(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    plan = Plan("train", ("lr=0.1..1.0",), driver="optuna", trials=1, objective=Objective("m", "minimize"))
    with pytest.raises(EnvbuildError, match="needs Optuna") as raised:
        Sweeping(plan, Runs(lambda *_: 1.0)).go()
    assert raised.value.hint == "Install it: `pip install 'envbuild[optuna]'`"


def test_the_document_is_read_again_and_what_is_no_document_is_refused(tmp_path):
    plan = Plan("train", ("lr=1,2",), ("--x",), objective=Objective("auc", "minimize"))
    write_sweep(tmp_path, Sweep(ID, plan, "2026-01-01T00:00:00Z", image="sha256:1", points=(done("1", 1, 0.5),)))
    assert read_sweep(tmp_path, ID).plan == plan
    file = sweep_file(tmp_path, ID)
    good = json.loads(file.read_text())
    for bad in ({}, [], {**good, "axes": [1]}, {**good, "goal": "up"}, {**good, "random": -1}, {**good, "id": "x"}):
        file.write_text(json.dumps(bad))
        with pytest.raises(EnvbuildError, match="no document of a sweep"):
            read_sweep(tmp_path, ID)
    with pytest.raises(EnvbuildError, match="there is no sweep"):
        read_sweep(tmp_path, ID.replace("ab", "ac"))
    with pytest.raises(EnvbuildError, match="no name of a sweep"):
        read_sweep(tmp_path, "../../etc/passwd")


def test_a_run_is_the_same_only_if_all_that_makes_it_is():
    wanted = Wanted("train", "sha256:i", {"lr": 0.1}, 7, (), {"x": "a" * 64})
    record = RunRecord(
        "20260101T000000Z-train-000001", "command", "train", "finished", "2026-01-01T00:00:00Z", params={"lr": 1.0},
        seed=7, data={"x": Content.of_file("x", "a" * 64, 1)}, image="sha256:i", exit_code=0, code=Code("sha256:c"),
    )  # fmt: skip
    from dataclasses import replace

    point = Point((("lr", "1"),))
    assert wanted.key(point) in wanted.runs([record])
    assert predicate(wanted.where)(facts_of(record, ()))
    assert not predicate(wanted.where)(facts_of(replace(record, image="sha256:j"), ()))
    for other in (
        {"seed": 8}, {"params": {"lr": 2.0}}, {"image": "sha256:j"}, {"arguments": ("x",)}, {"exit_code": 1},
        {"state": "killed"}, {"data": {}}, {"command": "check"}, {"kind": "stage"}, {"code": Code(found="mounted")},
    ):  # fmt: skip
        assert wanted.key(point) not in wanted.runs([replace(record, **other)])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("p train --sweep a=1 seed=1..5 --jobs 2", "p train --sweep a=1 --sweep seed=1..5 --jobs 2"),
        ("--sweep a=1 b=2 p train", "--sweep a=1 --sweep b=2 p train"),
        ("p train --sweep a=1 -- b=2 --sweep", "p train --sweep a=1 -- b=2 --sweep"),
        ("p train --sweep", "p train --sweep"),
        ("p train a=1", "p train a=1"),
    ],
    ids=range(5),
)
def test_words_behind_sweep_are_its_own_up_to_the_next_option(line, expected):
    assert spread_out(line.split()) == expected.split()


def jobs(folder: Path, *sources: str) -> list[Job]:
    return [
        Job(number, [sys.executable, "-c", source], folder / f"{number}.err") for number, source in enumerate(sources)
    ]


def test_processes_run_and_tell_their_failures(tmp_path):
    found = {}
    lines = jobs(
        tmp_path, "", "import sys; print('error: no room', file=sys.stderr); sys.exit(3)", "raise SystemExit(2)"
    )
    Children().run(lines, 2, lambda one: found.update({one.job.number: (one.code, one.failure)}) is None)
    assert found == {0: (0, ""), 1: (3, "no room"), 2: (2, "")}


def test_an_interrupt_reaches_every_process_once_and_nothing_more_is_started(tmp_path):
    waits = f"""
import os, signal, sys
def end(*_):
    open({str(tmp_path / "told")!r}, "a").write("x")
    sys.exit(5)
signal.signal(signal.SIGINT, end)
os.kill(os.getppid(), signal.SIGINT)
while True:
    signal.pause()
"""
    found = []
    with pytest.raises(SweepInterruptedError) as caught:
        Children().run(jobs(tmp_path, waits, waits), 1, lambda one: found.append(one.code) is None)
    assert caught.value.number == signal.SIGINT
    assert found == [5]
    assert (tmp_path / "told").read_text() == "x"
    assert not (tmp_path / "1.err").exists()
