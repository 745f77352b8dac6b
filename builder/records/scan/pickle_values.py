"""What is known of the values that a pickle makes, and how large the arrays are that joblib puts between them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

_ARRAY_WRAPPERS = ("joblib.numpy_pickle", "sklearn.externals.joblib.numpy_pickle")


class MalformedPickleError(Exception):
    """What follows is no pickle, or one that breaks off; the text says why."""


class TooLargeError(Exception):
    """There is more than can be followed; the text says of what."""


@dataclass(frozen=True, slots=True)
class Import:
    """A name that a pickle imports."""

    module: str
    name: str

    def __str__(self) -> str:
        """`module.name`."""
        return f"{self.module}.{self.name}"


HIDDEN: Final = Import("", "")
"""An import whose name is computed while the pickle is loaded."""
EXTENSION: Final = Import("", "extension")
"""An import by a number that only the loading program knows."""


class _Token:
    """Stands for itself."""


UNKNOWN: Final = _Token()
"""A value of which nothing is known."""
MARK: Final = _Token()
"""Where a sequence begins on the stack."""


@dataclass(slots=True)
class Made:
    """What a class or a function gave."""

    by: Any
    arguments: Any
    state: dict[Any, Any] = field(default_factory=dict)

    @property
    def is_array_wrapper(self) -> bool:
        """Whether it stands for an array that follows it in the stream."""
        by = self.by
        return isinstance(by, Import) and by.name == "NumpyArrayWrapper" and by.module in _ARRAY_WRAPPERS

    @property
    def padding_is_told(self) -> bool:
        """Whether a byte in front of the array says how many more there are."""
        return isinstance(self.state.get("numpy_array_alignment_bytes"), int)

    def array_size(self) -> int | None:
        """Bytes of the array; None where it holds objects, and is a pickle.

        Raises: MalformedPickleError, if that cannot be told.
        """
        size, shape = _item_size(self.state.get("dtype")), self.state.get("shape")
        if not isinstance(shape, tuple) or not all(isinstance(length, int) and length >= 0 for length in shape):
            raise MalformedPickleError("an array in it has no shape")
        for length in shape:
            size = size and size * length
        return size


def _item_size(dtype: Any) -> int | None:
    """Bytes of an element of an array; None of objects. `dtype` is what `numpy.dtype` was called with: `f8`, `U12`."""
    arguments = dtype.arguments if isinstance(dtype, Made) else ()
    text = arguments[0] if isinstance(arguments, tuple) and arguments else None
    code = text.lstrip("<>|=") if isinstance(text, str) else ""
    kind, digits = code[:1], code[1:]
    if kind == "O":
        return None
    if kind not in ("b", "i", "u", "f", "c", "S", "U", "V", "m", "M") or not digits.isdecimal() or len(digits) > 9:
        raise MalformedPickleError("an array in it is of a type that is not known")
    return int(digits) * (4 if kind == "U" else 1)
