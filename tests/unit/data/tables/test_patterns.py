"""A contract's patterns of dates are Java's; what has no equal is refused."""

from __future__ import annotations

import pytest

from builder.data.tables.patterns import strptime_of


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("dd.MM.yyyy", "%d.%m.%Y"),
        ("M/d/yy h:mm a", "%-m/%-d/%y %-I:%M %p"),
        ("yyyyMMdd", "%Y%m%d"),
        ("dd MMM yyyy HH:mm:ss.SSS", "%d %b %Y %H:%M:%S.%g"),
        ("dd.MM.yyyy HH:mm XXX", "%d.%m.%Y %H:%M %z"),
        ("yyyy'W' ''%", "%YW '%%"),
        ("yyyy-MM-dd", ""),
        ("yyyy-MM-dd'T'HH:mm:ssXXX", ""),
    ],
)
def test_a_pattern_is_translated(pattern, wanted):
    assert strptime_of(pattern) == wanted


@pytest.mark.parametrize("pattern", ["YYYY-ww", "dd.MM.yyyy[ HH:mm]", "yyyy-QQ", "dd 'of", "ddd"])
def test_what_has_no_equal_is_refused(pattern):
    with pytest.raises(ValueError, match=r"not read|not closed"):
        strptime_of(pattern)
