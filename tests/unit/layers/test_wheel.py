"""A wheel becomes a segment whose files are where an installer puts them, or is refused by name of the reason."""

import base64
import gzip
import hashlib
import io
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from made_locks import made_wheel

from builder.errors import DigestMismatchError, EnvbuildError
from builder.layers.interface import Directory
from builder.layers.tar_headers import END_OF_ARCHIVE
from builder.layers.wheel import WheelTarget, open_wheel, wheel_order

SITE = "opt/env/lib/python3.11/site-packages"
INFO = "demo-1.0.dist-info"
WHEEL = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
METADATA = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"


class Kept:
    """A Sink that keeps both sides."""

    def __init__(self) -> None:
        self.gzip = io.BytesIO()
        self.tar = io.BytesIO()
        self.compressed = self.gzip.write
        self.uncompressed = self.tar.write


def row(path: str, data: bytes, algorithm: str = "sha256") -> str:
    digest = base64.urlsafe_b64encode(hashlib.new(algorithm, data).digest()).decode().rstrip("=")
    return f"{path},{algorithm}={digest},{len(data)}\n"


def make(
    folder: Path,
    files: dict[str, bytes],
    *,
    info: str = INFO,
    record: str | None = None,
    extra_rows: str = "",
    without: tuple[str, ...] = (),
    modes: dict[str, int] | None = None,
) -> Path:
    files = {**files, f"{info}/WHEEL": WHEEL, f"{info}/METADATA": METADATA} | {
        path: data for path, data in files.items() if path.startswith(info)
    }
    if record is None:
        record = "".join(row(path, data) for path, data in files.items() if not path.endswith("/"))
        record += extra_rows + f"{info}/RECORD,,\n"
    path = folder / "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**files, f"{info}/RECORD": record.encode()}.items():
            if name not in without:
                member = zipfile.ZipInfo(name)
                member.compress_type = zipfile.ZIP_DEFLATED
                member.external_attr = (modes or {}).get(name, 0o100644) << 16
                archive.writestr(member, data)
    return path


def unpack(
    path: Path, left_out: tuple[str, ...] = (), target: WheelTarget | None = None
) -> dict[str, tuple[int, bytes]]:
    sink = Kept()
    package = open_wheel(path, target or WheelTarget())
    package.write(sink, left_out)
    assert gzip.decompress(sink.gzip.getvalue()) == sink.tar.getvalue()
    with tarfile.open(fileobj=io.BytesIO(sink.tar.getvalue() + END_OF_ARCHIVE)) as archive:
        found = {entry.name: (entry.mode, archive.extractfile(entry).read()) for entry in archive}
    assert [*found] == [path for path in package.contents().paths if path not in left_out]
    return found


def refusal(path: Path) -> str:
    with pytest.raises(EnvbuildError) as caught:
        open_wheel(path, WheelTarget()).write(Kept())
    return str(caught.value)


def test_each_scheme_has_its_place(tmp_path: Path) -> None:
    files = {
        "demo/__init__.py": b"x = 1\n",
        "demo-1.0.data/purelib/pure.py": b"pure",
        "demo-1.0.data/platlib/plat.so": b"plat",
        "demo-1.0.data/scripts/tool": b"#!python -E\nprint()\n",
        "demo-1.0.data/scripts/gui": b"#!pythonw\nprint()\n",
        "demo-1.0.data/scripts/shell": b"#!/bin/sh\n",
        "demo-1.0.data/headers/demo.h": b"int x;",
        "demo-1.0.data/data/share/demo/a.txt": b"data",
        "demo-1.0.data/data/bin/data-script": b"#!python\n",
    }
    found = unpack(make(tmp_path, files, modes={"demo-1.0.data/platlib/plat.so": 0o100755}))
    record = found.pop(f"{SITE}/{INFO}/RECORD")[1].decode()
    assert found == {
        f"{SITE}/demo/__init__.py": (0o644, b"x = 1\n"),
        f"{SITE}/pure.py": (0o644, b"pure"),
        f"{SITE}/plat.so": (0o755, b"plat"),
        "opt/env/bin/tool": (0o755, b"#!/opt/env/bin/python\nprint()\n"),
        "opt/env/bin/gui": (0o755, b"#!/opt/env/bin/python\nprint()\n"),
        "opt/env/bin/shell": (0o755, b"#!/bin/sh\n"),
        "opt/env/bin/data-script": (0o644, b"#!python\n"),
        "opt/env/include/site/python3.11/demo/demo.h": (0o644, b"int x;"),
        "opt/env/share/demo/a.txt": (0o644, b"data"),
        f"{SITE}/{INFO}/INSTALLER": (0o644, b"envbuild\n"),
        f"{SITE}/{INFO}/METADATA": (0o644, METADATA),
        f"{SITE}/{INFO}/WHEEL": (0o644, WHEEL),
    }
    relative = {
        path.removeprefix(SITE + "/").replace("opt/env/", "../../../"): data for path, (_, data) in found.items()
    }
    expected = "".join(row(path, relative[path]) for path in sorted(relative))
    assert record == expected + f"{INFO}/RECORD,,\n"


