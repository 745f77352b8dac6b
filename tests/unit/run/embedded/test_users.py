from __future__ import annotations

import os

import pytest

from builder.errors import EnvbuildError
from builder.run.embedded.namespaces import Identity
from builder.run.embedded.users import find_identity

PASSWD = "root:x:0:0::/root:/bin/sh\nbroken\nalice:x:1000:1001::/:/bin/sh\n\nodd:x:y:1\n"


@pytest.mark.parametrize(
    ("user", "uid", "gid"),
    [("", 0, 0), ("alice", 1000, 1001), ("1000", 1000, 1001), ("4242", 4242, 0), ("4242:7", 4242, 7),
     ("alice:team", 1000, 50), ("4294967294", 4294967294, 0)],
)  # fmt: skip
def test_users_are_found_as_engines_do(tmp_path, user, uid, gid):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text("team:x:50:\n")
    assert find_identity(user, tmp_path) == Identity(uid, gid)


@pytest.mark.parametrize("user", ["bob", "alice:nobody", "4294967295", "9" * 30, "²", "odd", "-1"])
def test_unknown_users_are_refused(tmp_path, user):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    with pytest.raises(EnvbuildError):
        find_identity(user, tmp_path)


def test_numbers_need_no_table(tmp_path):
    assert find_identity("5:6", tmp_path) == Identity(5, 6)


def test_a_pipe_in_place_of_the_table_does_not_block(tmp_path):
    (tmp_path / "etc").mkdir()
    os.mkfifo(tmp_path / "etc/passwd")
    assert find_identity("5", tmp_path) == Identity(5, 0)
