"""Which index gives PyTorch's wheels for a CUDA version. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from builder.fetch.access import variable_name
from builder.fetch.mirrors import PYTORCH_WHEELS
from builder.fetch.project_name import normalised
from builder.lock.indexes import folder_of
from builder.spec.cuda import Cuda
from builder.spec.environment import Index

PYTORCH_PACKAGES = (
    "fbgemm-gpu", "fbgemm-gpu-genai", "pytorch-triton", "torch", "torch-tensorrt", "torchao", "torchaudio",
    "torchcodec", "torchrec", "torchtext", "torchvision", "triton", "xformers",
)  # fmt: skip
"""What PyTorch's indexes have in builds for one CUDA version, and the compiler that belongs to them.

NVIDIA's own packages, which these ask for by version, are on PyPI.
"""


def cuda_index(cuda: Cuda, others: Sequence[Index]) -> Index | None:
    """PyTorch's index for a CUDA version, for its own packages alone; `others` are the indexes that are asked anyway.

    Where one of those is PyTorch's for everything, or has `torch` to itself, that is meant: then there is none.
    """
    owned = {normalised(name) for index in others for name in index.packages}
    if "torch" in owned or any(_is_pytorchs(index.url) and not index.packages for index in others):
        return None
    packages = tuple(name for name in PYTORCH_PACKAGES if name not in owned)
    return Index(_free_name(f"pytorch-{cuda.tag}", others), index_url(cuda), packages)


def index_url(cuda: Cuda) -> str:
    """Of PyTorch's index for a CUDA version."""
    return f"{PYTORCH_WHEELS[0]}{cuda.tag}/"


def _is_pytorchs(url: str) -> bool:
    return folder_of(url).startswith(PYTORCH_WHEELS)


def _free_name(name: str, others: Sequence[Index]) -> str:
    taken = {variable_name(index.name) for index in others}
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(free for free in names if variable_name(free) not in taken)
