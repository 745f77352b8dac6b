"""Tables with data about people in some columns, and with columns that only look so, for measuring `data scan`.

Numbers with check digits are computed here by the rules that the offices publish, not by the code under test.
"""

from table_corpus.harmless import harmless
from table_corpus.people import people
from table_corpus.planted import PlantedColumn, PlantedTable

__all__ = ["PlantedColumn", "PlantedTable", "corpus"]


def corpus() -> list[PlantedTable]:
    """All of it, in the same order with the same values each time."""
    return [*people(), *harmless()]
