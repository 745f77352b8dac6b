"""How confidential a column is: ODCS's `classification`, whose words everyone chooses, as four levels. Pure."""

from __future__ import annotations

LEVELS = ("public", "internal", "confidential", "restricted")
"""From what anyone may see to what few may."""
_OTHER_WORDS = {"": "public", "none": "public", "open": "public", "private": "confidential", "secret": "restricted"}


def class_of(classification: str | None) -> str:
    """The level that a classification stands for; a word that is not known counts as confidential."""
    word = (classification or "").strip().lower()
    word = _OTHER_WORDS.get(word, word)
    return word if word in LEVELS else "confidential"


def level_of(classification: str | None) -> int:
    """How high its level is, from 0 for what is public."""
    return LEVELS.index(class_of(classification))
