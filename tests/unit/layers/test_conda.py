"""How a conda package is linked into the environment's prefix, and what is refused."""

from __future__ import annotations

import bz2
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from conda_images import written
from standalone_archive import Entry, file, link

from builder.errors import EnvbuildError
from builder.layers.conda import conda_order, open_conda
from builder.layers.conda_metadata import Placeholder
from builder.layers.conda_prefix import replaced, shebang
from builder.layers.conda_scripts import entry_point_script, only_prints
from builder.layers.interface import PACKAGE_MTIME, Directory
from builder.layers.wheel_layout import WheelTarget
from builder.lock.artifact import CondaPackage
from builder.oci.digest import Digest

OLD = "/old/prefix" + "_of_the_build" * 10
TARGET = WheelTarget(python_version=(3, 12))
INDEX = {"name": "made", "version": "1.0", "build": "h_0", "build_number": 0, "depends": ["unpatched"]}
PACKAGE = CondaPackage(
    "made", "1.0", "h_0", "linux-64", Digest("a" * 64), "b" * 32, 123, "https://c.example/chan/linux-64/made-1.0-h_0.conda",
    "https://c.example/chan", ("python >=3",), ("python",),
)  # fmt: skip


def listed(path: str, **more: Any) -> dict[str, Any]:
    return {"_path": path, "path_type": "hardlink", **more}


def document(name: str, content: Any) -> Entry:
    return file(f"info/{name}", content if isinstance(content, bytes) else json.dumps(content).encode())


