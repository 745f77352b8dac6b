from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from builder.errors import EnvbuildError
from builder.lock.artifact import DebianPackage, Wheel
from builder.lock.document import Interpreter, Lock, LockDocument, PlatformLock
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.plan import ALONE_SIZE, LayerPlan, Plan, make_plan

AMD64, ARM64 = Platform("amd64"), Platform("arm64")
INTERPRETER = Interpreter("debian", "3.11.2", "/usr/bin/python3.11")


def wheel(name: str, version: str = "1.0", size: int = 1000) -> Wheel:
    digest = Digest.of(f"{name} {version}".encode())
    return Wheel(name, version, f"{name}-{version}-py3-none-any.whl", digest, size, f"https://x/{name}")


def deb(name: str, version: str = "1.0", size: int = 1000) -> DebianPackage:
    return DebianPackage(name, version, "amd64", Digest.of(f"deb {name} {version}".encode()), size, ("http://x",))


def lock(debian: Sequence[DebianPackage], wheels: Sequence[Wheel], platform: Platform = AMD64) -> Lock:
    platforms = {platform: PlatformLock("bookworm", INTERPRETER, tuple(debian), "pylock.x.toml", Digest("0" * 64))}
    document = LockDocument({}, {}, 1, "1980-01-02T00:00:00Z", platforms)
    return Lock(document, Digest("1" * 64), {platform: tuple(wheels)}, {}, {})


DEBIAN = [deb(f"lib{number}") for number in range(40)] + [deb("big", size=ALONE_SIZE)]
WHEELS = [wheel(f"pkg{number}") for number in range(80)] + [wheel(f"big{n}", size=ALONE_SIZE + n) for n in range(5)]


def plan(debian: Sequence[DebianPackage] = DEBIAN, wheels: Sequence[Wheel] = WHEELS) -> Plan:
    return make_plan(lock(debian, wheels), AMD64)


def changed(before: Plan, after: Plan) -> list[LayerPlan]:
    return [layer for layer in after.layers if layer.digests not in {one.digests for one in before.layers}]


def artifacts(layers: Iterable[LayerPlan]) -> list[str]:
    return sorted(artifact.name for layer in layers for artifact in (*layer.debian, *layer.wheels))


def test_plan_ignores_the_order_of_packages_in_the_lock() -> None:
    expected = plan()
    for seed in range(5):
        chance = random.Random(seed)
        assert plan(chance.sample(DEBIAN, len(DEBIAN)), chance.sample(WHEELS, len(WHEELS))) == expected


def test_plan_has_every_package_once() -> None:
    assert artifacts(layer for layer in plan().layers if layer.kind in ("debian", "python")) == sorted(
        artifact.name for artifact in (*DEBIAN, *WHEELS)
    )
    assert plan().debian == tuple(sorted(DEBIAN))
    assert plan().wheels == tuple(sorted(WHEELS))


def test_plan_puts_debian_below_system_below_environment_below_wheels() -> None:
    kinds = [layer.kind for layer in plan().layers]
    assert [kind for index, kind in enumerate(kinds) if index == 0 or kinds[index - 1] != kind] == [
        "debian", "system", "environment", "python",
    ]  # fmt: skip


def test_a_new_version_of_a_small_wheel_changes_one_layer() -> None:
    for number in (0, 40, 79):
        bumped = [wheel(one.name, "2.0") if one.name == f"pkg{number}" else one for one in WHEELS]
        (layer,) = changed(plan(), plan(wheels=bumped))
        assert f"pkg{number}" in artifacts([layer])


def test_a_new_version_of_a_large_wheel_changes_its_own_layer() -> None:
    bumped = [wheel("big3", "2.0", ALONE_SIZE * 2) if one.name == "big3" else one for one in WHEELS]
    assert artifacts(changed(plan(), plan(wheels=bumped))) == ["big3"]


def test_a_new_version_of_a_deb_changes_its_layer_and_the_system_files() -> None:
    bumped = [deb(one.name, "2.0") if one.name == "lib7" else one for one in DEBIAN]
    assert [layer.kind for layer in changed(plan(), plan(debian=bumped))] == ["debian", "system"]


def test_another_package_moves_none_that_was_there() -> None:
    (layer,) = changed(plan(), plan(wheels=[*WHEELS, wheel("new")]))
    assert "new" in artifacts([layer])


def test_a_large_package_is_alone_and_has_an_equal_layer_in_every_plan() -> None:
    alone = [layer for layer in plan().layers if artifacts([layer]) == ["big1"]]
    (other,) = [layer for layer in plan([], [wheel("x"), WHEELS[-4]]).layers if "big1" in artifacts([layer])]
    assert alone == [other]


def test_plan_of_a_thousand_packages_and_sixty_large_ones_stays_below_sixty_layers() -> None:
    wheels = [wheel(f"p{n}") for n in range(1000)] + [wheel(f"w{n}", size=ALONE_SIZE + n) for n in range(60)]
    debian = [deb(f"d{n}") for n in range(1000)] + [deb(f"g{n}", size=ALONE_SIZE + n) for n in range(60)]
    made = plan(debian, wheels)
    assert len(made.layers) + len(("model", "code", "documents")) <= 60
    assert len(artifacts(layer for layer in made.layers if layer.kind in ("debian", "python"))) == 2120
    alone = {artifacts([layer])[0] for layer in made.layers if len(layer.digests) == 1}
    assert {"w59", "g59"} <= alone, "the largest are alone"


def test_plan_of_nothing_has_the_frame_alone() -> None:
    assert [layer.kind for layer in plan([], []).layers] == ["system", "environment"]


def test_the_key_of_a_plan_depends_on_everything_that_an_image_is_made_of() -> None:
    made = plan()
    others = [
        replace(made, platform=ARM64),
        replace(made, base_name="debian:trixie"),
        replace(made, interpreter=replace(INTERPRETER, version="3.11.9")),
        replace(made, created="1981-01-02T00:00:00Z"),
        replace(made, layer_format=2),
        replace(made, lock_digest=Digest("2" * 64)),
        replace(made, layers=made.layers[:-1]),
        replace(made, layers=made.layers[::-1]),
        plan(wheels=WHEELS[:-1]),
    ]
    assert len({made.key, *(other.key for other in others)}) == len(others) + 1
    assert plan().key == made.key


def test_a_platform_that_is_not_locked_is_refused_by_name() -> None:
    with pytest.raises(EnvbuildError, match="the lock has no platform linux/arm64") as caught:
        make_plan(lock(DEBIAN, WHEELS), ARM64)
    assert caught.value.why == ("it has linux/amd64",)
