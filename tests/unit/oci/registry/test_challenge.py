from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.oci.registry.challenge import Challenge, choose_challenge

TOKEN = {"realm": "https://auth.example/token", "service": "registry", "scope": "repository:a/b:pull,push"}
BEARER = 'Bearer realm="https://auth.example/token",service="registry",scope="repository:a/b:pull,push"'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (BEARER, Challenge("bearer", TOKEN)),
        (f'Basic realm="x", {BEARER}', Challenge("bearer", TOKEN)),
        (f'{BEARER}, Basic realm="x"', Challenge("bearer", TOKEN)),
        ('bearer  Realm = "a\\"b" , SERVICE=plain', Challenge("bearer", {"realm": 'a"b', "service": "plain"})),
        ("Basic", Challenge("basic", {})),
        ('Basic realm="a, Bearer realm=b"', Challenge("basic", {"realm": "a, Bearer realm=b"})),
        ('Bearer realm="first", realm="second"', Challenge("bearer", {"realm": "first"})),
        ('Digest realm="x"', None),
        ('realm="x"', None),
        ("", None),
    ],
)
def test_the_challenge_to_answer_is_chosen(header: str, expected: Challenge | None) -> None:
    assert choose_challenge(header) == expected


@given(st.text())
def test_any_header_can_be_read(header: str) -> None:
    choose_challenge(header)
