"""Comparing the files of an image with the lock that it says it was made of: every package there, and nothing else.

What a package's files have to be is read from the image itself: RECORD of wheels, `conda-meta` of conda packages,
`md5sums` of Debian's. So this finds what was changed, added or left out, and not a package whose list was changed
along with it: that is found by building again. How it is used:

    report = validate(layout, top, Question(WANTED, packages_of))
    for image in report.images:
        compare(image, lock)
"""
