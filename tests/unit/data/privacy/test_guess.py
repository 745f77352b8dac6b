"""What a column's name and values say of what is in it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.data.privacy.guess import guess
from builder.data.privacy.names import words_of

CASES = [
    ("email", ["a.b@mail.de"], "email"),
    ("x", ["a.b@mail.de", None, "c.d@corp.com"], "email"),
    ("customerName", ["Anna Smith"], "name"),
    ("Name", ["Braund, Mr. Owen Harris", "Heikkinen, Miss. Laina"], "name"),
    ("name", ["ford pinto", "chevrolet chevelle malibu"], None),
    ("name", ["setosa"], None),
    ("product_name", ["Apple Watch"], None),
    ("sex", ["male", "female"], "gender"),
    ("sex_ratio", [0.97, 1.02], None),
    ("ip", ["84.12.1.9"], "ip-address"),
    ("version", ["1.2.3.4", "1.2.3.5"], None),
    ("lat", [48.1, -33.2], "coordinates"),
    ("Alter", [34, 35.0], "age"),
    ("age", ["Pleistocene"], None),
    ("house_age", [3], None),
    ("salary", [10_000], "salary"),
    ("ssn", ["219-09-1234"], "national-number"),
    ("x", [f"AB {n} 34 56 C" for n in range(10, 20)], "national-number"),
    ("passport_no", ["C01X00T47"], "passport"),
    ("Geburtsdatum", [date(1999, 1, 2)], "birth-date"),
    ("born", [1987], "birth-date"),
    ("电话号码", ["13800138000"], "phone"),
    ("plz", ["10115"], "postcode"),
    ("species", ["Adelie"], None),
    ("amount", [Decimal("1.5"), float("nan"), True, b"x"], None),
    ("dob", [None], "birth-date"),
    ("", [], None),
]


@pytest.mark.parametrize(("name", "values", "kind"), CASES, ids=[f"{name}-{n}" for n, (name, *_) in enumerate(CASES)])
def test_a_kind_is_told_by_name_and_values(name: str, values: list[object], kind: str | None) -> None:
    found = guess(name, values)
    assert (found and found.kind) == kind
    if found:
        assert found.classification in ("confidential", "restricted")
        assert not [value for value in values if isinstance(value, str) and len(value) > 4 and value in found.reason]


def test_health_and_numbers_of_people_are_restricted() -> None:
    for name, value in (("diagnosis", "J45.0"), ("iban", "DE02120300000000202051"), ("religion", "none")):
        found = guess(name, [value])
        assert found is not None
        assert found.classification == "restricted"


def test_names_are_taken_apart_at_capitals_signs_and_accents() -> None:
    assert words_of("customerEMail_2") == ("customer", "e", "mail")
    assert words_of("IPAddress") == ("ip", "address")
    assert words_of("Straße  N°") == ("strasse", "n")
    assert words_of("Prénom") == ("prenom",)


_ODD = ["DE\u0663\u0664 1234 5678 9012", "\uff14" + "\uff11" * 15, "159959197001165679", "1.1.1.1" * 9]


@pytest.mark.parametrize("value", _ODD, ids=["arabic-digits", "wide-digits", "no-county", "long"])
def test_numbers_that_nobody_has_are_none(value: str) -> None:
    assert guess("x", [value] * 10) is None


def test_a_masked_value_is_none() -> None:
    assert guess("x", ["***@mail.de"] * 20) is None


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=40), st.lists(st.one_of(st.text(max_size=60), st.integers(), st.floats(), st.none()), max_size=8)
)
def test_nothing_is_too_odd_to_be_looked_at(name: str, values: list[object]) -> None:
    found = guess(name, values)
    assert found is None or found.reason


def test_every_form_has_its_check() -> None:
    from builder.data.privacy.kinds import FORMS, KINDS

    for form in FORMS:
        assert form.kind in KINDS
        assert form.check("12.3456, 1.2345") in (True, False)
