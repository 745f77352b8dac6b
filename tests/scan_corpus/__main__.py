"""`PYTHONPATH=tests python -m scan_corpus` prints the table that docs/guides/scans.md has, and what went wrong."""

from scan_corpus import corpus
from scan_corpus.measure import judged, measure, table

scores, wrong = measure(judged(corpus()))
print(table(scores))
print(*wrong, sep="\n")
