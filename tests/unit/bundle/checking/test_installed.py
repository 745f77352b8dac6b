"""Which packages are in an image, as databases of vulnerabilities name them."""

from __future__ import annotations

import pytest
from made_layouts import new_layout
from made_up_image import file, folder, image, layer

from builder.bundle.checking.installed import installed_packages
from builder.image.contents.wanted import WANTED
from builder.oci.validate import Checked, Question, validate
from builder.records.vulnerabilities.affected import Package

STATUS = {
    "libssl3": "Package: libssl3\nSource: openssl\nVersion: 3.0.17-1~deb12u2\n",
    "dmsetup": "Package: dmsetup\nSource: lvm2 (2.03.16-2)\nVersion: 2:1.02.185-2\n",
    "tar": "Package: tar\nVersion: 1.34+dfsg-1.2\n",
}
METADATA = "Metadata-Version: 2.4\nName: Ruamel.YAML\nVersion: 0.19.1\n\nName: other\nVersion: 9\n"
SITE = "opt/env/lib/python3.11/site-packages/ruamel_yaml-0.19.1.dist-info"


def checked(tmp_path, files: dict[str, str]) -> Checked:
    """An image of these files."""
    layout = new_layout(tmp_path / "layout")
    parents = sorted({"/".join(path.split("/")[:depth]) for path in files for depth in range(1, path.count("/") + 1)})
    members = [*map(folder, parents), *(file(path, text.encode(), 0o644) for path, text in sorted(files.items()))]
    made = image([layer(*members)])
    for digest, data in made.blobs.items():
        layout.path(digest).write_bytes(data)
    return validate(layout, made.descriptor, Question(WANTED)).images[0]


@pytest.mark.parametrize("in_one_file", [False, True], ids=["status.d", "status"])
def test_debian_packages_are_told_by_source_and_release(tmp_path, in_one_file):
    files = {f"var/lib/dpkg/status.d/{name}": text for name, text in STATUS.items()}
    if in_one_file:
        gone = "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n"
        there = [text.replace("\n", "\nStatus: install ok installed\n", 1) for text in STATUS.values()]
        files = {"var/lib/dpkg/status": "\n".join([*there, gone])}
    found = installed_packages([checked(tmp_path, files | {"usr/lib/os-release": 'ID=debian\nVERSION_ID="12"\n'})])
    assert found.packages == {
        Package("Debian:12", "openssl", "3.0.17-1~deb12u2"),
        Package("Debian:12", "lvm2", "2.03.16-2"),
        Package("Debian:12", "tar", "1.34+dfsg-1.2"),
    }
    assert not found.unknown


def test_without_a_release_debian_packages_are_unknown(tmp_path):
    files = {f"var/lib/dpkg/status.d/{name}": text for name, text in STATUS.items()}
    found = installed_packages([checked(tmp_path, files | {"usr/lib/os-release": "ID=ubuntu\nVERSION_ID=22.04\n"})])
    assert not found.packages
    assert "of which there are 3" in found.unknown[0]


def test_python_packages_are_told_by_their_metadata_and_conda_packages_counted(tmp_path):
    files = {f"{SITE}/METADATA": METADATA, "opt/env/conda-meta/numpy-1.json": "{}", "opt/env/conda-meta/history": ""}
    found = installed_packages([checked(tmp_path, files)])
    assert found.packages == {Package("PyPI", "ruamel-yaml", "0.19.1")}
    assert found.conda == 1
