"""Files with something planted in them, and files with nothing, for measuring what scans find and what they make up.

Nothing that looks like a secret is in these sources: tokens are put together when the tests run.
"""

from scan_corpus.negatives import negatives
from scan_corpus.people import people
from scan_corpus.planted import Planted
from scan_corpus.serialised import serialised
from scan_corpus.tokens import tokens

__all__ = ["Planted", "corpus"]


def corpus() -> list[Planted]:
    """All of it, in the same order with the same bytes each time."""
    return [*tokens(), *serialised(), *people(), *negatives()]
