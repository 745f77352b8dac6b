"""What Docker Engine and the libraries on the way to it say, in one line."""

from __future__ import annotations


def root_cause(error: BaseException) -> str:
    """The operating system's words, which libraries wrap several times; without any, the outermost ones."""
    found, waiting, seen = "", [error], set()
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, OSError) and current.strerror:
            found = current.strerror
        inner = (*current.args, getattr(current, "reason", None), current.__cause__, current.__context__)
        waiting += [item for item in inner if isinstance(item, BaseException)]
    return found or first_line(error)


def first_line(error: BaseException) -> str:
    """What an engine's answer says, or else the error."""
    explanation = getattr(error, "explanation", None) or str(error)
    return str(explanation).strip().partition("\n")[0][:300]