def test_entry_points_become_scripts_and_win_over_shipped_ones(tmp_path: Path) -> None:
    entry_points = (
        b"[console_scripts]\nrun = demo.cli:main [extra]\n\n[gui_scripts]\nshow=demo:app.show\n[other]\nx = y\n"
    )
    files = {f"{INFO}/entry_points.txt": entry_points, "demo-1.0.data/scripts/run": b"#!python\nold"}
    found = unpack(make(tmp_path, files))
    assert found["opt/env/bin/run"] == (
        0o755,
        (
            b"#!/opt/env/bin/python\n# -*- coding: utf-8 -*-\nimport re\nimport sys\nfrom demo.cli import main\n"
            b'if __name__ == "__main__":\n'
            b'    sys.argv[0] = re.sub(r"(-script\\.pyw|\\.exe)?$", "", sys.argv[0])\n    sys.exit(main())\n'
        ),
    )
    assert b"from demo import app\n" in found["opt/env/bin/show"][1]
    assert b"sys.exit(app.show())\n" in found["opt/env/bin/show"][1]


def test_the_target_decides_prefix_and_version(tmp_path: Path) -> None:
    path = make(tmp_path, {"demo.py": b"", "demo-1.0.data/scripts/tool": b"#!python\n"})
    found = unpack(path, target=WheelTarget("srv/other", (3, 13)))
    assert "srv/other/lib/python3.13/site-packages/demo.py" in found
    assert found["srv/other/bin/tool"] == (0o755, b"#!/srv/other/bin/python\n")


@pytest.mark.parametrize(
    "prefix", ["", "/opt", "opt/", "opt//env", "opt/../env", "opt env", "o" * 120, "opt/é", "a\nb"]
)
def test_prefixes_that_no_script_can_name_are_refused(prefix: str) -> None:
    with pytest.raises(EnvbuildError, match="Nothing can be installed"):
        WheelTarget(prefix)


def test_what_is_left_out_stays_in_record(tmp_path: Path) -> None:
    path = make(tmp_path, {"a.py": b"a", "b.py": b"b"})
    whole, partial = unpack(path), unpack(path, (f"{SITE}/a.py", f"{SITE}/{INFO}/INSTALLER"))
    assert whole.keys() - partial.keys() == {f"{SITE}/a.py", f"{SITE}/{INFO}/INSTALLER"}
    assert whole[f"{SITE}/{INFO}/RECORD"] == partial[f"{SITE}/{INFO}/RECORD"]


def test_bytecode_and_signatures_are_dropped(tmp_path: Path) -> None:
    files = {"a.py": b"a", "__pycache__/a.cpython-311.pyc": b"c", "d/__pycache__/x": b"c", "sourceless.pyc": b"s"}
    path = make(
        tmp_path, {**files, f"{INFO}/RECORD.jws": b"{}", f"{INFO}/RECORD.p7s": b"x", f"{INFO}/INSTALLER": b"pip"}
    )
    found = unpack(path)
    assert {name.removeprefix(SITE + "/") for name in found} == {
        "a.py", "sourceless.pyc", *(f"{INFO}/{name}" for name in ("INSTALLER", "METADATA", "RECORD", "WHEEL"))
    }  # fmt: skip
    assert found[f"{SITE}/{INFO}/INSTALLER"] == (0o644, b"envbuild\n")


def test_only_empty_directories_are_declared(tmp_path: Path) -> None:
    files = {
        "pkg/": b"",
        "pkg/a.py": b"",
        "pkg/empty/": b"",
        "demo-1.0.data/": b"",
        "demo-1.0.data/data/var/spool/": b"",
    }
    contents = open_wheel(make(tmp_path, files), WheelTarget()).contents()
    assert contents.directories == (Directory(f"{SITE}/pkg/empty"), Directory("opt/env/var/spool"))


def test_order_is_bytewise(tmp_path: Path) -> None:
    names = ["a/b.py", "a.py", "a-b.py", "B.py", "é.py", "\U0001f600.py", "\uff5e.py", "a/é.py"]
    paths = open_wheel(make(tmp_path, dict.fromkeys(names, b"")), WheelTarget()).contents().paths
    assert list(paths) == sorted(paths, key=str.encode)


