from __future__ import annotations

import time

import pytest

from builder.fetch.redaction import without_credentials, without_credentials_in, without_secrets_in


def test_a_url_without_credentials_can_still_be_asked_for() -> None:
    assert without_credentials("https://u:p@h.example:1/a?b") == "https://h.example:1/a?b"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see https://u:p@h/a, then http://t@h2/b", "see https://h/a, then http://h2/b"),
        ("mail a@b.example about http://h/x@y", "mail a@b.example about http://h/x@y"),
        ("git+ssh://git@host/a and https://git:secret@h/a", "git+ssh://git@host/a and https://h/a"),
        ("https://git@x@host/a", "https://host/a"),
        ("https://u:p@[bad", "https://[bad"),
        ("https://user:p@ss@host/a", "https://host/a"),
        ("file:///home/t/channel/a.conda", "file:///home/t/channel/a.conda"),
    ],
)
def test_credentials_are_taken_out_of_any_text(text: str, expected: str) -> None:
    assert without_credentials_in(text) == expected


def test_no_message_shows_a_token_in_a_path() -> None:
    text = without_credentials_in("https://conda.example/t/tk-123/channel/a.conda: 404; http://u:p@h/x/t/tk/y")
    assert text == "https://conda.example/t/****/channel/a.conda: 404; http://h/x/t/****/y"
    pool = "http://deb.debian.org/debian/pool/main/t/tar/tar_1.34_amd64.deb"
    assert without_credentials_in(pool) == pool


def test_of_queries_nothing_is_left() -> None:
    text = "GET https://u:p@h/a?sig=s3cret&x=1#part, and file:///a?b c?d"
    assert without_secrets_in(text) == "GET https://h/a?…#part, and file:///a?… c?d"
    assert without_secrets_in("what? nothing") == "what? nothing"


def test_tokens_are_hidden_url_by_url() -> None:
    text = without_credentials_in("https://proxy/https://h/t/one/a http://h/pool/t/two https://h/t/three\n/t/four")
    assert text == "https://proxy/https://h/t/****/a http://h/pool/t/two https://h/t/****\n/t/four"


@pytest.mark.parametrize("word", ["http://", "https://a/", "://", "/t/", "http://x/t/", "https://u@"])
def test_a_word_of_many_urls_takes_no_longer_than_it_is(word: str) -> None:
    start = time.process_time()
    without_secrets_in("http://" + word * 20_000)
    assert time.process_time() - start < 2
