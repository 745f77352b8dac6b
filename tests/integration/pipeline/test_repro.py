"""Stages made current: run, restored or left, each in a world of its own."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
from datetime import UTC, datetime, timedelta

import pytest

from builder.errors import CheckFailedError, ExitCode
from builder.pipeline.shared import Shared
from builder.pipeline.shared.folder import SharedFolder

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the embedded engine needs Linux")

TWO = """\
clean:
  run: python clean.py
  inputs: [raw.txt]
  outputs: [data/clean.txt]
  params: {params.json: [least]}
train:
  run: python train.py
  inputs: [data/clean.txt]
  outputs: [out/model]
  metrics: [out/metrics.json]
  seed: 7
  owner: Ada
  why: it is needed
"""
CLEAN = """\
import json, os
least = json.load(open("params.json"))
print("least is", least, flush=True)
open("data/clean.txt", "w").write(open("raw.txt").read() + str(least))
"""
TRAIN = """\
import json, os
import envbuild_run
os.mkdir("out/model")
open("out/model/weights", "w").write(open("data/clean.txt").read() + os.environ["ENVBUILD_SEED"])
envbuild_run.log_metric("loss", 0.5, step=3)
json.dump({"auc": 0.9, "odd": float("nan"), "kind": "a text"}, open("/out/metrics.json", "w"))
"""


def one(code: str, outputs: str = "[made.txt]", more: str = "") -> str:
    """A stage `make` that runs a file of this code."""
    return f"make: {{run: python make.py, outputs: {outputs}{more}}}"


@pytest.fixture
def two(project):
    project.stages(TWO)
    project.write(raw_dot_txt="raw", clean_dot_py=CLEAN, train_dot_py=TRAIN, params_dot_json='{"least": 2, "other": 1}')
    return project


def test_a_shared_cache_gets_what_was_made_before_it_was_named(project, tmp_path):
    project.stages(one("", more=", params: {p.json: [a]}"))
    project.write(make_dot_py='open("made.txt", "w").write(open("p.json").read())', p_dot_json='{"a": 1}')
    assert project.states() == {"make": "ran"}
    project.write(p_dot_json='{"a": 2}')
    assert project.states() == {"make": "ran"}
    project.shared = Shared(SharedFolder(tmp_path / "shared"), lambda _, error: pytest.fail(str(error)))
    assert project.states() == {"make": "current"}
    assert not (tmp_path / "shared").exists()
    assert project.states(share=True) == {"make": "current"}
    assert len(list((tmp_path / "shared/results").iterdir())) == 1
    project.write(p_dot_json='{"a": 1}')
    assert project.states() == {"make": "restored"}
    assert len(list((tmp_path / "shared/results").iterdir())) == 2


def test_only_what_depends_on_a_change_runs_again(two):
    assert two.states() == {"clean": "ran", "train": "ran"}
    assert two.read("out/model/weights") == "raw{'least': 2}7"
    assert two.states() == {"clean": "current", "train": "current"}
    two.write(params_dot_json='{"least": 2, "other": 9}')
    assert two.states() == {"clean": "current", "train": "current"}
    two.write_at("train.py", TRAIN + "#\n")
    assert two.states() == {"clean": "current", "train": "ran"}
    two.write(params_dot_json='{"least": 3}', train_dot_py=TRAIN)
    assert two.states() == {"clean": "ran", "train": "ran"}
    assert len(two.runs()) == len(two.told) == 5

    two.write(params_dot_json='{"least": 2}')  # as on another branch
    assert two.states() == {"clean": "restored", "train": "restored"}
    assert two.read("out/model/weights") == "raw{'least': 2}7"
    assert two.lock().stages["train"].run == two.runs()[1].record.id
    assert len(two.runs()) == 5

    (two.folder / "data/clean.txt").unlink()
    assert two.states() == {"clean": "restored", "train": "current"}
    assert two.states("clean", force=frozenset(["clean"])) == {"clean": "ran"}


def test_a_run_is_recorded_whole(two):
    report = two.repro()
    record = next(run.record for run in two.runs() if run.record.command == "train")
    assert (record.kind, record.outcome, record.seed, record.owner) == ("stage", "ok", 7, "Ada")
    assert record.why == "it is needed"
    assert record.run == ("python", "train.py")
    assert record.parent == "20260101T000000Z-repro-000001"
    assert record.image == str(two.image.descriptor.digest)
    assert record.stage_key == f"sha256:{report.stages[1].key}"
    assert dict(record.metrics) == {"auc": 0.9, "odd": "NaN", "kind": "a text", "loss": 0.5}
    assert any("odd" in note for note in record.notes)
    assert (record.peak_memory or 0) > 1 << 20
    assert None not in (record.duration, record.end)
    assert set(record.outputs) == {"out/model", "out/metrics.json"}
    assert (record.code.found, set(record.code.files or ())) == ("imports", {"train.py"})
    folder = two.folder / "runs" / record.id
    assert json.loads((folder / "metrics.jsonl").read_text()) == {"step": 3, "loss": 0.5}
    clean = next(run for run in two.runs() if run.record.command == "clean")
    assert clean.record.params == {"least": 2}
    assert clean.record.data["raw.txt"].size == 3
    assert (clean.folder / "log.txt").read_text() == "least is {'least': 2}\n"
    assert clean.changed is None


def test_a_stage_sees_what_its_key_knows_and_nothing_else(project):
    project.stages(one("", "[made.txt]", ", inputs: [seen.txt], env: {GREETING: hello}"))
    project.write(seen_dot_txt="1", secret_dot_txt="2")
    project.write(
        make_dot_py="""\
        import os, socket
        found = sorted(os.path.join(folder, name) for folder, _, names in os.walk("/app") for name in names)
        interfaces = [name for _, name in socket.if_nameindex()]
        try:
            open("seen.txt", "w")
        except OSError as error:
            found.append(error.strerror)
        open("elsewhere.txt", "w").write("lost")
        open("made.txt", "w").write(repr([found, interfaces, os.environ["GREETING"], os.environ["ENVBUILD_COMMAND"]]))
        """
    )
    assert project.states() == {"make": "ran"}
    assert project.read("made.txt") == repr(
        [["/app/make.py", "/app/seen.txt", "Read-only file system"], ["lo"], "hello", "make"]
    )
    assert not (project.folder / "elsewhere.txt").exists()


def test_what_a_stage_fails_with_is_recorded_and_what_depends_on_it_is_not_run(two):
    two.write(clean_dot_py="print('no good', flush=True); raise SystemExit(9)")
    report = two.repro()
    assert [stage.state for stage in report.stages] == ["failed", "not-run"]
    assert report.exit_code == ExitCode.USER
    assert report.stages[1].reasons == ("`clean` failed",)
    (run,) = two.runs()
    assert (run.record.outcome, run.record.exit_code) == ("failed", 9)
    assert "exit code 9" in two.screen.errors["clean"].what
    assert not two.lock().stages
    two.write(clean_dot_py=CLEAN)
    assert two.states() == {"clean": "ran", "train": "ran"}


def test_others_go_on_after_a_failure_where_that_is_asked_for(project):
    project.stages(
        """\
        a: {run: [python, -c, "raise SystemExit(3)"], outputs: [a.txt]}
        b: {run: [python, -c, "open('b.txt', 'w')"], outputs: [b.txt]}
        c: {run: [python, -c, "open('c.txt', 'w')"], inputs: [a.txt], outputs: [c.txt]}
        """
    )
    assert project.states(jobs=1) == {"a": "failed", "b": "not-run", "c": "not-run"}
    assert project.states(jobs=1, keep_going=True) == {"a": "failed", "b": "ran", "c": "not-run"}


def test_a_stage_that_writes_no_output_has_failed(project):
    project.stages(one("", "[made, other]"))
    project.write(make_dot_py="import os; os.symlink('/etc/passwd', 'made')")
    report = project.repro()
    (stage,) = report.stages
    assert (stage.state, report.exit_code) == ("failed", ExitCode.USER)
    assert stage.error
    assert stage.error.why == ("`made` is a link, and a file or a folder is expected", "`other` is not there")
    assert project.runs()[0].record.outcome == "failed"
    assert not os.path.lexists(project.folder / "made")


def test_metrics_that_do_not_parse_are_noted(project):
    project.stages("make: {run: python make.py, metrics: [m.json]}")
    project.write(make_dot_py="open('m.json', 'w').write('{')")
    assert project.states() == {"make": "ran"}
    assert any("m.json" in note for note in project.runs()[0].record.notes)


def test_a_module_that_is_not_there_fails_in_the_log(project):
    project.stages(one("") + "\n")
    project.write(make_dot_py="import importlib; importlib.import_module('hid' + 'den')", hidden_dot_py="")
    assert project.states() == {"make": "failed"}
    assert b"No module named 'hidden'" in project.screen.shown["make"]


def test_a_program_that_is_not_in_the_image_is_told(project):
    project.stages("make: {run: no-such-program, outputs: [made.txt]}")
    assert project.states() == {"make": "failed"}
    assert project.runs()[0].record.exit_code == 127
    assert b"is not in the image" in project.screen.shown["make"]


def test_stages_run_beside_each_other_where_they_find_room(project):
    project.stages(
        """\
        a: {run: python wait.py, outputs: [one]}
        b: {run: python wait.py, outputs: [two]}
        """
    )
    project.write(wait_dot_py="import signal\nsignal.alarm(100)\nprint('up', flush=True)\nsignal.pause()")
    repro, met = project.make(), set()

    def printed(name, data):
        met.add(name)
        if len(met) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    project.screen.printed = printed
    assert [stage.state for stage in repro.run().stages] == ["killed", "killed"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_stage_is_killed_and_the_next_repro_resumes_at_it(two, number):
    two.write(train_dot_py="import signal\nprint('up', flush=True)\nsignal.pause()")
    repro = two.make()
    screen, shown = two.screen, two.screen.printed

    def printed(name, data):
        shown(name, data)
        if b"up" in screen.shown.get("train", b""):
            os.kill(os.getpid(), number)

    screen.printed = printed
    report = repro.run()
    assert [stage.state for stage in report.stages] == ["ran", "killed"]
    assert report.exit_code == 128 + number
    assert two.runs()[-1].record.state == "killed"
    screen.printed = shown
    two.write(train_dot_py=TRAIN)
    assert two.states() == {"clean": "current", "train": "ran"}


def test_the_second_interrupt_kills(project):
    project.stages(one(""))
    project.write(
        make_dot_py="""\
        import signal
        signal.signal(2, signal.SIG_IGN)
        print("up", flush=True)
        signal.pause()
        """
    )
    repro, say = project.make(), project.screen.say

    def said(text):
        say(text)
        if text.startswith("interrupted"):
            os.kill(os.getpid(), signal.SIGINT)

    def printed(name, data):
        os.kill(os.getpid(), signal.SIGINT)

    project.screen.say, project.screen.printed = said, printed
    assert [stage.state for stage in repro.run().stages] == ["killed"]


def test_a_killed_child_is_a_killed_run_and_no_success(project):
    project.stages(one(""))
    project.write(make_dot_py="import signal\nprint('up', flush=True)\nsignal.pause()")
    repro = project.make()

    def printed(name, data):
        (child,) = repro._children._children.values()
        os.kill(child.process, signal.SIGKILL)

    project.screen.printed = printed
    report = repro.run()
    assert (report.stages[0].state, report.exit_code) == ("killed", ExitCode.USER)
    assert project.runs()[0].record.state == "killed"


def test_an_input_that_changes_while_it_is_read_makes_no_result(project):
    project.stages(one("", "[made.txt]", ", inputs: [raw.txt]"))
    project.write(
        raw_dot_txt="1",
        make_dot_py="""\
        print("up", flush=True)
        while open("raw.txt").read() == "1":
            pass
        open("made.txt", "w")
        """,
    )
    repro = project.make()

    def printed(name, data):
        project.write(raw_dot_txt="another")

    project.screen.printed = printed
    (stage,) = repro.run().stages
    assert stage.state == "failed"
    assert "changed while it ran" in str(stage.error)


def test_a_clock_that_goes_back_is_noted_and_the_duration_is_right(project):
    project.stages(one(""))
    project.write(make_dot_py="open('made.txt', 'w')")
    later = datetime.now(UTC) + timedelta(days=1)
    project.clock = (later, later)
    assert project.states() == {"make": "ran"}
    record = project.runs()[0].record
    assert any("went back" in note for note in record.notes)
    assert 0 <= (record.duration or 0) < 60


def test_other_bytes_of_a_deterministic_stage_are_told(project):
    project.stages(one("", "[made.txt]", ", deterministic: true"))
    project.write(make_dot_py="import os; open('made.txt', 'wb').write(os.urandom(8))")
    project.repro()
    project.repro(force=frozenset(["make"]))
    notes = [note for run in project.runs() for note in run.record.notes]
    assert any("declared `deterministic`" in note for note in notes)


def test_what_was_changed_by_hand_is_put_aside(project):
    project.stages(one(""))
    project.write(make_dot_py="open('made.txt', 'w').write('made')")
    project.repro()
    os.chmod(project.folder / "made.txt", 0o644)
    project.write(made_dot_txt="by hand")
    assert project.states() == {"make": "restored"}
    assert project.read("made.txt") == "made"
    assert project.read("made.txt.changed-1") == "by hand"


CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: numbers
version: 1.0.0
status: active
schema:
  - name: numbers
    properties:
      - {name: x, logicalType: integer, required: true, logicalTypeOptions: {maximum: LIMIT}}
"""