def test_names_that_need_quoting_are_quoted_in_record(tmp_path: Path) -> None:
    data = b"x"
    extra = row("placeholder", data).replace("placeholder", '"a,""b"".py"')
    record = extra + "".join(row(f"{INFO}/{name}", value) for name, value in (("WHEEL", WHEEL), ("METADATA", METADATA)))
    found = unpack(make(tmp_path, {'a,"b".py': data}, record=record))
    assert found[f"{SITE}/{INFO}/RECORD"][1].decode().startswith('"a,""b"".py",sha256=')


@pytest.mark.parametrize(("name", "version"), [("Demo", "1"), ("demo", "1.0.0"), (None, None), ("DEMO", None)])
def test_expected_names_and_versions_are_compared_normalised(name: str, version: str, tmp_path: Path) -> None:
    open_wheel(make(tmp_path, {}), WheelTarget(), expected_name=name, expected_version=version)


@pytest.mark.parametrize(("name", "version", "reason"), [("other", "1.0", "not `other`"), ("demo", "2", "version 1.0")])
def test_another_project_or_version_is_refused(name: str, version: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(EnvbuildError) as caught:
        open_wheel(make(tmp_path, {}), WheelTarget(), expected_name=name, expected_version=version)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({f"{INFO}/WHEEL": b"Wheel-Version: 2.0\n"}, "Wheel-Version is 2.0"),
        ({f"{INFO}/WHEEL": b"Generator: x\n"}, "Wheel-Version is missing"),
        ({f"{INFO}/WHEEL": b"\xff\xfe"}, "not UTF-8"),
        ({"other-2.dist-info/METADATA": b""}, "2 dist-info directories"),
        ({"demo-1.0.data/lib/x": b""}, "no directory that installers know"),
        ({"demo-1.0.data/x": b""}, "no directory that installers know"),
        ({"a.py": b"1", "demo-1.0.data/purelib/a.py": b"2"}, "is there twice, once installed"),
        (
            {"demo-1.0.data/purelib/a": b"1", "demo-1.0.data/platlib/a/b": b"2"},
            "is a file and a directory, once installed",
        ),
        (
            {"demo-1.0.data/scripts/Run": b"1", "demo-1.0.data/data/bin/run": b"2"},
            "differ only in case, once installed",
        ),
        ({f"demo-1.0.data/purelib/{INFO}/RECORD": b""}, "is there twice, once installed"),
        ({f"{INFO}/entry_points.txt": b"[console_scripts]\n../evil = a:b\n"}, "has a slash"),
        ({f"{INFO}/entry_points.txt": b"[console_scripts]\n.. = a:b\n"}, "`..` part"),
        ({f"{INFO}/entry_points.txt": b"[console_scripts]\na = os; evil()\n"}, "not of the form"),
        ({f"{INFO}/entry_points.txt": b"[console_scripts]\na = module\n"}, "not of the form"),
        ({f"{INFO}/entry_points.txt": b"[console_scripts]\na = b:c\na = b:d\n"}, "can't be read"),
        ({f"{INFO}/entry_points.txt": b"a = b:c\n"}, "can't be read"),
        ({f"{INFO}/entry_points.txt": b"[console_scripts]\na=b:c\n[gui_scripts]\na=b:d\n"}, "two different scripts"),
    ],
)
def test_wheels_that_break_the_format_are_refused(files: dict[str, bytes], reason: str, tmp_path: Path) -> None:
    assert reason in refusal(make(tmp_path, files))


@pytest.mark.parametrize("name", ["WHEEL", "METADATA", "RECORD"])
def test_missing_metadata_is_refused(name: str, tmp_path: Path) -> None:
    assert f"it has no `{INFO}/{name}`" in refusal(make(tmp_path, {}, without=(f"{INFO}/{name}",)))


@pytest.mark.parametrize("info", ["nothing", "nodash.dist-info", "-1.dist-info", "demo-.dist-info"])
def test_missing_dist_info_is_refused(info: str, tmp_path: Path) -> None:
    message = refusal(make(tmp_path, {}, info=info))
    assert "no dist-info" in message or "names no project" in message


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (row("a.py", b"other"), "RECORD says 5"),
        (row("a.py", b"other!!!").replace(",8", ","), "hash is not the one in RECORD"),
        (row("a.py", b"contemt!"), "hash is not the one in RECORD"),
        (row("a.py", b"content!", "md5"), "'md5', not SHA-256 or better"),
        (row("a.py", b"content!", "sha1"), "'sha1', not SHA-256 or better"),
        (row("a.py", b"content!", "sha224"), "not SHA-256 or better"),
        ("a.py,sha256=abc,8\n", "malformed"),
        ("a.py,sha256=" + "z" * 64 + ",8\n", "malformed"),
        ("a.py,,x\n", "is not a number"),
        ("a.py,,-8\n", "is not a number"),
        ("a.py,\n", "three fields"),
        ('"a.py,,\n', "not valid CSV"),
        ("", "does not list `a.py`"),
        ("".join(f"{number},,\n" for number in range(200_001)), "more than 200000 rows"),
        (row("a.py", b"content!") + row("gone.py", b""), "lists `gone.py`"),
        (row("a.py", b"content!") + "a.py,,\n", "twice, with different claims"),
    ],
)
def test_records_that_lie_are_refused(wrong: str, reason: str, tmp_path: Path) -> None:
    rest = "".join(row(f"{INFO}/{name}", value) for name, value in (("WHEEL", WHEEL), ("METADATA", METADATA)))
    assert reason in refusal(make(tmp_path, {"a.py": b"content!"}, record=rest + wrong))