class Make:
    """Makes packages, and opens them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "made-1.0-h_0.conda"
        self.folder = folder

    def write(self, files: Iterable[Entry], info: Iterable[Entry], old: bool = False) -> None:
        parts = {"pkg": _tar(files), "info": _tar(info)}
        if old:
            self.path.write_bytes(bz2.compress(_tar([*files, *info])))
            return
        with zipfile.ZipFile(self.path, "w") as archive:
            archive.writestr("metadata.json", '{"conda_pkg_format_version": 2}')
            for name, data in parts.items():
                archive.writestr(f"{name}-made-1.0-h_0.tar.zst", zstandard.compress(data))

    def __call__(
        self,
        files: Iterable[Entry] = (),
        paths: Iterable[dict[str, Any]] | None = None,
        *more: Entry,
        index: dict[str, Any] | None = None,
        package: CondaPackage = PACKAGE,
        old: bool = False,
    ):
        files = list(files)
        every = [listed(info.name) for info, _ in files] if paths is None else list(paths)
        info = [document("index.json", INDEX | (index or {})), document("paths.json", {"paths": every}), *more]
        self.write(files, info, old)
        return open_conda(self.path, package, TARGET, self.folder)


def _tar(entries: Iterable[Entry]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return buffer.getvalue()


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return Make(tmp_path)


def record(files: dict[str, Any]) -> dict[str, Any]:
    return json.loads(files["opt/env/conda-meta/made-1.0-h_0.json"][1])


@pytest.mark.parametrize("old", [False, True])
def test_files_go_below_the_prefix_with_plain_modes_and_one_time(make: Make, old: bool) -> None:
    with make([file("bin/tool", b"tool", 0o775), file("lib/a.so", b"lib", 0o664)], old=old) as opened:
        found = written(opened)
        assert opened.contents().paths == tuple(found)
    assert [(path, oct(info.mode), info.mtime, info.uid) for path, (info, _) in found.items()] == [
        ("opt/env/bin/tool", "0o755", PACKAGE_MTIME, 0),
        ("opt/env/conda-meta/made-1.0-h_0.json", "0o644", PACKAGE_MTIME, 0),
        ("opt/env/lib/a.so", "0o644", PACKAGE_MTIME, 0),
    ]


def test_the_record_says_what_the_lock_says_and_nothing_of_the_machine(make: Make) -> None:
    with make([file("a", b"a")], index={"license": "MIT", "arch": None, "secret_of_the_builder": 1}) as opened:
        assert record(written(opened)) == {
            "name": "made", "version": "1.0", "build": "h_0", "build_number": 0, "license": "MIT",
            "depends": ["python >=3"], "constrains": [], "subdir": "linux-64", "md5": "b" * 32, "sha256": "a" * 64,
            "size": 123, "fn": "made-1.0-h_0.conda", "url": PACKAGE.url, "channel": PACKAGE.channel,
            "requested_specs": [], "files": ["a"],
            "paths_data": {
                "paths_version": 1, "paths": [{"_path": "a", "path_type": "hardlink", "size_in_bytes": 1}],
            },
        }  # fmt: skip


def test_prefixes_are_replaced_in_texts_and_in_strings_of_binaries(make: Make) -> None:
    text = f"#!{OLD}/bin/sh\n{OLD}/a:{OLD}\n".encode()
    binary = b"\x7fELF" + OLD.encode() + b"/lib:" + OLD.encode() + b"/share\0rest" + b"\xff" * 9
    checksum = hashlib.sha256(text).hexdigest()
    paths = [
        listed("bin/text", prefix_placeholder=OLD, file_mode="text", sha256=checksum),
        listed("lib/binary", prefix_placeholder=OLD, file_mode="binary"),
    ]
    with make([file("bin/text", text, 0o755), file("lib/binary", binary)], paths) as opened:
        found = written(opened)
    wanted = b"#!/opt/env/bin/sh\n/opt/env/a:/opt/env\n"
    assert found["opt/env/bin/text"][1] == wanted
    string = b"/opt/env/lib:/opt/env/share"
    assert (
        found["opt/env/lib/binary"][1]
        == b"\x7fELF" + string.ljust(binary.index(b"\0") - 4, b"\0") + b"\0rest" + b"\xff" * 9
    )
    assert len(found["opt/env/lib/binary"][1]) == len(binary)
    entry = record(found)["paths_data"]["paths"][0]
    assert (entry["sha256"], entry["sha256_in_prefix"]) == (checksum, hashlib.sha256(wanted).hexdigest())


def test_modules_of_a_noarch_package_go_where_python_finds_them_and_entry_points_become_scripts(make: Make) -> None:
    files = [file("site-packages/a/__init__.py"), file("python-scripts/tool", b"", 0o755), file("share/a")]
    points = document("link.json", {"noarch": {"type": "python", "entry_points": ["run = a.b:c.d"]}})
    with make(files, None, points, index={"noarch": "python"}) as opened:
        found = written(opened)
    assert sorted(found) == [
        "opt/env/bin/run",
        "opt/env/bin/tool",
        "opt/env/conda-meta/made-1.0-h_0.json",
        "opt/env/lib/python3.12/site-packages/a/__init__.py",
        "opt/env/share/a",
    ]
    assert found["opt/env/bin/run"][1].startswith(b"#!/opt/env/bin/python3.12\n")
    assert b"from a.b import c\n" in found["opt/env/bin/run"][1]
    assert oct(found["opt/env/bin/run"][0].mode) == "0o755"


def test_entry_points_of_other_packages_do_not_count(make: Make) -> None:
    points = document("link.json", {"noarch": {"type": "python", "entry_points": ["run = a:b"]}})
    with make([file("site-packages/a.py")], None, points) as opened:
        assert opened.contents().paths[-1] == "opt/env/site-packages/a.py"


def test_links_hard_links_and_empty_directories_stay(make: Make) -> None:
    files = [
        file("lib/a.so.1", b"library"),
        link("lib/a.so", "a.so.1"),
        link("lib/b.so.1", "lib/a.so.1", tarfile.LNKTYPE),
    ]
    paths = [listed(info.name) for info, _ in files] + [listed("var/empty", path_type="directory")]
    paths[1]["path_type"] = "softlink"
    with make(files, paths) as opened:
        assert opened.contents().directories == (Directory("opt/env/var/empty"),)
        found = written(opened)
    assert found["opt/env/lib/a.so"][0].linkname == "a.so.1"
    assert found["opt/env/lib/b.so.1"][0].linkname == "opt/env/lib/a.so.1"


def test_a_replaced_file_is_no_hard_link_any_more(make: Make) -> None:
    files = [file("a", OLD.encode()), link("b", "a", tarfile.LNKTYPE)]
    paths = [listed("a"), listed("b", prefix_placeholder=OLD, file_mode="text")]
    with make(files, paths) as opened:
        found = written(opened)
    assert (found["opt/env/a"][1], found["opt/env/b"][1]) == (OLD.encode(), b"/opt/env")


def test_bytecode_is_left_out_of_the_files_and_of_the_record(make: Make) -> None:
    with make([file("lib/a.py"), file("lib/__pycache__/a.cpython-312.pyc", b"x")]) as opened:
        found = written(opened)
    assert [path for path in found if "lib" in path] == ["opt/env/lib/a.py"]
    assert record(found)["files"] == ["lib/a.py"]


def test_what_is_not_listed_is_not_installed(make: Make) -> None:
    with make([file("a"), file("b")], [listed("a")]) as opened:
        assert [path for path in opened.contents().paths if "meta" not in path] == ["opt/env/a"]


def test_packages_from_before_the_list_of_paths_are_read(make: Make) -> None:
    default = "/opt/anaconda1anaconda2anaconda3"
    files = [file("a b", OLD.encode()), file("c", default.encode()), file("d", OLD.encode()), link("e", "d")]
    info = [
        document("index.json", INDEX),
        document("files", b"a b\nc\nd\ne\n"),
        document("has_prefix", f'{OLD} text "a b"\nc\n'.encode()),
        document("no_link", b"c\n"),
    ]
    make.write(files, info, old=True)
    with open_conda(make.path, PACKAGE, TARGET) as opened:
        found = written(opened)
    assert [found[f"opt/env/{name}"][1] for name in ("a b", "c", "d")] == [b"/opt/env", b"/opt/env", OLD.encode()]
    assert found["opt/env/e"][0].linkname == "d"
    assert [path.get("no_link") for path in record(found)["paths_data"]["paths"]] == [None, True, None, None]


def test_an_old_list_that_names_a_file_that_is_not_there_is_refused(make: Make) -> None:
    make.write([file("a")], [document("index.json", INDEX), document("files", b"a\nb\n")])
    with pytest.raises(EnvbuildError, match="not of this package"):
        open_conda(make.path, PACKAGE, TARGET)


@pytest.mark.parametrize("index", [{"name": "other"}, {"version": "2.0"}, {"build": "h_1"}])
def test_another_package_than_the_locked_one_is_refused(make: Make, index: dict[str, str]) -> None:
    with pytest.raises(EnvbuildError, match="not the package that was locked"):
        make(index=index)


@pytest.mark.parametrize("stage", ["pre-link", "post-link"])
def test_a_script_that_would_have_to_run_is_refused(make: Make, stage: str) -> None:
    with pytest.raises(EnvbuildError, match=f"needs its {stage} script") as caught:
        make([file(f"bin/.made-{stage}.sh", b"#!/bin/sh\n$PREFIX/bin/gdk-pixbuf-query-loaders --update-cache\n")])
    assert "Leave the package out" in str(caught.value.hint)


def test_a_script_that_only_prints_and_one_for_removing_are_let_be(make: Make) -> None:
    says = b'#!/bin/bash\nset -e\n# told once\necho "Run setup of ${PKG_NAME}" >> "$PREFIX/.messages.txt"\nexit 0\n'
    with make([file("bin/.made-post-link.sh", says), file("bin/.made-pre-unlink.sh", b"rm -rf $PREFIX/x")]) as opened:
        assert "opt/env/bin/.made-post-link.sh" in opened.contents().paths


@pytest.mark.parametrize(
    "script",
    [
        "echo $(touch a)", "echo a > b", "echo a; rm b", "echo a && rm b", "rm a", "echo `rm a`", "echo a \\\nrm b",
        "echo a >> $PREFIX/.messages.txt; rm b", "printf x | sh", "trueish",
    ],
)  # fmt: skip
def test_a_script_that_does_more_than_print_is_told(script: str) -> None:
    assert not only_prints(script)


def test_a_python_with_modules_elsewhere_is_refused(make: Make) -> None:
    with pytest.raises(EnvbuildError, match=r"modules in `lib/python3\.12t/site-packages`"):
        make(index={"python_site_packages_path": "lib/python3.12t/site-packages"})


@pytest.mark.parametrize(
    ("files", "paths", "message"),
    [
        ([], [listed("../a")], "cannot be a path"),
        ([], [listed("/a")], "cannot be a path"),
        ([], [listed("a")], "is not in it"),
        ([file("a")], [listed("a"), listed("a")], "names one twice"),
        ([file("a")], [listed("a", path_type="softlink")], "is not a link there"),
        ([file("a")], [listed("a", path_type="fifo")], "malformed"),
        ([file("a")], [{"path_type": "hardlink"}], "malformed"),
        ([file("a")], [listed("a", sha256="zz")], "no SHA-256"),
        ([file("a")], [listed("a", prefix_placeholder="")], "malformed"),
        ([file("a")], [listed("a", prefix_placeholder="/x", file_mode="magic")], "malformed"),
        ([file("a", b"/x\0")], [listed("a", prefix_placeholder="/x", file_mode="binary")], "does not fit"),
        ([file("a"), file("a/b")], None, "lies below"),
        ([file("a"), file("b/c")], [listed("a"), listed("b/c"), listed("a/d", path_type="directory")], "lies below"),
        ([file("conda-meta/made-1.0-h_0.json")], None, "its own record"),
        ([link("a", "b", tarfile.CHRTYPE)], [], "neither a file"),
        ([file("a\\b"), file("a\tb")], None, "control characters"),
    ],
)  # fmt: skip
def test_a_hostile_package_is_refused(
    make: Make, files: list[Entry], paths: list[dict[str, Any]] | None, message: str
) -> None:
    with pytest.raises(EnvbuildError, match=message):
        make(files, paths)
    assert [path.name for path in make.folder.iterdir()] == [make.path.name]


@pytest.mark.parametrize(
    "info",
    [
        [],
        [document("index.json", b"[]"), document("paths.json", {"paths": []})],
        [document("index.json", b"{"), document("paths.json", {"paths": []})],
        [document("index.json", INDEX), document("paths.json", {"paths": {}})],
        [document("index.json", INDEX), document("paths.json", {"paths": [1]})],
        [link("info/index.json", "/etc/passwd")],
        [
            document("index.json", INDEX | {"noarch": "python"}),
            document("paths.json", {"paths": []}),
            document("link.json", {"noarch": {"entry_points": [1]}}),
        ],
        [
            document("index.json", INDEX | {"noarch": "python"}),
            document("paths.json", {"paths": []}),
            document("link.json", {"noarch": {"entry_points": ["../../sh = os:system"]}}),
        ],
    ],
)
def test_malformed_metadata_is_refused(make: Make, info: list[Entry]) -> None:
    make.write([], info)
    with pytest.raises(EnvbuildError):
        open_conda(make.path, PACKAGE, TARGET)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04xxxx", b"BZhxxxxxxxx", b"something else", bz2.compress(b"x" * 99)])
def test_what_is_no_conda_package_is_refused(make: Make, data: bytes) -> None:
    make.path.write_bytes(data)
    with pytest.raises(EnvbuildError):
        open_conda(make.path, PACKAGE, TARGET)


def test_a_package_that_is_cut_off_is_refused_wherever_it_is(make: Make) -> None:
    make([file("a", b"content" * 100)], old=True).close()
    whole = make.path.read_bytes()
    for size in range(0, len(whole), 7):
        make.path.write_bytes(whole[:size])
        with pytest.raises(EnvbuildError):
            open_conda(make.path, PACKAGE, TARGET)


@pytest.mark.parametrize(
    ("text", "name"),
    [("tool = a:main", "tool"), ("  a-b=pkg.mod : Class.method ", "a-b")],
)
def test_an_entry_point_becomes_a_script(text: str, name: str) -> None:
    assert entry_point_script(text, "/opt/env/bin/python3.12")[0] == name


@pytest.mark.parametrize("text", ["", "a", "a=b", "=b:c", "a=b:", "a/b=c:d", ".a=b:c", "a=b;c:d", "a=b:c\nimport os"])
def test_a_malformed_entry_point_is_refused(text: str) -> None:
    with pytest.raises(EnvbuildError):
        entry_point_script(text, "/opt/env/bin/python3.12")


def test_a_long_first_line_finds_its_interpreter_through_the_path() -> None:
    folder = b"/" + b"d" * 130
    assert shebang(b"#!/short/sh -e") == b"#!/short/sh -e"
    assert shebang(b"#!" + folder + b"/perl -w") == b"#!/usr/bin/env perl -w"
    assert shebang(b"#!" + folder + b"/python3.12 -I") == (
        b"#!/bin/sh\n'''exec' \"" + folder + b'/python3.12" -I "$0" "$@" #\'\'\''
    )


@pytest.mark.parametrize("mode", ["text", "binary"])
def test_replacing_looks_at_its_own_part_of_the_data_alone(mode: Any) -> None:
    data = b"/long/old\0" * 3
    made = b"".join(replaced(data, 10, 20, Placeholder("/long/old", mode), "/new"))
    assert made == {"text": b"/new\0", "binary": b"/new" + b"\0" * 6}[mode]


def test_what_a_package_needs_is_linked_before_it_whatever_the_order() -> None:
    def package(name: str, *needs: str) -> CondaPackage:
        return CondaPackage(name, "1", "0", "noarch", Digest("0" * 64), "", 1, "", dependencies=needs)

    packages = [package("a", "c", "z"), package("b"), package("c", "a"), package("z", "missing")]
    for order in (packages, packages[::-1]):
        assert [one.name for one in conda_order(order)] == ["c", "z", "a", "b"]