def test_outputs_that_break_their_contract_are_not_kept(project):
    project.stages(one("", "[numbers.csv]", ", contracts: {numbers.csv: contract.yaml}"))
    project.write(make_dot_py="open('numbers.csv', 'w').write('x\\n1\\n50\\n')")
    project.write_at("contract.yaml", CONTRACT.replace("LIMIT", "10"))
    report = project.repro()
    assert report.exit_code == ExitCode.CHECK_FAILED
    assert isinstance(report.stages[0].error, CheckFailedError)
    assert not (project.folder / "numbers.csv").exists()
    assert project.runs()[0].record.outcome == "failed"
    project.write_at("contract.yaml", CONTRACT.replace("LIMIT", "100"))
    assert project.states() == {"make": "ran"}
    project.write_at("contract.yaml", CONTRACT.replace("LIMIT", "200"))
    assert project.states() == {"make": "restored"}  # held to it, not run
    project.write_at("contract.yaml", CONTRACT.replace("LIMIT", "20"))
    assert project.repro().exit_code == ExitCode.CHECK_FAILED
    assert project.states(no_check=True) == {"make": "restored"}


def test_inputs_that_break_their_contract_stop_a_stage_before_it_runs(project):
    project.stages(one("", "[made.txt]", ", inputs: [numbers.csv], contracts: {numbers.csv: contract.yaml}"))
    project.write(numbers_dot_csv="x\n50\n", make_dot_py="print('never')")
    project.write_at("contract.yaml", CONTRACT.replace("LIMIT", "10"))
    assert project.repro().exit_code == ExitCode.CHECK_FAILED
    assert project.screen.shown == {}
    project.write(make_dot_py="open('made.txt', 'w')")
    assert project.states(no_check=True) == {"make": "ran"}
    assert project.runs()[-1].record.checks is None or project.circumstances.no_check is False


def test_large_outputs_are_links_that_nobody_writes_to(project):
    project.stages(one("", "[big]"))
    project.write(make_dot_py="open('big', 'wb').write(bytes(2 << 20))")
    project.repro()
    assert not (project.folder / "big").stat().st_mode & stat.S_IWUSR
