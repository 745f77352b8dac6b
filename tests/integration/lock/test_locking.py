from __future__ import annotations

import errno
import getpass
import json
import os
import socket
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from lock_tools import tools_with
from packaging.pylock import Pylock

from builder.errors import EnvbuildError
from builder.fetch import Fetcher, Mirrors
from builder.lock.document import LOCK_FILE
from builder.lock.folder import parse_lock
from builder.lock.interface import Line, Sources
from builder.lock.locking import Policy, lock_environment
from builder.lock.make import make_lock
from builder.lock.programs import uv_program
from builder.lock.pypi.tags import supported_tags
from builder.lock.pypi.uv import UvResolver
from builder.lock.wish import Wish
from builder.oci.documents import Platform
from builder.oci.store import Store
from builder.spec import Environment, PyPI, load_environment

ROOT = Path(__file__).parents[3]
X86, ARM = "cp311-cp311-manylinux_2_28_x86_64", "cp311-cp311-manylinux_2_28_aarch64"


@pytest.fixture
def lock_with(index: Any, debian: Any, tmp_path: Path) -> Any:
    """Locks requirements against the index, as the command does, and gives the files."""

    def lock(*requirements: str, variables: Mapping[str, str] | None = None, **fields: Any) -> dict[str, bytes]:
        environment = {**os.environ, **({"UV_INDEX_URL": index.url} if variables is None else variables)}
        store = Store(tmp_path / "store")
        store.create()
        fetcher = Fetcher(store, Mirrors.from_environment(environment))
        resolver = UvResolver(environment, uv_program(), fetcher)
        platforms = fields.pop("platforms", ("linux/amd64", "linux/arm64"))
        spec = Environment("3.11", platforms, pypi=PyPI(requirements, **fields))
        sources = Sources(tuple(Line(text, "spec") for text in requirements))
        return make_lock(Wish(spec, sources), 1, tools_with(debian=debian, python={"uv": resolver}))

    return lock


def pylock(files: dict[str, bytes], slug: str = "linux-amd64") -> Any:
    return tomllib.loads(files[f"pylock.{slug}.toml"].decode())


def pins(files: dict[str, bytes], slug: str = "linux-amd64") -> dict[str, str]:
    return {package["name"]: package["version"] for package in pylock(files, slug)["packages"]}


def test_each_platform_gets_its_own_wheels_in_sorted_order(index: Any, lock_with: Any) -> None:
    for version, tag in (("1.0", X86), ("1.0", ARM), ("1.1", X86), ("1.1", ARM)):
        index.add("native", version, "zeta", 'only-arm; platform_machine == "aarch64"', tag=tag)
    for name in ("zeta", "only-arm", "alpha"):
        index.add(name, "1.0")
    files = lock_with("native", "alpha")
    assert sorted(files) == [LOCK_FILE, "pylock.linux-amd64.toml", "pylock.linux-arm64.toml"]
    assert list(pins(files)) == ["alpha", "native", "zeta"]
    assert list(pins(files, "linux-arm64")) == ["alpha", "native", "only-arm", "zeta"]
    wheels = parse_lock(files, "x").wheels
    assert wheels[Platform("amd64")][1].file_name == f"native-1.1-{X86}.whl"
    assert wheels[Platform("arm64")][1].file_name == f"native-1.1-{ARM}.whl"


def test_pylocks_are_what_the_standard_says(index: Any, lock_with: Any) -> None:
    index.add("pure", "1.0")
    document = pylock(lock_with("pure"))
    Pylock.from_dict(document).validate()
    (wheel,) = document["packages"][0]["wheels"]
    data = index.files["pure"]["pure-1.0-py3-none-any.whl"]
    assert wheel["size"] == len(data)
    assert document["created-by"] == "envbuild"


