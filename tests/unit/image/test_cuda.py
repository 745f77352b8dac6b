"""What an image says of the CUDA version that it was locked for; another image says nothing and keeps its digest."""

from __future__ import annotations

from dataclasses import replace

from made_locks import made_deb, made_lock, made_wheel

from builder.image.config import bundle_config, environment_config
from builder.lock.document import Lock
from builder.oci.documents import Platform
from builder.plan import make_plan
from builder.spec import Environment, PyPI
from builder.spec.cuda import Cuda

AMD64 = Platform("amd64")
LABELS = {"dev.envbuild.cuda": "12.8", "dev.envbuild.nvidia-driver": "525.60.13"}
VARIABLES = {
    "NVIDIA_VISIBLE_DEVICES=all",
    "NVIDIA_DRIVER_CAPABILITIES=compute,utility",
    "NVIDIA_REQUIRE_CUDA=cuda>=12.0",
}


def lock(cuda: str | None) -> Lock:
    spec = Environment("3.11", pypi=PyPI(("torch",)), cuda=cuda)
    return made_lock(spec, [made_wheel("torch")], [made_deb("base-files")])


def test_labels_and_variables_name_the_driver_and_bundles_keep_them() -> None:
    environment = environment_config(make_plan(lock("12.8"), AMD64), ())
    bundle = bundle_config(environment, (), {"title": "x"}, {"PYTHONPATH": "/app"}, ())
    for config in (environment, bundle):
        assert config.labels.items() >= LABELS.items()
        assert {*config.env} >= VARIABLES


def test_without_cuda_nothing_is_said() -> None:
    config = environment_config(make_plan(lock(None), AMD64), ())
    assert not any("NVIDIA" in variable for variable in config.env)
    assert not any("cuda" in label or "nvidia" in label for label in config.labels)


def test_the_version_is_part_of_what_names_an_image() -> None:
    plan = make_plan(lock("12.8"), AMD64)
    assert plan.cuda == Cuda("12.8")
    assert len({plan.key, replace(plan, cuda=None).key, replace(plan, cuda=Cuda("12.6")).key}) == 3


def test_a_lock_whose_version_is_none_names_none() -> None:
    found = lock("12.8")
    document = replace(found.document, spec={**found.document.spec, "cuda": "12.8\nRUN x"})
    assert make_plan(replace(found, document=document), AMD64).cuda is None


def test_what_the_image_says_is_what_a_run_reads() -> None:
    assert Cuda.of_labels(environment_config(make_plan(lock("12.8"), AMD64), ()).labels) == Cuda("12.8")
