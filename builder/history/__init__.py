"""What was done and what came of it: the records of runs, and the outputs that are kept of them.

A run is a folder, `runs/<id>/` of its project: plain files that other tools can read. What lists and searches them is
made from the folders at any time.
"""
