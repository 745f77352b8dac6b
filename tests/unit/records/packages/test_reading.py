"""What packages say of their licences, out of packages as dpkg-deb, wheels' and conda's tools make them."""

from __future__ import annotations

import bz2
import io
import json
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import zstandard
from made_locks import made_deb, made_lock, made_wheel
from made_plans import made_conda
from wheels import make_wheel

from builder.errors import EnvbuildError
from builder.fetch import Fetcher, Mirrors
from builder.image.workshop import Workshop
from builder.lock.artifact import Archive
from builder.oci.digest import Digest
from builder.oci.store import Store
from builder.records.licenses.expression import NOASSERTION
from builder.records.packages import reading
from builder.records.packages.reading import read_package, wheel_license
from builder.records.packages.stated import Stated
from builder.records.packages.store import stated_of

COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
License: Expat

License: Expat
 Permission is hereby granted …
"""


def build_deb(
    folder: Path, name: str, files: Mapping[str, str], links: Mapping[str, str] | None = None, fields: str = ""
) -> Path:
    root = folder / name
    for path, text in {"DEBIAN/control": _control(name, fields), **files}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    for path, target in (links or {}).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).symlink_to(target)
    file = folder / f"{name}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", root, file], check=True, capture_output=True)
    return file


def _control(name: str, fields: str) -> str:
    return f"Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: T <t@t>\n{fields}Description: x\n"


def tar(files: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for path, data in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return target.getvalue()


def conda_file(folder: Path, info: Mapping[str, bytes], *, old: bool) -> Path:
    file = folder / ("one-1.0-0.tar.bz2" if old else "one-1.0-0.conda")
    if old:
        file.write_bytes(bz2.compress(tar({"lib/a": b"x", **info})))
        return file
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("pkg-one-1.0-0.tar.zst", zstandard.compress(tar({"lib/a": b"x"})))
        archive.writestr("info-one-1.0-0.tar.zst", zstandard.compress(tar(info)))
    return file


def test_a_deb_says_it_in_its_copyright_file(tmp_path: Path) -> None:
    own = "usr/share/doc/tool/copyright"
    files = {own: COPYRIGHT, "usr/share/doc/other/copyright": "GPL", "usr/bin/tool": "x"}
    found = read_package(made_deb("tool"), build_deb(tmp_path, "tool", files, fields="Source: tool-src (2:1.0-3)\n"))
    assert (found.license, found.words, found.source) == ("MIT", "", "tool-src 2:1.0-3")
    assert found.texts == {own: COPYRIGHT.encode()}


def test_a_deb_whose_copyright_is_for_people_is_of_unknown_licence_with_its_text(tmp_path: Path) -> None:
    own = "usr/share/doc/tool/copyright"
    found = read_package(made_deb("tool"), build_deb(tmp_path, "tool", {own: "It is under the GPL.\n"}))
    assert (found.license, found.words) == (NOASSERTION, f"see {own}")
    assert found.texts == {own: b"It is under the GPL.\n"}


@pytest.mark.parametrize("target", ["lib-base", "../doc/lib-base", "/usr/share/doc/lib-base"])
def test_documentation_that_is_a_link_is_that_of_another_deb(tmp_path: Path, target: str) -> None:
    found = read_package(made_deb("lib1"), build_deb(tmp_path, "lib1", {}, {"usr/share/doc/lib1": target}))
    assert (found.license, found.texts, found.elsewhere) == (NOASSERTION, {}, "lib-base")


def test_a_link_that_leads_out_of_the_documentation_names_no_package(tmp_path: Path) -> None:
    links = {"usr/share/doc/lib1/copyright": "../../../../etc/passwd"}
    assert read_package(made_deb("lib1"), build_deb(tmp_path, "lib1", {}, links)).elsewhere == ""


def test_the_common_licences_of_debian_are_texts_too(tmp_path: Path) -> None:
    files = {"usr/share/common-licenses/GPL-3": "GPL", "usr/share/doc/base-files/copyright": COPYRIGHT}
    found = read_package(made_deb("base-files"), build_deb(tmp_path, "base-files", files))
    assert sorted(found.texts) == sorted(files)


def headers(**given: str | list[str]) -> dict[str, list[str]]:
    return {
        name.replace("_", "-"): value if isinstance(value, list) else [value] for name, value in given.items() if value
    }


MIT = "License :: OSI Approved :: MIT License"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (headers(license_expression="mit or apache-2.0", license="BSD"), "MIT OR Apache-2.0"),
        (headers(license="Apache License, Version 2.0"), "Apache-2.0"),
        (headers(license="BSD", classifier=[MIT]), "MIT"),
        (headers(license="Permission is hereby granted\nto whom it may concern", classifier=[MIT]), "MIT"),
        (headers(license="MIT\nCopyright me"), NOASSERTION),
        (headers(license="UNKNOWN"), NOASSERTION),
        (headers(license_expression="Nonsense"), NOASSERTION),
        (headers(), NOASSERTION),
    ],
    ids=range(8),
)
def test_metadata_says_it_in_the_newest_field_that_is_there(given: Mapping[str, list[str]], meant: str) -> None:
    assert wheel_license(given)[0] == meant


def test_the_words_of_metadata_are_kept_in_one_line() -> None:
    found = wheel_license(headers(license="Some\x1b[31m own licence" + "!" * 300, classifier=["License :: Other"]))
    assert found[0] == NOASSERTION
    assert found[1].startswith("Some [31m own licence!!!")
    assert len(found[1]) == 200


def test_a_wheel_brings_its_licence_files(tmp_path: Path) -> None:
    info = "tool-1.0.dist-info"
    more = {
        f"{info}/LICENSE": "text",
        f"{info}/licenses/vendor/NOTICE": "notice",
        f"{info}/top_level.txt": "tool",
        "tool/LICENSE": "not in the metadata",
    }
    file = tmp_path / "tool-1.0-py3-none-any.whl"
    file.write_bytes(make_wheel("tool", "1.0", "py3-none-any", (), more))
    found = read_package(made_wheel("tool"), file)
    assert found.texts == {f"{info}/LICENSE": b"text", f"{info}/licenses/vendor/NOTICE": b"notice"}


@pytest.mark.parametrize("old", [True, False], ids=["tar.bz2", "conda"])
def test_a_conda_package_says_it_in_its_index(tmp_path: Path, old: bool) -> None:
    info = {
        "info/index.json": json.dumps({"name": "one", "license": "BSD-3-clause"}).encode(),
        "info/licenses/LICENSE.txt": b"text",
        "info/about.json": b"{}",
    }
    found = read_package(made_conda("one"), conda_file(tmp_path, info, old=old))
    assert (found.license, found.words) == ("BSD-3-Clause", "BSD-3-clause")
    assert found.texts == {"info/licenses/LICENSE.txt": b"text"}


@pytest.mark.parametrize("index", [b"[]", b'{"license": 3}', b"{}"])
def test_a_conda_package_may_say_nothing(tmp_path: Path, index: bytes) -> None:
    found = read_package(made_conda("one"), conda_file(tmp_path, {"info/index.json": index}, old=False))
    assert (found.license, found.words) == (NOASSERTION, "")


def test_an_interpreter_brings_its_licence_and_not_that_of_others(tmp_path: Path) -> None:
    files = {"python/lib/python3.12/LICENSE.txt": b"PSF", "python/lib/python3.12/pip/LICENSE.txt": b"MIT"}
    file = tmp_path / "python.tar.zst"
    file.write_bytes(zstandard.compress(tar(files)))
    found = read_package(Archive("https://example.com/python.tar.zst", Digest("a" * 64), None), file)
    assert (found.license, found.texts) == (NOASSERTION, {"python/lib/python3.12/LICENSE.txt": b"PSF"})


def test_texts_are_bounded_in_length_and_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = "tool-1.0.dist-info"
    monkeypatch.setattr(reading, "LONGEST_TEXT", 10)
    monkeypatch.setattr(reading, "MOST_TEXTS", 2)
    more = {f"{info}/licenses/{name}": "x" * length for name, length in (("a", 11), ("b", 10), ("c", 1), ("d", 1))}
    file = tmp_path / "tool-1.0-py3-none-any.whl"
    file.write_bytes(make_wheel("tool", "1.0", "py3-none-any", (), more))
    assert sorted(read_package(made_wheel("tool"), file).texts) == [f"{info}/licenses/b", f"{info}/licenses/c"]


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    store = Store(tmp_path / "store")
    store.create()
    return Workshop(store, Fetcher(store, Mirrors(), offline=True), workers=1)


def test_each_file_is_read_once_until_its_texts_are_gone(
    tmp_path: Path, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_wheel("tool", "1.0", "py3-none-any", (), {"tool-1.0.dist-info/LICENSE": "text"})
    wheel = made_wheel("tool", size=len(data))
    wheel = type(wheel)(wheel.name, wheel.version, wheel.file_name, workshop.store.write(data), len(data), wheel.url)
    times = []
    monkeypatch.setattr(reading, "read_package", lambda *given: times.append(1) or read_package(*given))
    lock = made_lock({}, [], [])  # type: ignore[arg-type]
    first = stated_of([wheel], workshop, lock)
    assert stated_of([wheel], workshop, lock) == first
    assert len(times) == 1
    (text,) = first[wheel.digest].texts
    workshop.store.discard(text.digest)
    assert stated_of([wheel], workshop, lock) == first
    assert len(times) == 2
    workshop.store.discard(wheel.digest)
    assert stated_of([wheel], workshop, lock) == first, "the file is not needed once it was read"


def test_what_is_not_there_cannot_be_read_offline(workshop: Workshop) -> None:
    with pytest.raises(EnvbuildError, match="offline"):
        stated_of([made_wheel("tool")], workshop, made_lock({}, [], []))  # type: ignore[arg-type]


def test_a_file_that_is_no_package_is_named(workshop: Workshop) -> None:
    data = b"no zip"
    wheel = made_wheel("tool", size=len(data))
    wheel = type(wheel)(wheel.name, wheel.version, wheel.file_name, workshop.store.write(data), len(data), wheel.url)
    with pytest.raises(EnvbuildError, match=r"tool 1\.0 cannot be built from"):
        stated_of([wheel], workshop, made_lock({}, [], []))  # type: ignore[arg-type]


def test_what_was_kept_is_read_as_it_was_written() -> None:
    stated = Stated("MIT", "MIT License", (), "other", "src 1")
    assert Stated.from_value(json.loads(json.dumps(stated.to_value()))) == stated
