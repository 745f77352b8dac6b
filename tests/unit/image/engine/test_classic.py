"""What Docker Engine tells of a build becomes steps, an image's id, or an error that says which step failed."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from builder.errors import EnvbuildError
from builder.image.engine.classic import ClassicEngine
from builder.image.engine.interface import BuildRequest
from builder.oci.documents import Platform

from .conftest import MADE, Engine, events

START = [
    {"stream": "Step 1/2 : FROM base"},
    {"stream": "\n"},
    {"stream": " ---> aaaaaaaaaaaa\n"},
    {"stream": "Step 2/2 : RUN install"},
    {"stream": "\n"},
    {"stream": " ---> Running in cccccccccccc\n"},
    {"stream": "\x1b[91mhalf a "},
    {"stream": "line\n\x1b[0m"},
]
GOOD = [*START, {"stream": " ---> bbbbbbbbbbbb\n"}, {"aux": {"ID": MADE}}, {"stream": "Successfully built b\n"}]
FAILED = {"errorDetail": {"code": 7, "message": "The command returned"}, "error": "The command returned"}


@pytest.fixture
def request_(tmp_path: Path) -> BuildRequest:
    (tmp_path / "Dockerfile").write_text("FROM base\n")
    return BuildRequest(tmp_path, "a:1", Platform("amd64"), {"NAME": "value"})


def test_steps_and_lines_are_told_and_the_id_is_returned(request_, seen):
    engine = Engine(events(*GOOD))
    assert ClassicEngine(engine).build(request_, seen) == MADE
    assert seen.steps == ["1/2 FROM base", "2/2 RUN install"]
    assert seen.lines == ["half a line"]
    assert engine.discarded == []


def test_no_step_has_a_network_and_no_credentials_of_proxies_are_sent(request_, seen):
    engine = Engine(events(*GOOD))
    ClassicEngine(engine).build(request_, seen)
    assert (engine.options["network_mode"], engine.options["use_config_proxy"]) == ("none", False)
    assert (engine.options["platform"], engine.options["buildargs"]) == ("linux/amd64", {"NAME": "value"})
    with tarfile.open(fileobj=io.BytesIO(engine.context)) as archive:
        assert archive.getnames() == ["Dockerfile"]


def test_an_answer_is_understood_however_it_is_cut(request_, seen):
    data = b"".join(events(*GOOD))
    engine = Engine([data[position : position + 7] for position in range(0, len(data), 7)])
    assert ClassicEngine(engine).build(request_, seen) == MADE
    assert seen.lines == ["half a line"]


def test_a_step_that_fails_is_named_with_its_code_and_last_lines(request_, seen):
    with pytest.raises(EnvbuildError) as caught:
        ClassicEngine(Engine(events(*START, FAILED))).build(request_, seen)
    assert caught.value.what == "the build failed in the step `2/2 RUN install`"
    assert caught.value.why == ("its command exited with 7", "its last lines are:\nhalf a line")


def test_a_base_that_cannot_be_had_is_told_with_the_option_that_names_another(request_, seen):
    answer = events({"stream": "Step 1/2 : FROM base\n"}, {"error": "pull access denied"})
    with pytest.raises(EnvbuildError) as caught:
        ClassicEngine(Engine(answer)).build(request_, seen)
    assert caught.value.hint is not None
    assert "`--base`" in caught.value.hint


def test_what_a_failed_build_made_is_removed_and_what_was_there_or_pulled_stays(request_, seen):
    made = [{"stream": f" ---> {digit * 12}\n"} for digit in "def"]
    engine = Engine(events(*START, *made, FAILED), present=frozenset({"sha256:" + "e" * 64}))
    with pytest.raises(EnvbuildError):
        ClassicEngine(engine).build(request_, seen)
    assert engine.discarded == ["f" * 12, "d" * 12]


def test_an_interrupted_build_leaves_nothing_either(request_, seen):
    def interrupted():
        yield from events(*START, {"stream": f" ---> {'d' * 12}\n"})
        raise KeyboardInterrupt

    engine = Engine(busy=2)
    engine.answer = interrupted()
    with pytest.raises(KeyboardInterrupt):
        ClassicEngine(engine).build(request_, seen)
    assert engine.discarded == ["d" * 12]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([b"x" * (2 << 20)], "a line of it has no end"),
        ([b"not json\n"], "it is not JSON"),
        ([b"[" * 100_000 + b"\n"], "it is not JSON"),
        (events({"stream": "done\n"}), "not a digest"),
        (events({"aux": {"ID": "../../etc"}}), "not a digest"),
        (events({"aux": {"ID": ["sha256:"]}}), "not a digest"),
        (events([], 7, "text", {"aux": 3}), "not a digest"),
        (['{"message": "the daemon refuses"}'], "the daemon refuses"),
        ([], "not a digest"),
    ],
    ids=["endless", "no-json", "deep", "no-id", "path", "list", "other-values", "refusal", "nothing"],
)
def test_an_answer_that_is_not_to_be_trusted_is_an_error(request_, seen, answer, message):
    with pytest.raises(EnvbuildError) as caught:
        ClassicEngine(Engine(answer)).build(request_, seen)
    assert message in str(caught.value)


def test_what_an_error_keeps_of_the_output_is_bounded(request_, seen):
    flood = [{"stream": f"{number} {'x' * 10_000}\n"} for number in range(200)]
    with pytest.raises(EnvbuildError) as caught:
        ClassicEngine(Engine(events(*START, *flood, FAILED))).build(request_, seen)
    assert len(str(caught.value)) < 20_000
    assert "\n199 x" in str(caught.value)


def test_where_the_image_that_links_conda_packages_is_missing_no_other_base_is_asked_for(request_, seen):
    engine = Engine(events({"stream": "Step 1/2 : FROM ${LINKER} AS conda"}, {"stream": "\n"}, FAILED))
    with pytest.raises(EnvbuildError) as caught:
        ClassicEngine(engine).build(request_, seen)
    assert "`--build-arg LINKER=" in (caught.value.hint or "")
    assert "--base" not in (caught.value.hint or "")
