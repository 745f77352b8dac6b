from __future__ import annotations

import random
import re

import pytest

from builder.lock.data.glob import Glob


@pytest.mark.parametrize(
    ("pattern", "taken", "left"),
    [
        ("*.csv", ("a.csv", ".csv"), ("a/b.csv", "a.csv.gz", "acsv")),
        ("**/*.csv", ("a.csv", "x/y/a.csv"), ("a.txt", "x/y/a.csv/b")),
        ("x/**", ("x/a", "x/y/a"), ("x/", "x", "y/a")),
        ("a**b", ("axb", "ax/yb"), ("ab", "a/b/c")),
        ("a**/b", ("ab", "ax/b"), ("axb", "a/x")),
        ("a*b*c", ("abc", "a1b2c", "abbcc"), ("a/bc", "acb")),
        ("part[1].*", ("part[1].csv",), ("part1.csv",)),
    ],
)
def test_a_star_stays_within_a_part_and_two_go_across(
    pattern: str, taken: tuple[str, ...], left: tuple[str, ...]
) -> None:
    glob = Glob(pattern)
    assert all(map(glob.matches, taken))
    assert not any(map(glob.matches, left))


def test_a_pattern_takes_what_the_expression_of_its_parts_takes() -> None:
    parts = {"*": "[^/]*", "**": ".+", "**/": "(?:.+/)?", "a": "a", "b": "b", "/": "/"}
    dice, taken = random.Random(1), 0
    for _ in range(2000):
        words = dice.choices(list(parts), k=dice.randint(1, 7))
        if "***" in (pattern := "".join(words)):
            continue
        words = [word for word in re.split(r"(\*\*/|\*\*|\*|/)", pattern) if word]
        expression = re.compile("".join(parts.get(word, word) for word in words), re.DOTALL)
        glob = Glob(pattern)
        for path in ("".join(dice.choices("aab/\n", k=dice.randint(0, 9))) for _ in range(8)):
            assert glob.matches(path) == bool(expression.fullmatch(path)), (pattern, path)
            taken += glob.matches(path)
    assert taken > 500


def test_many_stars_take_no_longer_than_the_name_is_long() -> None:
    """A backtracking expression has 60 over 8 ways to try here, and 4000 over 10 there."""
    assert not Glob("*a" * 8 + "*b").matches("a" * 60)
    assert Glob("*a" * 8 + "*b").matches("a" * 60 + "b")
    assert not Glob("**a" * 10 + "**b").matches("a/" * 2000)
