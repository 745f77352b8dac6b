from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.records.licenses.expression import NOASSERTION, all_of, permits, spdx, terms


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("mit", "MIT"),
        ("apache-2.0 or mit", "Apache-2.0 OR MIT"),
        ("GPL-2.0", "GPL-2.0-only"),
        ("(LGPL-2.1+ OR AGPL-3.0) and GFDL-1.3+", "(LGPL-2.1-or-later OR AGPL-3.0-only) AND GFDL-1.3-or-later"),
        ("GPL-2.0-only with classpath-exception-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"),
        ("LicenseRef-Own", "LicenseRef-Own"),
        ("Apache-2.0+", "Apache-2.0+"),
        ("", None),
        ("BSD", None),
        ("MIT Apache-2.0", None),
        ("MIT AND", None),
        ("(" * 500 + "MIT" + ")" * 500, None),
        ("MIT OR " * 5000 + "MIT", None),
    ],
    ids=range(13),
)
def test_an_expression_is_spelled_as_spdx_spells_it_now(written: str, meant: str | None) -> None:
    assert spdx(written) == meant


@pytest.mark.parametrize(
    ("expression", "accepted", "permitted"),
    [
        ("MIT", "MIT", True),
        ("MIT AND ISC", "MIT", False),
        ("MIT OR ISC", "MIT", True),
        ("MIT OR ISC AND Zlib", "ISC", False),
        ("MIT OR ISC AND Zlib", "ISC Zlib", True),
        ("MIT AND ISC OR Zlib", "Zlib", True),
        ("(MIT OR ISC) AND Zlib", "MIT", False),
        ("(MIT OR (ISC AND X11)) AND Zlib", "ISC X11 Zlib", True),
    ],
)
def test_and_binds_stronger_than_or(expression: str, accepted: str, permitted: bool) -> None:
    assert permits(expression, accepted.split().__contains__) is permitted


_LICENSES = ("MIT", "ISC", "Zlib", "Apache-2.0 WITH LLVM-exception")
_EXPRESSIONS = st.recursive(
    st.sampled_from(_LICENSES),
    lambda inner: st.lists(inner, min_size=2, max_size=3).flatmap(
        lambda parts: st.sampled_from([" AND ", " OR "]).map(lambda join: f"({join.join(parts)})")
    ),
    max_leaves=12,
)


@given(_EXPRESSIONS)
def test_permitted_is_what_python_makes_of_the_same_formula(expression: str) -> None:
    formula = re.sub(r"(?<= )(AND|OR)(?= )", lambda match: match[0].lower(), expression)
    formula = formula.replace(_LICENSES[-1], "LLVM").replace("-", "_")
    for values in itertools.product([True, False], repeat=len(_LICENSES)):
        truth = dict(zip(_LICENSES, values, strict=True))
        names = {name.replace(_LICENSES[-1], "LLVM"): value for name, value in truth.items()}
        assert permits(expression, truth.__getitem__) is eval(formula, {}, names)
    assert set(terms(expression)) <= set(_LICENSES)
    assert spdx(expression) == expression


def test_all_of_several_are_joined_once_each() -> None:
    assert all_of(["MIT", "ISC OR Zlib", "MIT"]) == "(ISC OR Zlib) AND MIT"
    assert all_of(["MIT"]) == "MIT"
    assert all_of([]) == NOASSERTION
    assert all_of(f"LicenseRef-{number}" for number in range(5000)) == NOASSERTION
