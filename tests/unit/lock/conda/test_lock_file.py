from __future__ import annotations

import getpass
import re
import string
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.errors import EnvbuildError
from builder.lock.artifact import CondaPackage, Wheel
from builder.lock.conda.lock_file import read_conda_lock, write_conda_lock
from builder.lock.conda.lock_lines import LinesRefusedError, packages_of_lines
from builder.lock.interface import CondaSources
from builder.oci.digest import Digest
from builder.oci.documents import Platform

AMD, ARM = Platform("amd64"), Platform("arm64")
DOCUMENT = b"channels: [conda-forge]\ndependencies:\n  - python 3.11.*\n  - numpy\n"


def package(name: str, version: str = "1.0", *depends: str, subdir: str = "noarch", build: str = "0") -> CondaPackage:
    channel = "https://conda.anaconda.org/conda-forge"
    url = f"{channel}/{subdir}/{name}-{version}-{build}.conda"
    digest = Digest.of(url.encode())
    names = tuple(text.partition(" ")[0] for text in depends)
    return CondaPackage(name, version, build, subdir, digest, digest.hex[:32], 0, url, channel, depends, names)


PYTHON = {
    platform: package("python", "3.11.2", "__glibc >=2.17,<3.0.a0", subdir=subdir, build="h1_0_cpython")
    for platform, subdir in ((AMD, "linux-64"), (ARM, "linux-aarch64"))
}
SOURCES = CondaSources(("conda-forge",), document=DOCUMENT, source="environment.yml")


def packages(platform: Platform) -> tuple[CondaPackage, ...]:
    """Sorted by name; dependencies are those that are there."""
    from dataclasses import replace

    return (package("numpy", "1.26.4", "python >=3.11,<3.12.0a0"), replace(PYTHON[platform], dependencies=()))


LOCKED = {platform: packages(platform) for platform in (AMD, ARM)}
WHEEL = Wheel(
    "idna", "3.4", "idna-3.4-py3-none-any.whl", Digest("1" * 64), 9, "https://h/idna-3.4-py3-none-any.whl", ("x",)
)


@pytest.fixture(scope="module")
def written() -> bytes:
    return write_conda_lock(SOURCES, LOCKED, {AMD: (WHEEL,), ARM: ()})


def test_what_is_written_is_read_again(written: bytes) -> None:
    assert read_conda_lock(written, "conda-lock.yml") == LOCKED


def test_it_has_the_form_that_conda_lock_reads(written: bytes, tmp_path: Any) -> None:
    from conda_lock.lockfile import parse_conda_lock_file

    (tmp_path / "conda-lock.yml").write_bytes(written)
    lock = parse_conda_lock_file(tmp_path / "conda-lock.yml")
    assert {(entry.manager, entry.name, entry.platform) for entry in lock.package} == {
        ("conda", "numpy", "linux-64"), ("conda", "numpy", "linux-aarch64"), ("conda", "python", "linux-64"),
        ("conda", "python", "linux-aarch64"), ("pip", "idna", "linux-64"),
    }  # fmt: skip
    assert lock.metadata.sources == ["../environment.yml"]
    assert lock.metadata.platforms == ["linux-64", "linux-aarch64"]


def test_equal_packages_give_equal_bytes_that_know_nothing_of_the_machine(written: bytes) -> None:
    reversed_order = dict(reversed(LOCKED.items()))
    assert write_conda_lock(SOURCES, reversed_order, {ARM: (), AMD: (WHEEL,)}) == written
    metadata = yaml.safe_load(written)["metadata"]
    assert metadata.keys() == {"content_hash", "channels", "platforms", "sources"}
    assert not re.search(rb"\d{4}-\d\d-\d\d", written)
    assert getpass.getuser().encode() not in written.replace(b"root", b"") or getpass.getuser() == "root"
    assert b"/tmp" not in written


def test_a_wheel_that_was_built_is_not_among_those_that_others_can_have() -> None:
    from dataclasses import replace

    data = write_conda_lock(SOURCES, LOCKED, {AMD: (replace(WHEEL, url=""),)})
    assert b"idna" not in data


def test_a_file_that_conda_lock_cannot_read_gets_a_hash_of_its_own() -> None:
    def hashes(document: bytes, entries: list[str]) -> Any:
        sources = CondaSources(("a",), document=document, inputs={"environment.yml": entries})
        return yaml.safe_load(write_conda_lock(sources, LOCKED, {}))["metadata"]["content_hash"]

    strange = b"channels: [a]\ndependencies:\n  - python\n  - pip:\n    - -r more.txt\n"
    first, second = hashes(strange, ["python"]), hashes(strange, ["python", "more"])
    assert first.keys() == {"linux-64", "linux-aarch64"}
    assert first != second
    assert hashes(b"", ["python"]) == first


@pytest.mark.parametrize(
    "change",
    [
        (b"    sha256: ", b"    sha512: "),
        (b"  version: 3.11.2", b"  version: 3.11.3"),
        (b"  platform: linux-64", b"  platform: osx-64"),
        (b"  url: https://conda.anaconda.org/conda-forge/noarch/", b"  url: https://conda.anaconda.org/conda-forge/"),
        (b"  url: https", b"  url: ftp"),
        (b"- name: numpy", b"- name: ../numpy"),
        (b"- name: numpy", b"- name: python"),
        (b"package:", b"packages:"),
        (b"  hash:", b"  hash: x\n  more:"),
        (b"  hash:", b"  hash: &a [*a]\n  more:"),
        (b"package:", b"package: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[["),
        (b"version: 1\n", b"version: 1\n\xff"),
    ],
)
def test_a_changed_file_is_one_clean_error(written: bytes, change: tuple[bytes, bytes]) -> None:
    data = written.replace(*change)
    assert data != written
    with pytest.raises(EnvbuildError, match=r"conda-lock\.yml"):
        read_conda_lock(data, "conda-lock.yml")


TEXT = st.text(string.ascii_letters + string.digits + " '\"<>=,.*|!:#{}[]&%@-_~/\\\n\té", min_size=1, max_size=120)


@given(
    st.lists(
        st.fixed_dictionaries({
            "name": TEXT, "version": TEXT, "dependencies": st.dictionaries(TEXT, TEXT, max_size=3),
            "hash": st.fixed_dictionaries({"md5": TEXT}), "optional": st.booleans(),
        }),
        min_size=1, max_size=3,
    )
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_reading_by_lines_gives_what_yaml_says_or_refuses(entries: list[dict[str, Any]]) -> None:
    text = yaml.dump({"version": 1, "package": entries}, sort_keys=False)
    try:
        found = packages_of_lines("\n" + text if text.startswith("package") else text)
    except LinesRefusedError:
        return
    assert found == entries


@pytest.mark.parametrize(
    "value", ["1.0", "1", "3_000", "0x1f", "1e5", "yes", "null", "~", "2024-01-01", "1:30", ".5", "on", "y"]
)
def test_what_yaml_takes_for_no_text_is_not_read_by_lines(value: str) -> None:
    text = f"version: 1\npackage:\n- name: {value}\n"
    with pytest.raises(LinesRefusedError):
        packages_of_lines(text)
    assert packages_of_lines(text.replace(value, f"'{value}'")) == [{"name": value}]


def test_the_usual_layout_is_read_by_lines(written: bytes) -> None:
    assert packages_of_lines(written.decode()) == yaml.safe_load(written)["package"]
