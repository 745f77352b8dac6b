"""Debian packages: from a suite, an architecture and names to the exact closure that apt would install, by digest.

`archive` reads the archives, `release` trusts them, `packages` parses their indexes, `solve` chooses;
`suites` is what is known of each suite beforehand.
"""
