"""Values that stand for no value, as many files have them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

TEXTS = ("NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None", "none", "?", "-", ".", "")
"""In a column of numbers or dates, each of them."""
_OF_TEXTS = ("NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "?", "")
"""In a column of texts, where `None` and `-` may be meant."""
NUMBERS = (-9999, -999, -99, 9999, 99999)
_FAR = 10
"""How many times the largest other number a positive one is, at least."""


def of_texts(seen: Iterable[str], longest: int) -> tuple[str, ...]:
    """Which of the texts that were seen stand for no value in a column of texts of at most `longest` letters.

    Among codes of two letters, `NA` is one: Namibia.
    """
    return tuple(text for text in _OF_TEXTS if text in set(seen) and not (text == "NA" and longest <= len(text)))


def of_numbers(counts: Mapping[int, int], least: float | None, most: float | None) -> tuple[str, ...]:
    """Which numbers stand for no value: those far from all others, which are from `least` to `most`."""
    if least is None or most is None:
        return ()
    found = [number for number in NUMBERS if counts.get(number) and _is_far(number, least, most)]
    return tuple(map(str, found))


def _is_far(number: int, least: float, most: float) -> bool:
    return least >= 0 if number < 0 else least >= 0 and number > _FAR * most
