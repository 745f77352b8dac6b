from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.fetch.access import Access, Login, variable_name
from builder.fetch.mirrors import Mirrors

ALICE, BOB = Login("alice", "secret-a"), Login("bob", "secret-b")
HOST = "https://h.example"


def access(*places: tuple[str, Login]) -> Access:
    found = Access()
    for url, login in places:
        found = found.with_place(url, login)
    return found


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"{HOST}/a/simple/pkg/", [ALICE]),
        (f"{HOST}/a/files/x.whl", [ALICE]),
        (f"{HOST}/b/simple/pkg/", [BOB]),
        (f"{HOST}/b/../a/simple/", []),
        (f"{HOST}/b/%2e%2e/a/simple/", []),
        (f"{HOST}/ab/simple/", []),
        (f"{HOST}:443/a/simple/", [ALICE]),
        ("https://H.EXAMPLE/a/simple/", [ALICE]),
        (f"{HOST}/other/x.whl", []),
        (f"{HOST}:8443/a/simple/", []),
        ("http://h.example/a/simple/", []),
        ("https://evil.h.example/a/simple/", []),
        ("https://h.example.evil/a/simple/", []),
        ("https://[broken/a/simple/", []),
    ],
)
def test_credentials_are_for_their_place_alone(url: str, expected: list[Login]) -> None:
    two = access((f"{HOST}/a/simple/", ALICE), (f"{HOST}/b/simple/", BOB))
    assert list(two.logins(url)) == expected


def test_indexes_beside_each_other_are_told_apart_and_share_the_folder_above() -> None:
    two = access((f"{HOST}/simple-a/", ALICE), (f"{HOST}/simple-b/", BOB))
    assert next(two.logins(f"{HOST}/simple-a/pkg/")) == ALICE
    assert next(two.logins(f"{HOST}/simple-b/pkg/")) == BOB
    assert set(two.logins(f"{HOST}/files/x.whl")) == {ALICE, BOB}


def test_where_a_host_has_one_login_it_is_good_for_all_of_it() -> None:
    one = access((f"{HOST}/org/_packaging/feed/pypi/simple/", ALICE))
    assert list(one.logins(f"{HOST}/org/_packaging/1234-guid/pypi/download/x.whl")) == [ALICE]
    assert list(one.logins("https://other.example/org/")) == []


@pytest.mark.parametrize("name", ["corp", "Corp", "CORP"])
def test_variables_name_the_credentials_of_an_index(name: str) -> None:
    found = Access.from_environment({"UV_INDEX_CORP_USERNAME": "alice", "UV_INDEX_CORP_PASSWORD": "secret-a"})
    assert list(found.logins(f"{HOST}/simple/x/")) == []
    known = found.with_indexes({name: f"{HOST}/simple/", "open": "https://open.example/simple/"})
    assert list(known.logins(f"{HOST}/simple/x/")) == [ALICE]
    assert list(known.logins("https://open.example/simple/x/")) == []
    assert known.with_indexes({name: f"{HOST}/simple/"}) == known


@pytest.mark.parametrize(("name", "expected"), [("a.b-c_d", "A_B_C_D"), ("Corp", "CORP"), ("x1", "X1")])
def test_names_stand_in_variables_as_uv_writes_them(name: str, expected: str) -> None:
    assert variable_name(name) == expected


def test_an_index_that_a_variable_names_has_its_credentials_by_name_too() -> None:
    variables = {
        "UV_DEFAULT_INDEX": f"corp={HOST}/simple",
        "UV_INDEX_CORP_USERNAME": "alice",
        "UV_INDEX_CORP_PASSWORD": "secret-a",
    }
    assert Mirrors.from_environment(variables).authorization(f"{HOST}/simple/x/") == ALICE.header


@pytest.mark.parametrize(("text", "expected"), [("5", 5), ("", 60), ("0", 60), ("x", 60), ("-1", 60), ("9" * 9, 60)])
def test_a_machine_may_wait_shorter_or_longer(text: str, expected: float) -> None:
    assert Access.from_environment({"UV_HTTP_TIMEOUT": text}).timeout == expected


def test_no_repr_tells_a_password() -> None:
    variables = {"UV_INDEX_CORP_PASSWORD": "hunter2", "UV_INDEX": "https://u:hunter2@h/simple"}
    mirrors = Mirrors.from_environment(variables).with_indexes({"corp": f"{HOST}/simple/"})
    assert "hunter2" not in repr(mirrors)
    assert "hunter2" not in str(mirrors)


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_url_makes_it_fail(place: str, url: str) -> None:
    known = access((f"https://h.example/{place}", ALICE))
    list(known.logins(url))
    list(known.logins(f"https://h.example/{url}"))
    list(known.services(f"https://h.example/{url}"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a%40b:p%3Ass@h/x", Login("a@b", "p:ss")),
        ("https://token@h/x", Login("token", None)),
        ("https://:p@h/x", Login("", "p")),
        ("https://h/x@y", None),
    ],
)
def test_the_login_of_a_url_is_unquoted(url: str, expected: Login | None) -> None:
    assert Login.of_url(url) == expected


def test_a_keyring_is_asked_for_the_nearest_index_and_then_the_host() -> None:
    known = Access(indexes=(f"{HOST}/a/simple/", f"{HOST}/b/simple/", "https://x/simple/"))
    assert list(known.services(f"{HOST}/b/files/x.whl")) == [f"{HOST}/b/simple/", "h.example"]
    assert list(known.services("https://nobody:8443/y")) == ["nobody:8443"]
