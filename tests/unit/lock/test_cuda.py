from __future__ import annotations

import pytest

from builder.fetch import Mirrors
from builder.lock.cuda import PYTORCH_PACKAGES, cuda_index
from builder.lock.indexes import requested_indexes
from builder.lock.interface import FileIndex
from builder.spec.cuda import Cuda
from builder.spec.environment import Index

CUDA = Cuda("12.8")
PYTORCH = "https://download.pytorch.org/whl/cu126"


def test_the_index_is_pytorchs_for_the_version_and_for_its_packages_alone() -> None:
    assert cuda_index(CUDA, ()) == Index(
        "pytorch-cu128", "https://download.pytorch.org/whl/cu128/", PYTORCH_PACKAGES, default=False
    )


def test_an_index_of_a_team_takes_nothing_from_it() -> None:
    index = cuda_index(CUDA, (Index("corp", "https://corp.example/simple/", default=True),))
    assert index is not None
    assert index.packages == PYTORCH_PACKAGES


@pytest.mark.parametrize(
    "own",
    [
        Index("own", "https://corp.example/simple/", ("Torch",)),
        Index("own", PYTORCH),
        Index("own", f"{PYTORCH}/", default=True),
    ],
    ids=["torch has an index", "pytorch is asked", "pytorch in place of pypi"],
)
def test_there_is_none_where_torch_has_its_place(own: Index) -> None:
    assert cuda_index(CUDA, (own,)) is None


def test_a_requirements_file_that_names_pytorchs_index_is_taken_at_its_word() -> None:
    assert cuda_index(CUDA, requested_indexes((), (FileIndex(PYTORCH, "requirements.in:1"),))) is None


def test_packages_with_an_index_of_their_own_are_left_to_it_and_names_stay_different() -> None:
    index = cuda_index(CUDA, (Index("PyTorch_cu128", "https://corp.example/simple/", ("torch_tensorrt", "xformers")),))
    assert index is not None
    assert index.name == "pytorch-cu128-2"
    assert {*PYTORCH_PACKAGES} - {*index.packages} == {"torch-tensorrt", "xformers"}


def test_a_lock_names_one_place_of_pytorchs_files_wherever_they_were_had() -> None:
    mirrors = Mirrors.from_environment({"ENVBUILD_PYTORCH_MIRROR": "https://me:secret@mirror.example/torch"})
    file = "cu128/torch-2.7.0%2Bcu128-cp311-cp311-manylinux_2_28_x86_64.whl"
    for place in ("https://mirror.example/torch/", "https://download-r2.pytorch.org/whl/"):
        assert mirrors.published(place + file) == f"https://download.pytorch.org/whl/{file}"
    assert mirrors.published(f"https://mirror.example/{file}") == f"https://mirror.example/{file}"
    for host in ("download.pytorch.org", "download-r2.pytorch.org"):
        assert mirrors.candidates(f"https://{host}/whl/{file}") == (f"https://mirror.example/torch/{file}",)
    assert "secret" not in repr(mirrors)
