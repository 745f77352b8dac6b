"""Rendered Dockerfiles: what they install and how, and that no text in them is taken for an instruction."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from made_locks import AMD64, ARM64, made_wheel
from made_plans import BASE, KINDS, OF_BASE, OF_CONDA, made_conda, made_lock, made_plans, other_base

from builder.errors import EnvbuildError
from builder.image.config import bundle_config, environment_config
from builder.image.dockerfile import Addition, Context, render
from builder.layers.files import FileEntry
from builder.oci.digest import Digest

INSTRUCTIONS = {
    "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "LABEL", "RUN", "STOPSIGNAL", "USER", "WORKDIR",
}  # fmt: skip
HOSTILE = 'x"\nRUN touch /injected\n\\"$HOME`id`\r\nUSER 0 \x1b[31m\u2028end\\'
ADDITION = Addition(
    (FileEntry("weights.bin", b"w"),),
    (FileEntry("src/train.py", b"pass", mode=0o755),),
    (FileEntry("launcher.py", b"#"), FileEntry("lock/envbuild.lock.json", b"{}")),
    {"org.opencontainers.image.title": "made", "org.opencontainers.image.description": 'It\'s "made" for $5'},
    {"PYTHONPATH": "/app"},
    (8080,),
)
BOTH = (AMD64, ARM64)


def dockerfile(context: Context) -> str:
    return context.texts["Dockerfile"].decode()


def instructions(text: str) -> list[str]:
    """The instructions of a Dockerfile, as its reference says how lines are read: each on one line."""
    found, open_ = [], False
    for line in text.split("\n"):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        continued = line.rstrip().endswith("\\")
        part = line.rstrip().removesuffix("\\") if continued else line
        found[-1:] = [found[-1] + part] if open_ else [*found[-1:], part]
        open_ = continued
    return found


def of(text: str, *kinds: str) -> list[str]:
    return [line for line in instructions(text) if line.split()[0] in kinds]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("addition", [None, ADDITION], ids=["environment", "project"])
@pytest.mark.parametrize("platforms", [[AMD64], BOTH], ids=["one", "both"])
def test_hadolint_has_nothing_to_say(kind: str, addition: Addition | None, platforms: list) -> None:
    program = Path(sys.executable).with_name("hadolint")
    if not program.exists() and not os.environ.get("CI"):
        pytest.skip("hadolint is not installed")
    text = dockerfile(render("made:1.0", made_plans(KINDS[kind], platforms), addition))
    line = [program, "--no-color", "--failure-threshold", "style", "-"]
    done = subprocess.run(line, input=text, capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_dockerfile_works_with_both_builders(kind: str) -> None:
    text = dockerfile(render("made:1.0", made_plans(KINDS[kind], BOTH), ADDITION))
    assert {line.split()[0] for line in instructions(text)} <= INSTRUCTIONS
    assert not any("--mount" in line or "<<" in line for line in instructions(text))
    assert not re.search(r"^#\s*(syntax|escape|check)\s*=", text, re.MULTILINE)
    assert "\n\n\n" not in text


@pytest.mark.parametrize("kind", KINDS)
def test_no_step_uses_the_network(kind: str) -> None:
    steps = of(dockerfile(render("made:1.0", made_plans(KINDS[kind], BOTH))), "RUN", "ADD")
    joined = "\n".join(steps)
    assert not re.search(r"curl|wget|https?:|apt-get update|git ", joined)
    for step in steps:
        if "pip" in step and " install " in step and "apt-get" not in step:
            assert {"--no-index", "--require-hashes", "--no-deps"} <= set(step.split())


@pytest.mark.parametrize("kind", KINDS)
def test_every_copied_folder_is_in_the_context_and_sent(kind: str) -> None:
    context = render("made:1.0", made_plans(KINDS[kind], BOTH), ADDITION)
    copied = [line.split()[1] for line in of(dockerfile(context), "COPY") if "--from" not in line]
    ignore = context.texts[".dockerignore"].decode().split()
    paths = [*context.texts, *(one.path for one in context.vendored), *(entry.path for entry in context.files)]
    for place in copied:
        for folder in {place.replace("${ARCH}", name) for name in ("amd64", "arm64")}:
            assert any(path.startswith(folder) for path in paths)
            assert f"!{folder.split('/')[0]}" in ignore
    sent = tuple(line[1:] + "/" for line in ignore if line.startswith("!"))
    unsent = {path for path in paths if not path.startswith(sent)}
    assert unsent == {"Dockerfile", ".dockerignore", "context.json", "fetch.sh"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_is_checked_by_its_hash(kind: str) -> None:
    context = render("made:1.0", made_plans(KINDS[kind], BOTH))
    listed = {}
    for path, data in context.texts.items():
        folder, _, name = path.rpartition("/")
        if name == "SHA256SUMS":
            lines = (line.split("  ") for line in data.decode().splitlines())
            listed |= {f"{folder}/{file}": digest for digest, file in lines}
    hashed = {match for data in context.texts.values() for match in re.findall(rb"--hash=sha256:([0-9a-f]{64})", data)}
    for one in context.vendored:
        digest = one.source.digest.hex
        assert listed.get(one.path) == digest or ("/wheels/" in one.path and digest.encode() in hashed)
    steps = " ".join(of(dockerfile(context), "RUN"))
    assert steps.count("sha256sum --check") == len({path.split("/")[-2] for path in listed})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("addition", [None, ADDITION], ids=["environment", "project"])
def test_the_image_says_of_itself_what_the_native_one_does(kind: str, addition: Addition | None) -> None:
    [plan] = made_plans(KINDS[kind])
    text = dockerfile(render("made:1.0", [plan], addition))
    wanted = environment_config(plan, ())
    if addition:
        wanted = bundle_config(wanted, (), addition.labels, addition.variables, addition.ports)
    last = text[text.rindex("\nFROM ") :]
    said = {line.split()[0]: line.split(maxsplit=1)[1] for line in of(last, "USER", "WORKDIR", "ENTRYPOINT", "CMD")}
    assert said["USER"] == wanted.user
    assert said["WORKDIR"] == wanted.working_dir
    assert tuple(json.loads(said["ENTRYPOINT"])) == wanted.entrypoint
    assert tuple(json.loads(said["CMD"])) == wanted.cmd
    ports = [line.split()[1] for line in of(last, "EXPOSE")]
    assert {*ports, *(plan.base.settings.ports if plan.base else ())} == {*wanted.exposed_ports}
    given = dict(entry.split("=", 1) for entry in (plan.base.environment if plan.base else ()))
    assert {**given, **words_of(last, "ENV")} == {
        **dict.fromkeys(given, ""),
        **dict(entry.split("=", 1) for entry in wanted.env),
    }


def words_of(text: str, kind: str) -> dict[str, str]:
    """The pairs that an instruction gives, read as Docker's word parser does."""
    found = {}
    for line in of(text, kind):
        for name, value in re.findall(r'([\w.-]+(?:/[\w.-]+)*)="((?:[^"\\]|\\.)*)"', line):
            found[name] = re.sub(r"\\(.)", r"\1", value)
    return found


