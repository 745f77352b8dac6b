"""Runs in an image: compiles sources that are handed in, and writes each one's code object (PEP 3147, PEP 552).

Needs only the standard library of a Python from 3.11 on. Nothing of what is compiled is run. The sources are one file
of records: the lengths of path and text (4 bytes each, little-endian), the path that the code object names, the text.
The answer begins with the interpreter's magic number; then come records in any order: the number of the source, the
length of what follows or -1 where the source does not compile (4 bytes each), the source's hash (8 bytes), the code
object.
"""

import _imp
import marshal
import os
import resource
import struct
import sys
from importlib.util import MAGIC_NUMBER

SOURCES, ANSWER = "/envbuild/sources", "/build/bytecode"
LENGTHS, HEAD = struct.Struct("<II"), struct.Struct("<Ii8s")
NOT_COMPILED = -1


def main(order):
    """Compile everything, the last one first if `order` is `backwards`."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    key = int.from_bytes(MAGIC_NUMBER, "little")
    with open(SOURCES, "rb") as sources, open(ANSWER, "wb") as answer:
        answer.write(MAGIC_NUMBER)
        places = list(records(sources))
        numbers = range(len(places))
        for number in reversed(numbers) if order == "backwards" else numbers:
            place, path_length, length = places[number]
            sources.seek(place)
            path = os.fsdecode(sources.read(path_length))
            text = sources.read(length)
            code = compiled(text, path)
            size = NOT_COMPILED if code is None else len(code)
            answer.write(HEAD.pack(number, size, _imp.source_hash(key, text)))
            answer.write(code or b"")


def records(sources):
    """Where each record's path begins, and its two lengths."""
    while head := sources.read(LENGTHS.size):
        path_length, length = LENGTHS.unpack(head)
        yield sources.tell(), path_length, length
        sources.seek(path_length + length, os.SEEK_CUR)


def compiled(text, path):
    """The code object, marshalled, or None where `text` is no program of this Python."""
    try:
        return marshal.dumps(compile(text, path, "exec", dont_inherit=True, optimize=0))
    except (SyntaxError, ValueError, RecursionError):
        return None


if __name__ == "__main__":
    main(sys.argv[1])
