from __future__ import annotations

from dataclasses import replace

import pytest
from made_locks import made_deb, made_wheel
from packageurl import PackageURL

from builder.lock.artifact import Archive, CondaPackage
from builder.lock.base_image import BaseImage
from builder.oci.digest import Digest
from builder.oci.documents import Descriptor, Platform
from builder.records.packages import purl

DIGEST = Digest("a" * 64)
BASE = BaseImage(
    "registry.example:5000/team/Base.One:v1".lower(),
    Descriptor("application/vnd.oci.image.manifest.v1+json", DIGEST, 1),
    Descriptor("application/vnd.oci.image.config.v1+json", DIGEST, 1),
    (),
    (),
    "2.36",
)
CONDA = CondaPackage(
    "numpy", "2.1.0", "py311h_0", "linux-64", DIGEST, "", 1,
    "https://conda.example/conda-forge/linux-64/numpy-2.1.0-py311h_0.conda", "https://conda.example/conda-forge/",
)  # fmt: skip


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (
            purl.debian_purl(replace(made_deb("libc6"), version="1:2.36-9+deb12u1~x"), "bookworm", "glibc 2.36-9"),
            "pkg:deb/debian/libc6@1:2.36-9%2Bdeb12u1~x?arch=amd64&distro=debian-12&upstream=glibc%402.36-9",
        ),
        (purl.debian_purl(made_deb("tar"), "sid"), "pkg:deb/debian/tar@1.0?arch=amd64&distro=debian-sid"),
        (purl.debian_purl(made_deb("libstdc++6"), ""), "pkg:deb/debian/libstdc%2B%2B6@1.0?arch=amd64"),
        (purl.wheel_purl(made_wheel("scikit-learn")), "pkg:pypi/scikit-learn@1.0"),
        (
            purl.conda_purl(CONDA),
            "pkg:conda/numpy@2.1.0?build=py311h_0&channel=conda-forge&subdir=linux-64&type=conda",
        ),
        (
            purl.interpreter_purl(Archive("https://example.com/cpython.tar.gz", DIGEST, 1), "3.12.1"),
            (f"pkg:generic/python@3.12.1?checksum=sha256:{DIGEST.hex}&download_url=https://example.com/cpython.tar.gz"),
        ),
        (
            purl.base_purl(BASE, Platform("arm64")),
            (
                f"pkg:oci/base.one@sha256:{DIGEST.hex}"
                "?arch=arm64&repository_url=registry.example:5000/team/base.one&tag=v1"
            ),
        ),
    ],
    ids=["deb", "sid", "no-suite", "wheel", "conda", "interpreter", "base"],
)
def test_package_urls_are_canonical_for_other_readers(made: str, expected: str) -> None:
    assert made == expected
    assert PackageURL.from_string(made).to_string() == made