def test_what_a_base_says_of_itself_alone_is_taken_back() -> None:
    text = dockerfile(render("made:1.0", made_plans(KINDS["base"])))
    assert words_of(text, "ENV")["PYTHONPATH"] == ""
    assert words_of(text, "LABEL")["org.opencontainers.image.title"] == ""
    assert "team" not in words_of(text, "LABEL")
    assert "FROM ${BASE} AS system\n" in text
    assert f"ARG BASE=registry.example:5000/team/python@{BASE.manifest.digest}\n" in text
    assert list(of(text, "USER")) == ["USER 0:0", "USER 1000"]


def test_labels_are_the_native_ones() -> None:
    [plan] = made_plans(KINDS["wheels"])
    text = dockerfile(render("made:1.0", [plan], ADDITION))
    expected = bundle_config(environment_config(plan, ()), (), ADDITION.labels, {}, ()).labels
    assert words_of(text, "LABEL") == expected


def test_bases_that_differ_by_platform_need_a_dockerfile_each() -> None:
    amd64, arm64 = made_plans(KINDS["base"], BOTH)
    with pytest.raises(EnvbuildError, match="cannot stand for all platforms"):
        render("made:1.0", [amd64, other_base(arm64)])


def test_another_base_can_be_named() -> None:
    text = dockerfile(render("made:1.0", made_plans(KINDS["wheels"], BOTH), base="registry.example/debian:mine"))
    assert "ARG BASE=registry.example/debian:mine\n" in text


