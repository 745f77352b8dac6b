from __future__ import annotations

import pytest

from builder.errors import EnvbuildError
from builder.oci.registry.reference import Reference

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "full", "url"),
    [
        ("python", "docker.io/library/python:latest", "https://registry-1.docker.io/v2/library/python"),
        ("python:3.11-slim", "docker.io/library/python:3.11-slim", "https://registry-1.docker.io/v2/library/python"),
        ("team/base", "docker.io/team/base:latest", "https://registry-1.docker.io/v2/team/base"),
        ("docker.io/python", "docker.io/library/python:latest", "https://registry-1.docker.io/v2/library/python"),
        ("index.docker.io/a/b:1", "docker.io/a/b:1", "https://registry-1.docker.io/v2/a/b"),
        ("registry.example/base", "registry.example/base:latest", "https://registry.example/v2/base"),
        (
            "registry.example:5000/a/b/c:1.2",
            "registry.example:5000/a/b/c:1.2",
            "https://registry.example:5000/v2/a/b/c",
        ),
        ("localhost/base:1", "localhost/base:1", "http://localhost/v2/base"),
        ("localhost:5000/base:1", "localhost:5000/base:1", "http://localhost:5000/v2/base"),
        ("127.0.0.1:5000/base:1", "127.0.0.1:5000/base:1", "http://127.0.0.1:5000/v2/base"),
        ("[::1]:5000/base:1", "[::1]:5000/base:1", "http://[::1]:5000/v2/base"),
        ("127.0.0.2:5000/base:1", "127.0.0.2:5000/base:1", "https://127.0.0.2:5000/v2/base"),
        ("localhost.example/base:1", "localhost.example/base:1", "https://localhost.example/v2/base"),
        (f"r.example/b@{DIGEST}", f"r.example/b@{DIGEST}", "https://r.example/v2/b"),
        (f"r.example/b:1@{DIGEST}", f"r.example/b:1@{DIGEST}", "https://r.example/v2/b"),
    ],
)
def test_names_are_read_as_docker_reads_them(text: str, full: str, url: str) -> None:
    reference = Reference.parse(text)
    assert str(reference) == full
    assert reference.url == url
    assert Reference.parse(full) == reference


def test_a_digest_says_more_than_a_tag() -> None:
    assert Reference.parse(f"r.example/b:1@{DIGEST}").selector == DIGEST
    assert Reference.parse("r.example/b:1").selector == "1"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the repository"),
        ("r.example/Base", "lower case"),
        ("r.example/a//b", "the repository"),
        ("r.example/../b", "the repository"),
        ("r.example/b:", "the tag"),
        ("r.example/b:a b", "the tag"),
        ("r.example/b:" + "x" * 129, "the tag"),
        ("r.example/" + "x" * 300, "255 characters"),
        ("https://r.example/b", "the registry"),
        ("user:secret@r.example/b", "`sha256:`"),
        ("r.example:port/b", "the registry"),
        ("-r.example/b", "the registry"),
        ("r.example/b@sha256:abc", "`sha256:`"),
        ("r.example/b@sha512:" + "a" * 128, "`sha256:`"),
    ],
)
def test_what_is_no_name_of_an_image_is_refused(text: str, why: str) -> None:
    with pytest.raises(EnvbuildError) as caught:
        Reference.parse(text)
    assert why in caught.value.why[0]


@pytest.mark.parametrize(
    "text",
    [
        "https://me:secret@r.example/b:1",
        "me:secret@r.example/b",
        "me:sec/secret@r.example/b",
        "me:p@secret@r.example/b",
    ],
)
def test_a_login_in_a_name_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(EnvbuildError, match="a login has no place") as caught:
        Reference.parse(text)
    assert "secret" not in str([caught.value.what, caught.value.why, caught.value.hint])


def test_a_place_has_no_tag_unless_one_is_given() -> None:
    assert Reference.parse_place("r.example/b").tag is None
    assert Reference.parse_place("r.example/b:1").tag == "1"


def test_a_repository_can_be_named_below_another() -> None:
    assert str(Reference.parse_place("localhost:5000/team").below("plain")) == "localhost:5000/team/plain"
    assert str(Reference.parse_place("r.example/team:1").below("plain")) == "r.example/team/plain:1"
    with pytest.raises(EnvbuildError, match="is not the name of an image"):
        Reference.parse_place("r.example/team").below("Plain")
