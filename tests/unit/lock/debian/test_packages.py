from __future__ import annotations

import pytest

from builder.errors import EnvbuildError
from builder.lock.debian.packages import PARAGRAPH_LIMIT, PackagesIndex
from builder.lock.debian.relations import Relation, parse_groups, parse_relations


def test_package_is_found_wherever_the_chunks_are_cut(debian):
    text = "\n".join([debian.paragraph("aa", Provides="x"), debian.paragraph("bb"), debian.paragraph("cc")]).encode()
    for size in range(1, len(text) + 1):
        chunks = [text[start : start + size] for start in range(0, len(text), size)]
        index = PackagesIndex(chunks, "The index", "amd64")
        assert list(index.names) == ["aa", "bb", "cc"]
        assert index.newest("cc").fields["Filename"] == "pool/main/c/cc/cc_1.0_amd64.deb"
        assert list(index.providers("x")) == ["aa"]


@pytest.mark.parametrize("chunks", [[], [b""], [b"\n"]])
def test_empty_index_has_no_packages(chunks):
    index = PackagesIndex(chunks, "The index", "amd64")
    assert not index.names
    assert index.newest("a") is None
    assert index.first_mention("a") is None


def test_highest_version_of_an_index_counts(debian):
    index = debian.index(debian.paragraph("a", "1.9"), debian.paragraph("a", "1.10"), debian.paragraph("a", "1.2"))
    assert index.newest("a").version == "1.10"


def test_continued_lines_belong_to_their_field(debian):
    package = debian.index(debian.paragraph("a", Depends="b,\n c | d", Provides="x,\n y")).newest("a")
    assert [[str(relation) for relation in group] for group in package.requirements] == [["b"], ["c", "d"]]
    assert [str(relation) for relation in package.provides] == ["x", "y"]


def test_every_provided_name_leads_to_its_package(debian):
    index = debian.index(debian.paragraph("a", Provides="x (= 1:2),y,\n z:any"))
    assert [list(index.providers(name)) for name in "xyz"] == [["a"]] * 3


def test_relations_are_read_with_versions_and_qualifiers():
    assert parse_groups("a (>= 1:2-3) | b:any, c:amd64 (<<4) ,d") == (
        (Relation("a", None, ">=", "1:2-3"), Relation("b", "any")),
        (Relation("c", "amd64", "<<", "4"),),
        (Relation("d"),),
    )
    assert str(parse_relations("a:any (= 1)")[0]) == "a:any (= 1)"


@pytest.mark.parametrize("text", ["a (>= )", "a (1)", "a b", "a (= 1", "-a", "a | ", "../a"])
def test_malformed_relation_names_its_package_and_field(text, debian):
    package = debian.index(debian.paragraph("culprit", Depends=text)).newest("culprit")
    with pytest.raises(EnvbuildError, match="`culprit`") as caught:
        _ = package.requirements
    assert "Depends" in caught.value.why[0]


@pytest.mark.parametrize(
    "path",
    [
        "../../etc/passwd.deb", "pool/../../x.deb", "pool/main/../../x.deb", "/pool/main/x.deb", "pool//x.deb",
        "http://evil.example/x.deb", "pool/main/x.deb?y", "pool/main/x y.deb", "pool/main/x.exe", "", "pool/.x/x.deb",
        "pool/main/x@evil.example/x.deb", "pool/main/%2e%2e/x.deb", "pool/main/x.deb\\x.deb",
        "pool/" + "a/" * 999 + "x.deb",
    ],
)  # fmt: skip
def test_path_outside_the_pool_is_refused(path, debian):
    package = debian.index(debian.paragraph("a", Filename=path)).newest("a")
    with pytest.raises(EnvbuildError, match="`a` is malformed"):
        package.location()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"SHA256": None}, "no SHA256"),
        ({"Filename": None}, "Filename"),
        ({"Size": None}, "Size"),
        ({"Size": "-1"}, "Size"),
        ({"Size": "9" * 40}, "Size"),
        ({"Size": "٣"}, "Size"),
    ],
)
def test_missing_or_senseless_field_is_named(fields, reason, debian):
    package = debian.index(debian.paragraph("a", **fields)).newest("a")
    with pytest.raises(EnvbuildError) as caught:
        package.location()
    assert reason in caught.value.why[0]


def test_digest_of_another_form_is_refused(debian):
    package = debian.index(debian.paragraph("a", SHA256="d41d8cd98f00b204e9800998ecf8427e")).newest("a")
    with pytest.raises(EnvbuildError, match="not a SHA-256"):
        package.location()


def test_endless_line_is_refused_before_it_fills_memory():
    taken = 0

    def chunks():
        nonlocal taken
        yield b"Package: a\nDepends: "
        while True:
            taken += 1
            yield b"a" * 65536

    with pytest.raises(EnvbuildError, match="is malformed"):
        PackagesIndex(chunks(), "The index", "amd64")
    assert taken * 65536 <= PARAGRAPH_LIMIT + 65536


@pytest.mark.parametrize("text", [b"Version: 1\n", b"Package: a", b"<html>\n", b"Package: a\nVersion: 1\n\n\n\nx\n"])
def test_what_is_no_index_is_refused(text):
    with pytest.raises(EnvbuildError, match="The index is malformed"):
        PackagesIndex([text], "The index", "amd64")


def test_package_for_another_architecture_is_refused(debian):
    index = debian.index(debian.paragraph("a", Architecture="arm64"))
    with pytest.raises(EnvbuildError, match="is malformed") as caught:
        index.newest("a")
    assert "`arm64`" in caught.value.why[0]


def test_malformed_version_is_refused(debian):
    with pytest.raises(EnvbuildError, match="not a Debian version"):
        debian.index(debian.paragraph("a", "1 2")).newest("a")


def test_first_mention_is_of_the_whole_name_in_a_relation(debian):
    index = debian.index(
        debian.paragraph("one", Description="mta", Depends="mta-x, x-mta, mta:any"),
        debian.paragraph("two", Suggests="mta", Provides="mta"),
        debian.paragraph("mta"),
    )
    offset, rank, _ = index.first_mention("mta")
    assert (offset > 0, rank) == (True, 6)
    assert index.first_mention("nowhere") is None
