"""Tables that people hand to each other: what is promised of them, and whether it holds.

`tables` reads files of rows, `contract` what is promised (ODCS); every other room does one thing with both. Knows no
bundle.
"""
