"""The dictionary of data, the catalogue of features and the glossary: rendered from contracts and commands.

Nothing here is kept up to date by hand beside them: what a column means is in its contract, who uses it in the commands
that run.
"""
