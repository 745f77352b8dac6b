"""Asking NVIDIA's management library (NVML) which driver is loaded.

Its functions return 0, or a number that says what is wrong (nvml.h, nvmlReturn_t).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ctypes

_NOT_LOADED = 9
"""NVML_ERROR_DRIVER_NOT_LOADED."""
_LONGEST_VERSION = 80
"""NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE."""


class NvmlError(Exception):
    """The library is there and does not tell."""


class LibraryMissingError(NvmlError):
    """There is no such library."""


class NoDriverError(Exception):
    """The library is there, and no driver is loaded."""


def ask(name: str) -> tuple[str, str | None]:
    """The version of the driver, and the newest CUDA version that it knows, if the library can tell that.

    Raises: NvmlError; NoDriverError.
    """
    import ctypes

    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        kind = LibraryMissingError if "No such file" in str(error) else NvmlError
        raise kind(str(error)) from error
    _call(library, "nvmlInit_v2")
    try:
        text = ctypes.create_string_buffer(_LONGEST_VERSION)
        _call(library, "nvmlSystemGetDriverVersion", text, ctypes.c_uint(_LONGEST_VERSION))
        return text.value.decode("ascii", "replace"), _cuda(library)
    finally:
        with suppress(NvmlError):
            _call(library, "nvmlShutdown")


def _cuda(library: ctypes.CDLL) -> str | None:
    import ctypes

    number = ctypes.c_int()
    try:
        _call(library, "nvmlSystemGetCudaDriverVersion_v2", ctypes.byref(number))
    except NvmlError:
        return None
    major, rest = divmod(number.value, 1000)
    return f"{major}.{rest // 10}"


def _call(library: ctypes.CDLL, function: str, *arguments: object) -> None:
    try:
        code = getattr(library, function)(*arguments)
    except AttributeError as error:
        raise NvmlError(f"it has no {function}") from error
    if code == _NOT_LOADED:
        raise NoDriverError("no driver is loaded")
    if code:
        raise NvmlError(f"{function} failed with error {code}")
