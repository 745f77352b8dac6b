from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st
from packaging.pylock import Pylock

from builder.errors import EnvbuildError
from builder.lock.artifact import Build, DebianPackage, Sdist, Wheel
from builder.lock.pypi.pylock import read_pylock, write_pylock
from builder.oci.digest import Digest


def wheel(name: str, version: str = "1.0", **more: Any) -> Wheel:
    file = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    return Wheel(name, version, file, Digest.of(file.encode()), 1000, f"https://x.example/{file}", **more)


def deb(name: str) -> DebianPackage:
    return DebianPackage(
        name, "1:2.0", "amd64", Digest.of(name.encode()), 5, (f"http://d.example/{name}.deb",), ("libc6",)
    )


REPOSITORY = "https://git.example/team/app.git"
SDIST = Sdist(
    "app", "1.0", "app-1.0.tar.gz", Digest.of(b"sdist"), 500, "https://x.example/app-1.0.tar.gz", ("lib",), "MIT"
)
COMMIT = replace(SDIST, file_name="app-1.0.tar", url=f"git+{REPOSITORY}@" + "a" * 40, subdirectory="sub")
FOLDER = replace(SDIST, subdirectory="python", license="", dependencies=())
BRANCH = replace(SDIST, file_name="v1.0.zip", url="https://x.example/archive/v1.0.zip")
HASHES = {"sha256": SDIST.digest.hex}
SETUPTOOLS = wheel("setuptools", "70.0", dependencies=("wheel",), license="MIT")


def built(sdist: Sdist) -> Wheel:
    made = wheel("app", dependencies=("lib",), license="BSD-3-Clause")
    return replace(made, url="", built=Build(sdist, (SETUPTOOLS, wheel("wheel")), (deb("gcc-12"), deb("make"))))


def document(*wheels: Wheel) -> dict[str, Any]:
    return tomllib.loads(write_pylock(wheels, "3.11.2", "x86_64").decode())


names = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)


@given(
    st.lists(
        st.builds(
            wheel,
            names,
            dependencies=st.lists(names, max_size=3).map(lambda found: tuple(sorted({*found}))),
            license=st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20),
        ),
        max_size=4,
        unique_by=lambda found: found.name,
    )
)
def test_every_field_comes_back(wheels: list[Wheel]) -> None:
    assert read_pylock(write_pylock(wheels, "3.11.2", "aarch64"), "x") == tuple(sorted(wheels))


@pytest.mark.parametrize("sdist", [SDIST, COMMIT, FOLDER, BRANCH])
def test_what_a_wheel_was_built_of_comes_back(sdist: Sdist) -> None:
    found = (built(sdist), wheel("lib"))
    data = write_pylock(found, "3.11.2", "x86_64")
    assert read_pylock(data, "x") == found
    assert data == write_pylock(reversed(found), "3.11.2", "x86_64")


@pytest.mark.parametrize(
    ("sdist", "expected"),
    [
        (SDIST, {"sdist": {"name": SDIST.file_name, "url": SDIST.url, "size": 500, "hashes": HASHES}}),
        (COMMIT, {"vcs": {"type": "git", "url": REPOSITORY, "commit-id": "a" * 40, "subdirectory": "sub"}}),
        (FOLDER, {"archive": {"url": SDIST.url, "size": 500, "subdirectory": "python", "hashes": HASHES}}),
        (BRANCH, {"archive": {"url": BRANCH.url, "size": 500, "hashes": HASHES}}),
    ],
)  # fmt: skip
def test_other_installers_find_the_source_of_a_built_wheel(sdist: Sdist, expected: dict[str, Any]) -> None:
    found = document(built(sdist), wheel("lib"))
    package = found["packages"][0]
    assert {key: package[key] for key in expected} == expected
    assert "wheels" not in package
    Pylock.from_dict(found).validate()


def test_dependencies_are_where_the_standard_has_them() -> None:
    found = document(wheel("app", dependencies=("lib-one", "lib-two")), wheel("lib-one"), wheel("lib-two"))
    assert found["packages"][0]["dependencies"] == [{"name": "lib-one"}, {"name": "lib-two"}]
    assert "dependencies" not in found["packages"][1]


def test_each_value_has_a_line_of_its_own() -> None:
    few = write_pylock([wheel("app", dependencies=("a", "b"))], "3.11.2", "x86_64").decode().splitlines()
    more = write_pylock([wheel("app", dependencies=("a", "b", "c" * 40))], "3.11.2", "x86_64").decode().splitlines()
    assert [line for line in few if line not in more] == []
    assert len(more) - len(few) == 1


def test_a_debian_package_stands_once_for_many_builds() -> None:
    other = replace(built(replace(SDIST, name="other")), name="other", file_name="other-1.0-py3-none-any.whl")
    found = document(built(SDIST), other)
    assert [package["name"] for package in found["tool"]["envbuild"]["debian"]] == ["gcc-12", "make"]
    assert "tool" not in document(wheel("app"))


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found["packages"][0]["tool"]["envbuild"].pop("source"),
        lambda found: found["packages"][0]["tool"]["envbuild"]["wheel"].pop("hashes"),
        lambda found: found["packages"][0]["tool"]["envbuild"]["built-beside"].append("x " + "0" * 64),
        lambda found: found["packages"][0]["tool"]["envbuild"]["built-with"].append(3),
        lambda found: found["packages"][0].update(tool=3),
        lambda found: found.update(tool={"envbuild": {"debian": [{}]}}),
    ],
)
def test_a_build_of_another_form_is_refused(change: Any) -> None:
    found = document(built(SDIST))
    change(found)
    with pytest.raises(EnvbuildError, match=r"p\.toml"):
        read_pylock(tomli_w.dumps(found).encode(), "p.toml")


@pytest.mark.parametrize("name", ["../../x.whl", "/home/me/.bash_profile", "a\\b.whl", "a\n.whl", "", ".whl", "x.pth"])
def test_no_file_of_a_lock_has_a_name_that_leaves_a_folder(name: str) -> None:
    found = document(wheel("app"))
    found["packages"][0]["wheels"][0]["name"] = name
    with pytest.raises(EnvbuildError, match=r"p\.toml"):
        read_pylock(tomli_w.dumps(found).encode(), "p.toml")
    found = document(built(SDIST))
    found["packages"][0]["tool"]["envbuild"]["built-with"][0]["file"]["name"] = name
    with pytest.raises(EnvbuildError, match=r"p\.toml"):
        read_pylock(tomli_w.dumps(found).encode(), "p.toml")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "app --index-url=http://evil.example"),
        ("name", "-r/etc/passwd"),
        ("name", "app\n-r /etc/passwd"),
        ("name", ""),
        ("version", "1.0 --hash=sha256:00"),
        ("version", "1.0\n-e ."),
        ("version", "../1"),
    ],
)
def test_no_package_of_a_lock_is_an_option_of_a_requirements_file(key: str, value: str) -> None:
    found = document(wheel("app"))
    found["packages"][0][key] = value
    with pytest.raises(EnvbuildError, match=r"p\.toml"):
        read_pylock(tomli_w.dumps(found).encode(), "p.toml")


@pytest.mark.parametrize("name", ["../x.tar.gz", "..", "a\x1b.tar.gz"])
def test_no_source_of_a_lock_has_a_name_that_leaves_a_folder(name: str) -> None:
    with pytest.raises(EnvbuildError, match=r"p\.toml"):
        read_pylock(write_pylock([built(replace(SDIST, file_name=name))], "3.11", "x86_64"), "p.toml")