def test_pip_installs_from_the_pylock(index: Any, lock_with: Any, tmp_path: Path) -> None:
    version = subprocess.run(
        [sys.executable, "-c", "import pip; print(pip.__version__)"], capture_output=True, text=True, check=False
    ).stdout
    if tuple(map(int, version.split(".")[:2] or [0])) < (26, 1) or sys.version_info[:2] != (3, 11):
        pytest.skip("pip 26.1 on Python 3.11 is needed")
    index.authentication = False
    index.add("pure", "1.0", "other")
    index.add("other", "2.0")
    (tmp_path / "pylock.toml").write_bytes(lock_with("pure")["pylock.linux-amd64.toml"])
    finished = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "-r", tmp_path / "pylock.toml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Would install other-2.0 pure-1.0" in finished.stdout, finished.stderr


@pytest.mark.parametrize("html", [False, True])
@pytest.mark.parametrize("pypi_layout", [False, True])
def test_no_credential_gets_into_a_lock(index: Any, lock_with: Any, html: bool, pypi_layout: bool) -> None:
    index.html, index.pypi_layout = html, pypi_layout
    index.add("pure", "1.0")
    files = lock_with("pure")
    for data in files.values():
        assert b"hunter2" not in data
        assert b"scientist" not in data
    assert pins(files) == {"pure": "1.0"}


def test_urls_of_a_mirror_of_pypi_are_written_as_pypis_own(index: Any, lock_with: Any) -> None:
    index.pypi_layout = True
    file = index.add("pure", "1.0")
    (wheel,) = pylock(lock_with("pure"))["packages"][0]["wheels"]
    assert wheel["url"] == "https://files.pythonhosted.org" + index.path("pure", file)


def test_urls_of_a_private_index_stay_its_own(index: Any, lock_with: Any) -> None:
    index.add("pure", "1.0")
    (wheel,) = pylock(lock_with("pure"))["packages"][0]["wheels"]
    assert wheel["url"] == f"http://127.0.0.1:{index.port}/files/pure/pure-1.0-py3-none-any.whl"


def test_an_index_that_tells_no_sizes_gives_the_same_lock(index: Any, lock_with: Any) -> None:
    index.add("pure", "1.0")
    first = lock_with("pure")
    index.html = True
    assert lock_with("pure") == first


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"])
def test_the_index_is_taken_from_the_usual_variables(name: str, index: Any, lock_with: Any) -> None:
    index.add("pure", "1.0")
    assert pins(lock_with("pure", variables={name: index.url})) == {"pure": "1.0"}


