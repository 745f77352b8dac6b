from __future__ import annotations

import os

import pytest

from builder.errors import EnvbuildError
from builder.run.embedded.paths import make_mount_point, resolve


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/b", "a/b"), ("a//./b/", "a/b"), ("/../../etc", "etc"), ("/up/etc", "etc"), ("/absolute/x", "target/x"),
        ("/relative/x", "target/x"), ("/a/../../b", "b"), ("/chain/x", "target/x"), ("/", ""),
    ],
)  # fmt: skip
def test_no_path_leads_out(tmp_path, path, expected):
    (tmp_path / "target").mkdir()
    for name, target in (
        ("up", "../../../../.."), ("absolute", "/target"), ("relative", "target"), ("chain", "absolute/../relative"),
    ):  # fmt: skip
        os.symlink(target, tmp_path / name)
    assert resolve(tmp_path, path) == tmp_path / expected


def test_circles_are_named(tmp_path):
    os.symlink("b", tmp_path / "a")
    os.symlink("a", tmp_path / "b")
    with pytest.raises(EnvbuildError, match="circle"):
        resolve(tmp_path, "/a/x")


def test_mount_points_are_made_of_the_wanted_kind(tmp_path):
    assert make_mount_point(tmp_path, "/a/b/file", folder=False).is_file()
    assert make_mount_point(tmp_path, "/a/c", folder=True).is_dir()
    for path, folder in (("/a/c", False), ("/a/b/file", True), ("/a/b/file/x", True)):
        with pytest.raises(EnvbuildError, match="nothing can be mounted"):
            make_mount_point(tmp_path, path, folder)
