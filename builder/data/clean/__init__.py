"""What a contract declares for missing and wrong values, done to a file; nothing else is changed.

custom properties `clean` -- rules --> what is to be done -- steps --> SQL -- clean --> a new file, and a record
"""
