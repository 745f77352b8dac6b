from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.errors import EnvbuildError
from builder.lock.debian.version import OPERATORS, satisfies, version_key

ASCENDING = [
    "0~~", "0~~a", "0~", "0", "0a", "0.0~rc1", "0.0", "1~", "1", "1-0.1", "1-1~bpo12+1", "1-1", "1-1+b1", "1-1+deb12u1",
    "1-2", "1-10", "1a", "1a2", "1a10", "1+", "1.0", "1.2-3", "1.10", "2-1", "10", "1:0~", "1:0", "10:0",
]  # fmt: skip

TEXT = st.text("0123456789~+.-abAZ", min_size=0, max_size=8)
VERSIONS = st.builds(
    lambda epoch, head, text: f"{epoch}{head}{text}".rstrip("-"),
    st.sampled_from(["", "0:", "1:", "00012:"]), st.sampled_from("0123456789"), TEXT,
)  # fmt: skip


def test_versions_sort_as_policy_says():
    descending = ASCENDING[::-1]
    assert sorted(descending, key=version_key) == ASCENDING


@pytest.mark.parametrize(("left", "right"), [("1", "0:1"), ("1", "1-0"), ("1.0", "1.00"), ("1.", "1.0"), ("1a", "1a0")])
def test_versions_are_equal_where_only_zeros_differ(left, right):
    assert satisfies(left, "=", right)
    assert version_key(left) == version_key(right)


@pytest.mark.parametrize("text", ["", "a b", "1:", "x:1", "1_2", "1\n", "é", "٣", "1" * 600])
def test_what_is_no_version_is_refused(text):
    with pytest.raises(EnvbuildError, match="not a Debian version"):
        version_key(text)


def test_long_runs_of_digits_are_compared_as_numbers():
    assert satisfies("1" + "0" * 400, ">>", "9" * 400)


@pytest.mark.skipif(shutil.which("dpkg") is None and not os.environ.get("CI"), reason="dpkg is not on this machine")
@settings(max_examples=150, deadline=None)
@given(left=VERSIONS, operator=st.sampled_from(OPERATORS[:5]), right=VERSIONS)
def test_every_comparison_is_what_dpkg_says(left, operator, right):
    process = subprocess.run(["dpkg", "--compare-versions", left, operator, right], check=False, capture_output=True)
    assert process.returncode in (0, 1)
    assert satisfies(left, operator, right) == (process.returncode == 0)


@given(st.lists(VERSIONS, min_size=3, max_size=3))
def test_order_is_total(versions):
    a, b, c = sorted(versions, key=version_key)
    assert satisfies(a, "<=", b)
    assert satisfies(b, "<=", c)
    assert satisfies(a, "<=", c)
