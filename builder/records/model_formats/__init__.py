"""What the files of a model are, told by their headers: no library of any framework, and no pickle is loaded.

Files are not trusted: what is read of one is bounded, and a file that is not what it claims is of an unknown format,
with the reason.
"""

from __future__ import annotations

import io
from typing import IO, Any, cast

from builder.records.model_formats import gguf, onnx, pickles, safetensors
from builder.records.model_formats.interface import UNKNOWN, MalformedError, ModelFile, Reading, Told

__all__ = ["UNKNOWN", "ModelFile", "recognise"]

_START = 4096
_PICKLES = (".pkl", ".pickle", ".p")
_JOBLIB = (".joblib", ".jl")
_TORCH = (".pt", ".pth", ".ckpt")


def recognise(file: IO[bytes], path: str, size: int) -> ModelFile:
    """What the file `path` of a model is, whose `size` bytes can be read from `file`, which can seek.

    Its bytes are asked first, then its name. Raises: OSError, if it cannot be read.
    """
    buffered = file if isinstance(file, io.BufferedReader | io.BytesIO) else io.BufferedReader(cast("Any", file))
    try:
        buffered.seek(0)
        start = buffered.read(_START)
        try:
            kind, told = _told(buffered, path.lower(), size, start)
        except MalformedError as error:
            return ModelFile(path, UNKNOWN, size, problem=f"it is no `{_claimed(path, start)}`: {error}")
        return ModelFile(path, kind, size, told.parameters, told.precision, told.details)
    finally:
        if buffered is not file:
            cast("io.BufferedReader[Any]", buffered).detach()


def _told(file: IO[bytes], name: str, size: int, start: bytes) -> tuple[str, Told]:
    """The format, and what it tells. Raises: MalformedError, if it is not what it claims to be."""
    if start.startswith(gguf.MAGIC) or name.endswith(".gguf"):
        return "gguf", gguf.read(Reading(file, size, gguf.LARGEST_HEADER))
    if name.endswith(".safetensors"):
        return "safetensors", safetensors.read(Reading(file, size, safetensors.LARGEST_HEADER + 8))
    if name.endswith(".onnx"):
        return "onnx", onnx.read(Reading(file, size, onnx.LARGEST_HEADER))
    if start.startswith(pickles.ZIP):
        torch = pickles.read_torch(file, size)
        return ("pt", torch) if torch else (UNKNOWN, Told())
    if safetensors.looks_like(start, size):
        return "safetensors", safetensors.read(Reading(file, size, safetensors.LARGEST_HEADER + 8))
    return _pickled(name, start)


def _pickled(name: str, start: bytes) -> tuple[str, Told]:
    content, compression = pickles.unpacked_start(start)
    if pickles.is_legacy_torch(content):
        return "pt", pickles.read_pickle(content, compression)
    if name.endswith(_JOBLIB) or (pickles.protocol(content) and b"joblib.numpy_pickle" in start):
        return "joblib", pickles.read_pickle(content, compression)
    if name.endswith(_PICKLES) or (pickles.protocol(content) and not compression):
        return "pickle", pickles.read_pickle(content, compression)
    if name.endswith(_TORCH):
        raise MalformedError("it is no archive of torch, and no pickle")
    return UNKNOWN, Told()


def _claimed(path: str, start: bytes) -> str:
    """What a file says that it is."""
    if start.startswith(gguf.MAGIC):
        return "gguf"
    if start.startswith(pickles.ZIP):
        return "zip"
    return path.rpartition(".")[2].lower() if "." in path else "safetensors"