SLOPPY = {
    "no hash": "d/a.py,,8\n",
    "no size": row("d/a.py", b"content!").replace(",8\n", ",\n"),
    "neither": "d/a.py,,\n",
    "sha512": row("d/a.py", b"content!", "sha512"),
    "sha384": row("d/a.py", b"content!", "sha384"),
    "twice": row("d/a.py", b"content!") * 2,
    "padding": row("d/a.py", b"content!").replace(",8", "=,8"),
    "other alphabet": row("d/a.py", b"content!").replace("-", "+").replace("_", "/"),
    "hexadecimal": f"d/a.py,sha256={hashlib.sha256(b'content!').hexdigest()},8\n",
    "directory": row("d/a.py", b"content!") + "d/,,\nd,,\n",
    "backslash": row("d\\a.py", b"content!"),
    "carriage return": row("d/a.py", b"content!").replace("\n", "\r\n"),
}


@pytest.mark.parametrize("kind", SLOPPY)
def test_sloppy_records_are_written_clean(kind: str, tmp_path: Path) -> None:
    rest = "".join(row(f"{INFO}/{name}", value) for name, value in (("WHEEL", WHEEL), ("METADATA", METADATA)))
    found = unpack(make(tmp_path, {"d/a.py": b"content!"}, record=rest + SLOPPY[kind]))
    assert found[f"{SITE}/{INFO}/RECORD"][1].decode().count(row("d/a.py", b"content!")) == 1


def test_a_file_that_was_changed_after_opening_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path, {"a.py": b"content " * 100})
    package = open_wheel(path, WheelTarget())
    data = path.read_bytes()
    path.write_bytes(data.replace(data[36:60], bytes(24)))
    with pytest.raises(DigestMismatchError, match=r"a\.py"):
        package.write(Kept())


def test_scripts_to_rewrite_are_checked_and_bounded(tmp_path: Path) -> None:
    script = "demo-1.0.data/scripts/tool"
    rest = "".join(row(f"{INFO}/{name}", value) for name, value in (("WHEEL", WHEEL), ("METADATA", METADATA)))
    path = make(tmp_path, {script: b"#!python\n1"}, record=rest + row(script, b"#!python\n2"))
    assert "hash is not the one in RECORD" in refusal(path)
    assert "scripts are larger" in refusal(make(tmp_path, {script: b"#!python\n" + bytes(17 << 20)}))


def test_large_files_do_not_need_memory(tmp_path: Path) -> None:
    class Nothing:
        def compressed(self, data: bytes | memoryview) -> None: ...

        def uncompressed(self, data: bytes | memoryview) -> None: ...

    path = make(tmp_path, {"big": bytes(150 << 20)})
    package = open_wheel(path, WheelTarget())
    tracemalloc.start()
    package.write(Nothing())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 << 20


def test_a_file_that_is_no_wheel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvbuildError, match="can't be read"):
        open_wheel(tmp_path / "missing.whl", WheelTarget())
    (tmp_path / "text.whl").write_text("text")
    with pytest.raises(EnvbuildError, match="can't be used"):
        open_wheel(tmp_path / "text.whl", WheelTarget())


def test_what_a_wheel_needs_is_installed_before_it_and_else_names_descend() -> None:
    wheels = [made_wheel("a", "1", "c"), made_wheel("b"), made_wheel("c"), made_wheel("d", "1", "a", "missing")]
    for given in (wheels, wheels[::-1]):
        assert [wheel.name for wheel in wheel_order(given)] == ["c", "b", "a", "d"]


def test_wheels_that_need_each_other_have_an_order_too() -> None:
    wheels = [
        made_wheel("a", "1", "b", "a"),
        made_wheel("b", "1", "a"),
        made_wheel("c", "1", "a"),
        made_wheel("d", "1", "d"),
    ]
    for given in (wheels, wheels[::-1]):
        assert [wheel.name for wheel in wheel_order(given)] == ["d", "c", "b", "a"]