@pytest.mark.parametrize("base", ["a b", "x\nRUN id", "$(id)", "--platform=x y", "-x", ""])
def test_a_base_that_is_no_image_is_refused(base: str) -> None:
    if not base:
        assert "debian:bookworm-slim" in dockerfile(render("made:1.0", made_plans(KINDS["wheels"]), base=base))
        return
    with pytest.raises(EnvbuildError, match="cannot stand in a Dockerfile"):
        render("made:1.0", made_plans(KINDS["wheels"]), base=base)


def test_what_changes_often_is_copied_late() -> None:
    text = dockerfile(render("made:1.0", made_plans(KINDS["conda and wheels"]), ADDITION))
    order = ["/debian/", "/linker/", "/conda/", "/wheels/", "COPY model/", "COPY app/", "COPY bundle/", "LABEL"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_packed_data_are_copied_below_the_code_and_leave_their_folder_open() -> None:
    context = render("made:1.0", made_plans(KINDS["wheels"]), replace(ADDITION, data=(FileEntry("train", b"1"),)))
    text = dockerfile(context)
    order = ["COPY model/", "COPY data/ /data/", "RUN chmod 1777 /data", "COPY app/"]
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)
    assert "!data" in context.texts[".dockerignore"].decode().splitlines()
    assert "data/train" in [entry.path for entry in context.files]


def test_texts_do_not_depend_on_the_order_of_anything() -> None:
    lock = KINDS["conda and wheels"]
    expected = render("made:1.0", made_plans(lock, BOTH), ADDITION)
    for seed in range(3):
        chance = random.Random(seed)
        shuffled = replace(
            lock,
            wheels={one: tuple(chance.sample(found, len(found))) for one, found in lock.wheels.items()},
            conda={one: tuple(chance.sample(found, len(found))) for one, found in lock.conda.items()},
        )
        plans = made_plans(shuffled, chance.sample(BOTH, 2))
        assert render("made:1.0", plans, ADDITION) == expected
    assert list(expected.texts) == sorted(expected.texts)


def test_hostile_text_stays_text() -> None:
    labels = {"org.opencontainers.image.description": HOSTILE, "org.opencontainers.image.title": "a"}
    addition = replace(ADDITION, labels=labels, variables={"NOTE": HOSTILE})
    plans = [replace(plan, created="2026-11-15T00:00:00Z") for plan in made_plans(KINDS["wheels"])]
    plain = instructions(dockerfile(render("made:1.0", plans, ADDITION)))
    text = dockerfile(render(f"made{HOSTILE}:1.0", plans, addition))
    assert [line.split()[0] for line in instructions(text)] == [line.split()[0] for line in plain]
    assert "\x1b" not in text
    expected = "".join(character if character.isprintable() else " " for character in HOSTILE)
    assert words_of(text, "LABEL")["org.opencontainers.image.description"] == expected
    assert words_of(text, "ENV")["NOTE"] == expected


@pytest.mark.parametrize(
    "wheel",
    [
        made_wheel("x\nRUN id"),
        made_wheel("x", "1 --index-url http://evil"),
        replace(made_wheel("x"), file_name="../../x.whl"),
        replace(made_wheel("x"), file_name="x.whl\nRUN id"),
        replace(made_wheel("x"), file_name="-e.whl"),
    ],
    ids=["name", "version", "outside", "line", "option"],
)
def test_a_hostile_wheel_is_refused(wheel) -> None:
    lock = made_lock()
    with pytest.raises(EnvbuildError, match="cannot stand in a Dockerfile"):
        render("made:1.0", made_plans(replace(lock, wheels=dict.fromkeys(lock.wheels, (wheel,)))))


