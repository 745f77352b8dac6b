"""Expressions that runs are found by: `auc > 0.9 and params.lr < 0.1`. Pure.

`facts` says which names and values a run has, `parse` reads an expression, `evaluate` says whether it holds.
"""

from builder.history.search.evaluate import holds, predicate
from builder.history.search.expression import Expression, all_of, any_equal, names_of, one_of
from builder.history.search.parse import parse_search

__all__ = ["Expression", "all_of", "any_equal", "holds", "names_of", "one_of", "parse_search", "predicate"]
