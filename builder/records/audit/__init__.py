"""The audit trail: what was done with a bundle, by whom and when, as one file an event in a folder of a team.

A file is canonical JSON, named by its own SHA-256, and names the events before it. So files are only ever added, two
branches of a repository merge without conflicts, and what was changed or taken away shows.
"""