@pytest.mark.parametrize("field", ["name", "version", "architecture"])
def test_a_hostile_debian_package_is_refused(field: str) -> None:
    lock = made_lock()
    document = lock.document
    [first, *others] = document.platforms[AMD64].debian
    for value in ("x/../../y", "x y", "x\nRUN id", "$(id)"):
        debian = (replace(first, **{field: value}), *others)
        platforms = {**document.platforms, AMD64: replace(document.platforms[AMD64], debian=debian)}
        hostile = replace(lock, document=replace(document, platforms=platforms))
        with pytest.raises(EnvbuildError, match="cannot stand in a Dockerfile"):
            render("made:1.0", made_plans(hostile))


@pytest.mark.parametrize("name", ["../x.conda", "x.conda\nRUN", "$(id).conda", ""])
def test_a_hostile_conda_package_is_refused(name: str) -> None:
    lock = KINDS["conda"]
    package = replace(made_conda("x"), url=f"https://conda.example/{name}".replace("../", "..%2f"))
    with pytest.raises(EnvbuildError, match="cannot stand in a Dockerfile"):
        render("made:1.0", made_plans(replace(lock, conda=dict.fromkeys(lock.conda, (package,)))))


@pytest.mark.parametrize(
    "settings",
    [{"user": "a\nRUN id"}, {"user": "$X"}, {"working_directory": "/x\nRUN id"}],
    ids=["user", "variable", "folder"],
)
def test_hostile_settings_of_a_base_are_refused(settings: dict) -> None:
    base = replace(BASE, settings=replace(BASE.settings, **settings))
    with pytest.raises(EnvbuildError):
        render("made:1.0", made_plans(made_lock(OF_BASE, image=base)))


def test_two_files_of_one_name_are_refused() -> None:
    lock = made_lock()
    first = made_wheel("x")
    twin = replace(first, name="y", digest=Digest("9" * 64))
    with pytest.raises(EnvbuildError, match="two locked files"):
        render("made:1.0", made_plans(replace(lock, wheels=dict.fromkeys(lock.wheels, (first, twin)))))


def test_platforms_that_differ_in_more_than_files_need_a_dockerfile_each() -> None:
    [amd64], [arm64] = made_plans(KINDS["wheels"]), made_plans(KINDS["conda"], [ARM64])
    with pytest.raises(EnvbuildError) as caught:
        render("made:1.0", [amd64, arm64])
    assert "--platform" in str(caught.value.hint)


def test_a_python_that_pip_does_not_run_on_is_refused() -> None:
    old = replace(OF_CONDA, version="3.8.20", path="/opt/env/bin/python3.8")
    with pytest.raises(EnvbuildError, match="too old"):
        render("made:1.0", made_plans(made_lock(old, conda=True)))
    render("made:1.0", made_plans(made_lock(old, wheels=False, conda=True)))


def test_the_script_that_gets_the_files_checks_each(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(b"good")
    bad.write_bytes(b"bad")
    lock = made_lock()
    urls = {"one": (bad.as_uri(), good.as_uri()), "two": (bad.as_uri(),)}
    for name, places in urls.items():
        wheel = replace(made_wheel("idna"), digest=Digest(hashlib.sha256(b"good").hexdigest()), url=places[-1])
        context = render("made:1.0", made_plans(replace(lock, wheels=dict.fromkeys(lock.wheels, (wheel,)))))
        script = context.texts["fetch.sh"].decode()
        lines = [line for line in script.splitlines() if not line.startswith("get ") or "/wheels/" in line]
        lines = [line.replace(places[-1], " ".join(places)) for line in lines]
        folder = tmp_path / name
        folder.mkdir()
        (folder / "fetch.sh").write_text("\n".join(lines) + "\n")
        done = subprocess.run(["sh", folder / "fetch.sh"], capture_output=True, text=True)
        assert done.returncode == (0 if name == "one" else 1), done.stderr
        if name == "one":
            assert next(folder.glob("linux-amd64/wheels/*.whl")).read_bytes() == b"good"
        else:
            assert "could not be had" in done.stderr
