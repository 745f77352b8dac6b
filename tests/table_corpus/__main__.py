"""`PYTHONPATH=tests python -m table_corpus` prints the table that docs/guides/privacy.md has, and what went wrong."""

from table_corpus import corpus
from table_corpus.measure import judged, measure, table

scores, wrong = measure(judged(corpus()))
print(table(scores))
print(*wrong, sep="\n")
