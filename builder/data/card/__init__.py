"""What is told of a data set: a card for people, and the plain facts that its Croissant document has."""

from builder.data.card.facts import described, references_of, terms_of
from builder.data.card.markdown import CardFacts, data_card

__all__ = ["CardFacts", "data_card", "described", "references_of", "terms_of"]
