from __future__ import annotations

import pytest

from builder.spec.cuda import Cuda, version_of


@pytest.mark.parametrize(
    ("version", "tag", "driver", "required"),
    [
        ("11.8", "cu118", "450.80.02", "cuda>=11.0"),
        ("12.8", "cu128", "525.60.13", "cuda>=12.0"),
        ("13.0", "cu130", "580", "cuda>=13.0"),
        ("99.1", "cu991", None, "cuda>=99.1"),
    ],
)
def test_a_version_needs_the_least_driver_of_its_major_version(
    version: str, tag: str, driver: str | None, required: str
) -> None:
    cuda = Cuda(version)
    assert (cuda.tag, cuda.least_driver) == (tag, driver)
    assert cuda.variables["NVIDIA_REQUIRE_CUDA"] == required
    labels = {"dev.envbuild.cuda": version} | ({"dev.envbuild.nvidia-driver": driver} if driver else {})
    assert cuda.labels == labels
    assert Cuda.of_labels(labels) == cuda


@pytest.mark.parametrize("text", [None, 12.8, "", "12", "12.x", "12.8.1", "-1.0", "1" * 99 + ".0", "\uff11\uff12.8"])
def test_what_is_no_version_is_none(text: object) -> None:
    assert Cuda.of_spec({"cuda": text}) is None


def test_versions_are_compared_as_numbers() -> None:
    assert version_of("525.60.13") < version_of("525.105.17") < version_of("580") < version_of("580.65.06")
    assert version_of("570.x") == ()
