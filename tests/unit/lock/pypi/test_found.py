from __future__ import annotations

import pytest

from builder.lock.pypi.found import Found, public_url
from builder.oci.digest import Digest

FILE = "packages/aa/bb/" + "c" * 60 + "/a-1.0-py3-none-any.whl"
PYPI = f"https://files.pythonhosted.org/{FILE}"


@pytest.mark.parametrize(
    ("url", "indexes", "expected"),
    [
        (PYPI, [], PYPI),
        (f"https://u:p@mirror.example/{FILE}#sha256=x", [], PYPI),
        (f"https://mirror.example/root/{FILE}", ["https://corp.example/simple/"], PYPI),
        (f"https://corp.example/{FILE}", ["https://corp.example/simple/"], f"https://corp.example/{FILE}"),
        (
            f"https://corp.example/team/{FILE}",
            ["https://corp.example/team/simple"],
            f"https://corp.example/team/{FILE}",
        ),
        (f"https://corp.example/pypi/{FILE}", ["https://corp.example/team/simple/"], PYPI),
        (f"https://corp.example/teams/{FILE}", ["https://corp.example/team/simple/"], PYPI),
        (f"https://corp.example/team/../pypi/{FILE}", ["https://corp.example/team/simple/"], PYPI),
        (f"http://corp.example/team/{FILE}", ["https://corp.example/team/simple/"], PYPI),
        ("https://corp.example/f/a.whl", ["https://other.example/simple/"], "https://corp.example/f/a.whl"),
    ],
)
def test_files_of_a_mirror_are_pypis_and_those_of_an_index_its_own(url: str, indexes: list[str], expected: str) -> None:
    found = Found("a", "1.0", "a-1.0-py3-none-any.whl", Digest("0" * 64), 1, url)
    assert public_url(found, indexes) == expected


def test_a_url_that_was_asked_for_stays() -> None:
    found = Found("a", "1.0", "a.whl", Digest("0" * 64), 1, f"https://mirror.example/{FILE}", direct=True)
    assert public_url(found, []) == f"https://mirror.example/{FILE}"
    commit = Found("a", "1.0", "a.tar", Digest("0" * 64), 1, "git+file:///x/y@" + "a" * 40, direct=True)
    assert public_url(commit, []) == "git+file:///x/y@" + "a" * 40
