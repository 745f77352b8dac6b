"""How a CSV file is written is found out from its head, the same each time."""

from __future__ import annotations

import codecs

import pytest

from builder.data.tables.dialect import DialectError, encoding_of, read_dialect


def dialect(head: bytes, encoding: str = "utf-8", *, whole: bool = True):
    return read_dialect(head, encoding, whole=whole)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"], ids=["comma", "semicolon", "tab", "bar"])
def test_what_parts_the_columns_is_found(delimiter):
    found = dialect(f"a{delimiter}b\n1,5{delimiter}2,5\n".replace("1,5", "15").replace("2,5", "25").encode())
    assert (found.delimiter, found.columns) == (delimiter, ("a", "b"))


@pytest.mark.parametrize(
    ("text", "delimiter", "columns"),
    [
        ("price;note\n1,5;a,b,c\n2,5;d\n", ";", 2),
        ("name, first;age\nx;1\ny;2\n", ";", 2),
        ('a,b\n"1;2;3","x\n;y"\n', ",", 2),
        ("a,b\n1,2,3\n4,5\n", ",", 2),
        ("name\nfoo\nbar\n", ",", 1),
        ("a|b|c\n1,2|3|4\n", "|", 3),
    ],
    ids=["decimal commas", "comma in a name", "quoted", "ragged", "one column", "bar"],
)
def test_the_way_of_parting_that_explains_most_rows_is_taken(text, delimiter, columns):
    found = dialect(text.encode())
    assert (found.delimiter, len(found.columns)) == (delimiter, columns)


def test_a_row_that_the_head_cuts_tells_nothing():
    assert dialect(b'a;b\n1;2\n"3,,,,', whole=False).delimiter == ";"


def test_a_mark_is_no_part_of_the_first_name():
    assert dialect(codecs.BOM_UTF8 + b"a,b\n").columns == ("a", "b")
    assert dialect("a,b\n".encode("utf-16"), "utf-16").columns == ("a", "b")


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (b"", "it is empty"),
        (b"\n\n", "it is empty"),
        (codecs.BOM_UTF8, "it is empty"),
        (b"a,a\n", "the column `a` stands twice"),
        (b"a,A\n", "the column `A` stands twice, as `a` too"),
        (b"a,,c\n", "column 2 has no name"),
        (b"a,b\n1,\0\n", "line 2 has a NUL byte"),
        (b"a,b\n1,2\n1,\xe9\n", "line 3 is not UTF-8"),
    ],
    ids=["empty", "blank", "mark alone", "twice", "case", "no name", "NUL", "latin-1"],
)
def test_a_head_that_cannot_be_used_says_why(head, why):
    with pytest.raises(DialectError, match=why):
        dialect(head)


def test_a_first_row_without_an_end_is_refused():
    with pytest.raises(DialectError, match="does not end within 1 MiB"):
        dialect(b'"a' + b"x" * 1000, whole=False)


def test_an_encoding_is_what_is_declared_or_marked_or_utf_8():
    assert encoding_of(b"a,b") == "utf-8"
    assert encoding_of(b"a,b", "latin-1") == "latin-1"
    assert encoding_of("a".encode("utf-16")) == "utf-16"
    with pytest.raises(DialectError, match="`klingon` is no encoding"):
        dialect(b"a,b\n", "klingon")
