"""Looking for what must not change hands: secrets, pickles that run code, personal data. Nothing is ever loaded or run.

Owns the rules, the readers of files, what a finding is, and what is written down of a scan. Which files are looked at
is said elsewhere. What was found is told by rule and place; the secret itself is in no finding.
"""