def test_settings_of_this_machine_do_not_change_what_is_chosen(
    index: Any, lock_with: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add("pure", "1.0")
    index.add("pure", "2.0")
    (tmp_path / "config/uv").mkdir(parents=True)
    (tmp_path / "config/uv/uv.toml").write_text('[pip]\nresolution = "lowest"\n')
    (tmp_path / "uv.toml").write_text('[pip]\nresolution = "lowest"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("RUST_LOG", "trace")
    variables = {"UV_INDEX_URL": index.url, "UV_RESOLUTION": "lowest", "UV_EXCLUDE_NEWER": "2000-01-01"}
    assert pins(lock_with("pure", variables=variables)) == {"pure": "2.0"}


def refused(lock_with: Any, *requirements: str, **fields: Any) -> EnvbuildError:
    with pytest.raises(EnvbuildError) as caught:
        lock_with(*requirements, **fields)
    text = "\n".join((caught.value.what, *caught.value.why, caught.value.hint or ""))
    assert caught.value.exit_code == 1
    assert "hunter2" not in text
    assert "/tmp" not in text
    return caught.value


def test_an_unknown_package_is_refused_with_uvs_explanation(index: Any, lock_with: Any) -> None:
    error = refused(lock_with, "nothing-like-it")
    assert "nothing-like-it" in str(error)
    assert "not found in the package registry" in str(error)


def test_a_conflict_is_refused_with_uvs_explanation(index: Any, lock_with: Any) -> None:
    index.add("one", "1.0", "shared<2")
    index.add("two", "1.0", "shared>=2")
    index.add("shared", "1.0")
    index.add("shared", "2.0")
    text = str(refused(lock_with, "one", "two"))
    assert "one" in text
    assert "two" in text
    assert "unsatisfiable" in text


def test_a_package_without_a_wheel_for_a_platform_is_refused_naming_both(index: Any, lock_with: Any) -> None:
    index.add("native", "1.0", tag=X86)
    assert pins(lock_with("native", platforms=("linux/amd64",))) == {"native": "1.0"}
    text = str(refused(lock_with, "native"))
    assert "native" in text
    assert "linux/arm64" in text


@pytest.mark.slow
def test_a_package_with_a_source_distribution_alone_is_refused(index: Any, lock_with: Any) -> None:
    index.files["source"] = {"source-1.0.tar.gz": b"x"}
    text = str(refused(lock_with, "source"))
    assert "source" in text


def test_a_wheel_for_a_newer_glibc_than_the_suites_is_refused(index: Any, lock_with: Any) -> None:
    index.add("native", "1.0", tag="cp311-cp311-manylinux_2_38_x86_64")
    refused(lock_with, "native", platforms=("linux/amd64",))


def test_wrong_credentials_are_refused_without_repeating_them(index: Any, lock_with: Any) -> None:
    index.add("pure", "1.0")
    address = index.url.replace("scientist", "hunter2-user").replace("hunter2@", "wrong-hunter2@")
    refused(lock_with, "pure", variables={"UV_INDEX_URL": address})


def test_files_newer_than_the_given_time_are_not_taken(index: Any, lock_with: Any) -> None:
    index.add("pure", "1.0")
    assert pins(lock_with("pure", exclude_newer="2026-02-01T00:00:00Z")) == {"pure": "1.0"}
    files = lock_with("pure", exclude_newer="2026-02-01T00:00:00Z")
    assert json.loads(files[LOCK_FILE])["created"] == "2026-02-01T00:00:00Z"
    refused(lock_with, "pure", exclude_newer="2025-02-01T00:00:00Z")


def test_nothing_of_the_machine_the_user_or_the_run_is_in_a_lock(index: Any, lock_with: Any, tmp_path: Path) -> None:
    index.pypi_layout = True
    index.add("pure", "1.0")
    everything = b"".join(lock_with("pure").values())
    traces = [socket.gethostname(), str(tmp_path), os.getcwd(), str(Path.home()), sys.prefix, "127.0.0.1", "/tmp"]
    if getpass.getuser() not in ("root", "lock"):
        traces.append(getpass.getuser())
    assert [trace for trace in traces if len(trace) > 2 and trace.encode() in everything] == []


SCRIPT = """
import hashlib, os, sys
from pathlib import Path
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/tests"]
import importlib.util
from builder.fetch import Fetcher, Mirrors
from builder.lock.interface import Line, Sources
from builder.lock.locking import Policy, lock_environment
from builder.lock.make import make_lock
from builder.lock.pypi.uv import UvResolver
from builder.lock.programs import uv_program
from builder.lock.wish import Wish
from builder.oci.store import Store
from builder.spec import Environment, PyPI, load_environment
from lock_tools import tools_with
spec = importlib.util.spec_from_file_location("made_up", sys.argv[2])
made_up = importlib.util.module_from_spec(spec)
sys.modules["made_up"] = made_up
spec.loader.exec_module(made_up)
os.umask(int(sys.argv[4], 8))
store = Store(Path(sys.argv[3]))
store.create()
resolver = UvResolver(os.environ, uv_program(), Fetcher(store, Mirrors.from_environment(os.environ)))
environment = Environment("3.11", pypi=PyPI(("native", "alpha", "beta")))
sources = Sources(tuple(Line(text, "spec") for text in environment.pypi.requirements))
files = make_lock(Wish(environment, sources), 1, tools_with(debian=made_up.MadeUpDebian(), python={"uv": resolver}))
for name in sorted(files):
    print(name, hashlib.sha256(files[name]).hexdigest())
"""


def test_the_same_state_gives_the_same_bytes_whatever_the_machine(index: Any, tmp_path: Path) -> None:
    for tag in (X86, ARM):
        index.add("native", "1.0", "gamma", tag=tag)
    for name in ("alpha", "beta", "gamma"):
        index.add(name, "1.0")
    settings = [
        ("/", "022", {"TZ": "UTC", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}),
        (str(tmp_path), "077", {"TZ": "Asia/Kathmandu", "LC_ALL": "POSIX", "PYTHONHASHSEED": "1"}),
        (str(ROOT), "000", {"TZ": "America/St_Johns", "LANG": "tr_TR.UTF-8", "PYTHONHASHSEED": "7", "HOME": "/"}),
    ]
    outputs = set()
    for number, (folder, umask, variables) in enumerate(settings):
        finished = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(ROOT), str(Path(__file__).with_name("conftest.py")),
             str(tmp_path / f"store{number}"), umask],
            cwd=folder, env={**os.environ, "UV_INDEX_URL": index.url, **variables}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert finished.returncode == 0, finished.stderr
        outputs.add(finished.stdout)
    assert len(outputs) == 1


def test_what_is_locked_can_be_fetched_with_the_same_settings(index: Any, lock_with: Any, tmp_path: Path) -> None:
    for layout in (False, True):
        index.pypi_layout = layout
        index.add("pure", "1.0")
        store = Store(tmp_path / f"fresh-{layout}")
        store.create()
        (wheel,) = parse_lock(lock_with("pure"), "x").wheels[Platform("amd64")]
        fetcher = Fetcher(store, Mirrors.from_environment({"UV_INDEX_URL": index.url}))
        assert fetcher.blob(wheel.source).read_bytes() == index.files["pure"]["pure-1.0-py3-none-any.whl"]


def test_supported_tags_are_those_of_the_packaging_library_on_such_a_machine() -> None:
    from packaging.tags import sys_tags

    if sys.platform != "linux" or os.uname().machine != "x86_64":
        pytest.skip("compared with the tags of Linux on x86_64 alone")
    libc, _, version = os.confstr("CS_GNU_LIBC_VERSION").partition(" ")  # type: ignore[union-attr]
    if libc != "glibc":
        pytest.skip("compared with the tags of glibc alone")
    glibc = tuple(map(int, version.split(".")))
    python = ".".join(map(str, sys.version_info[:3]))
    ours = list(map(str, supported_tags(python, "x86_64", glibc)))  # type: ignore[arg-type]
    theirs = list(map(str, sys_tags()))
    assert sorted(ours) == sorted(theirs)
    portable = [tag for tag in ours if not tag.endswith("-linux_x86_64")]
    assert portable == [tag for tag in theirs if not tag.endswith("-linux_x86_64")], "the order is the same"


def test_a_debian_package_that_there_is_not_is_told_with_its_line(tmp_path: Path) -> None:
    class Debian:
        def resolve(self, *_: object) -> Any:
            raise EnvbuildError("1 Debian package cannot be found", "there is no package `libgmop1`")

    spec = tmp_path / "environment.yaml"
    spec.write_text('python: "3.11"\ndebian:\n  - libgomp1\n  - libgmop1\nbuild-debian: [gcc]\n')
    with pytest.raises(EnvbuildError) as caught:
        lock_environment(load_environment(tmp_path), Policy(1), lambda: tools_with(debian=Debian()))
    assert caught.value.why == ("there is no package `libgmop1`", f"{spec}:4: `libgmop1`")


def test_a_folder_that_cannot_be_written_to_is_told(
    tmp_path: Path, debian: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "lock/.envbuild.lock.json-0")

    (tmp_path / "environment.yaml").write_text('python: "3.11"\n')
    monkeypatch.setattr("builder.lock.locking.write_lock", refused)
    with pytest.raises(EnvbuildError, match="the lock cannot be written to") as caught:
        lock_environment(load_environment(tmp_path), Policy(1), lambda: tools_with(debian=debian))
    assert caught.value.why == ("Permission denied",)
    assert caught.value.hint
