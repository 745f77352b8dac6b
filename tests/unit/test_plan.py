from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from builder.errors import EnvbuildError
from builder.lock.artifact import Archive, CondaPackage, DebianPackage, Wheel
from builder.lock.base_image import BaseImage
from builder.lock.base_image.pinned import Folder, Settings
from builder.lock.document import Interpreter, Lock, LockDocument, PlatformLock
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_LAYER_GZIP, Descriptor, Platform
from builder.plan import ALONE_SIZE, LayerPlan, Plan, make_plan

AMD64, ARM64 = Platform("amd64"), Platform("arm64")
INTERPRETER = Interpreter("debian", "3.11.2", "/usr/bin/python3.11")
OF_CONDA = Interpreter("conda", "3.11.2", "/opt/env/bin/python3.11")
ARCHIVE = Archive("https://x/cpython.tar.gz", Digest("3" * 64), None)
STANDALONE = Interpreter("standalone", "3.12.4", "/opt/python/bin/python3.12", ARCHIVE)


def wheel(name: str, version: str = "1.0", size: int = 1000) -> Wheel:
    digest = Digest.of(f"{name} {version}".encode())
    return Wheel(name, version, f"{name}-{version}-py3-none-any.whl", digest, size, f"https://x/{name}")


def deb(name: str, version: str = "1.0", size: int = 1000) -> DebianPackage:
    return DebianPackage(name, version, "amd64", Digest.of(f"deb {name} {version}".encode()), size, ("http://x",))


def conda(name: str, version: str = "1.0", size: int = 1000) -> CondaPackage:
    digest = Digest.of(f"conda {name} {version}".encode())
    return CondaPackage(name, version, "0", "linux-64", digest, "0" * 32, size, f"https://c/linux-64/{name}.conda")


def lock(
    debian: Sequence[DebianPackage],
    wheels: Sequence[Wheel],
    platform: Platform = AMD64,
    packages: Sequence[CondaPackage] = (),
    interpreter: Interpreter = INTERPRETER,
) -> Lock:
    platforms = {platform: PlatformLock("bookworm", interpreter, tuple(debian), "pylock.x.toml", Digest("0" * 64))}
    document = LockDocument({}, {}, 1, "1980-01-02T00:00:00Z", platforms)
    return Lock(document, Digest("1" * 64), {platform: tuple(wheels)}, {platform: tuple(packages)}, {})


DEBIAN = [deb(f"lib{number}") for number in range(40)] + [deb("big", size=ALONE_SIZE)]
WHEELS = [wheel(f"pkg{number}") for number in range(80)] + [wheel(f"big{n}", size=ALONE_SIZE + n) for n in range(5)]


def plan(debian: Sequence[DebianPackage] = DEBIAN, wheels: Sequence[Wheel] = WHEELS) -> Plan:
    return make_plan(lock(debian, wheels), AMD64)


def changed(before: Plan, after: Plan) -> list[LayerPlan]:
    return [layer for layer in after.layers if layer.digests not in {one.digests for one in before.layers}]


def artifacts(layers: Iterable[LayerPlan]) -> list[str]:
    return sorted(artifact.name for layer in layers for artifact in (*layer.debian, *layer.conda, *layer.wheels))


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


CONDA = [conda("python"), *(conda(f"pkg{number}") for number in range(60)), conda("mkl", size=ALONE_SIZE)]


def conda_plan(packages: Sequence[CondaPackage] = CONDA, wheels: Sequence[Wheel] = WHEELS) -> Plan:
    return make_plan(lock(DEBIAN, wheels, packages=packages, interpreter=OF_CONDA), AMD64)


def test_conda_packages_are_above_the_environment_and_below_wheels() -> None:
    kinds = list(dict.fromkeys(layer.kind for layer in conda_plan().layers))
    assert kinds == ["debian", "system", "environment", "conda", "python"]
    assert conda_plan().conda == tuple(sorted(CONDA))
    assert conda_plan(CONDA[::-1]) == conda_plan()


def test_a_new_version_of_a_conda_package_changes_one_layer() -> None:
    bumped = [conda(one.name, "2.0") if one.name == "pkg7" else one for one in CONDA]
    (layer,) = changed(conda_plan(), conda_plan(bumped))
    assert layer.kind == "conda"
    assert "pkg7" in artifacts([layer])


def test_the_key_of_a_plan_depends_on_what_the_lock_says_of_conda_packages() -> None:
    (package, *others) = CONDA
    changes = [
        replace(package, depends=("x",)),
        replace(package, channel="https://c"),
        replace(package, url="https://c/x"),
    ]
    assert len({conda_plan([one, *others]).key for one in (package, *changes)}) == 4


def test_a_plan_of_a_thousand_packages_of_every_kind_stays_at_sixty_layers() -> None:
    packages = [conda(f"c{n}") for n in range(1000)] + [conda(f"l{n}", size=ALONE_SIZE + n) for n in range(60)]
    wheels = [wheel(f"p{n}") for n in range(1000)] + [wheel(f"w{n}", size=ALONE_SIZE + n) for n in range(60)]
    debian = [deb(f"d{n}") for n in range(1000)] + [deb(f"g{n}", size=ALONE_SIZE + n) for n in range(60)]
    for others, interpreter in (((), STANDALONE), (packages, STANDALONE), (packages, OF_CONDA)):
        made = make_plan(lock(debian, wheels, packages=others, interpreter=interpreter), AMD64)
        assert len(made.layers) + len(("model", "code", "documents")) <= 60
        assert {"w59", "g59"} <= {
            artifacts([layer])[0] for layer in made.layers if len(layer.digests) == 1 and layer.kind != "interpreter"
        }


def test_a_standalone_interpreter_is_a_layer_of_its_own_above_debian() -> None:
    made = make_plan(lock(DEBIAN, WHEELS, interpreter=STANDALONE), AMD64)
    kinds = list(dict.fromkeys(layer.kind for layer in made.layers))
    assert kinds == ["debian", "interpreter", "system", "environment", "python"]
    (layer,) = [layer for layer in made.layers if layer.kind == "interpreter"]
    assert (layer.digests, layer.size, layer.name) == ((ARCHIVE.digest,), 0, "Python 3.12.4, standalone")
    other = replace(STANDALONE, archive=replace(ARCHIVE, digest=Digest("4" * 64)))
    assert make_plan(lock(DEBIAN, WHEELS, interpreter=other), AMD64).key != made.key


def test_wheels_are_in_the_same_layers_whatever_the_interpreter_is() -> None:
    standalone = make_plan(lock(DEBIAN, WHEELS, interpreter=STANDALONE), AMD64)
    assert [layer for layer in standalone.layers if layer.wheels] == [layer for layer in plan().layers if layer.wheels]


BLOB = Descriptor(MEDIA_TYPE_LAYER_GZIP, Digest("5" * 64), 1234)
IMAGE = BaseImage("registry.example/base:1", BLOB, BLOB, (BLOB,), (BLOB.digest,), "2.36", folders=())
OF_IMAGE = Interpreter("base", "3.11.2", "/usr/local/bin/python3.11")


def on_image(
    image: BaseImage = IMAGE,
    packages: Sequence[CondaPackage] = (),
    interpreter: Interpreter = OF_IMAGE,
    wheels: Sequence[Wheel] = WHEELS,
) -> Plan:
    whole = lock((), wheels, packages=packages, interpreter=interpreter)
    platforms = {AMD64: replace(whole.document.platforms[AMD64], suite="", image=image)}
    return make_plan(replace(whole, document=replace(whole.document, platforms=platforms)), AMD64)


def with_layers(count: int) -> BaseImage:
    return replace(IMAGE, layers=(BLOB,) * count, diff_ids=(BLOB.digest,) * count)


def test_an_image_as_base_takes_the_place_of_debian_and_its_system_files() -> None:
    made = on_image()
    assert list(dict.fromkeys(layer.kind for layer in made.layers)) == ["environment", "python"]
    assert (made.base, made.base_name) == (IMAGE, "registry.example/base:1")
    assert [layer for layer in made.layers if layer.wheels] == [layer for layer in plan().layers if layer.wheels]
    standalone = on_image(packages=CONDA[1:], interpreter=STANDALONE)
    assert list(dict.fromkeys(layer.kind for layer in standalone.layers)) == [
        "interpreter", "environment", "conda", "python",
    ]  # fmt: skip


def test_the_key_of_a_plan_depends_on_its_base_and_on_what_becomes_of_its_entry_point() -> None:
    made = on_image()
    others = [
        on_image(replace(IMAGE, manifest=replace(BLOB, size=5))),
        on_image(replace(IMAGE, settings=Settings(user="5"))),
        on_image(replace(IMAGE, folders=(Folder("opt", 0o711 | 0o005),))),
        replace(made, entrypoint="replace"),
        replace(made, base=None),
    ]
    assert len({made.key, *(other.key for other in others)}) == 6


@pytest.mark.parametrize("layers", [1, 60, 77, 78, 90, 111])
@pytest.mark.parametrize("packages", [(), [conda(f"c{n}", size=ALONE_SIZE + n) for n in range(99)]], ids=["", "conda"])
def test_an_image_never_has_more_layers_than_can_be_mounted(layers: int, packages: Sequence[CondaPackage]) -> None:
    wheels = [wheel(f"p{n}") for n in range(400)] + [wheel(f"w{n}", size=ALONE_SIZE + n) for n in range(60)]
    made = on_image(with_layers(layers), packages, STANDALONE, wheels)
    assert len(made.layers) + layers + len(("model", "code", "documents")) + 6 <= 127
    assert len(artifacts(made.layers)) == len(packages) + 460
    usual = on_image(with_layers(1), packages, STANDALONE, wheels)
    assert (made.layers == usual.layers) == (layers <= 77)


def test_a_base_without_room_for_layers_is_refused() -> None:
    with pytest.raises(EnvbuildError, match="nothing can be built on") as caught:
        on_image(with_layers(112))
    assert caught.value.why == ("it has 112 layers, and an image can have 127",)


def test_a_base_with_something_where_the_environment_goes_is_refused() -> None:
    with pytest.raises(EnvbuildError, match="something is where the environment goes"):
        on_image(replace(IMAGE, folders=(Folder("opt/env", filled=True),)))
    with pytest.raises(EnvbuildError, match="the lock does not say"):
        on_image(replace(IMAGE, folders=None))


def test_two_interpreters_in_one_environment_are_refused() -> None:
    with pytest.raises(EnvbuildError, match="two interpreters"):
        make_plan(lock(DEBIAN, WHEELS, packages=CONDA), AMD64)
    assert make_plan(lock(DEBIAN, WHEELS, packages=CONDA[1:]), AMD64).conda


def compiled(whole: Lock) -> Lock:
    return replace(whole, document=replace(whole.document, spec={"compile": True}))


def test_bytecode_is_on_top_and_moves_no_layer_of_packages() -> None:
    with_it = make_plan(compiled(lock(DEBIAN, WHEELS)), AMD64)
    assert with_it.packages == plan().layers
    assert with_it.layers == (*plan().layers, *with_it.bytecode)
    assert (with_it.wheels, with_it.debian) == (plan().wheels, plan().debian)
    assert with_it.key != plan().key


def test_every_wheel_has_its_bytecode_in_one_layer_and_large_ones_alone() -> None:
    layers = make_plan(compiled(lock(DEBIAN, WHEELS)), AMD64).bytecode
    assert artifacts(layers) == sorted(one.name for one in WHEELS)
    assert {f"big{number}" for number in range(5)} <= {
        layer.wheels[0].name for layer in layers if len(layer.wheels) == 1
    }


def test_the_bytecode_of_the_standard_library_is_of_what_brings_it() -> None:
    python = [deb("libpython3.11-minimal"), deb("libpython3.11-stdlib"), deb("python3.11-minimal")]
    debian = make_plan(compiled(lock([*DEBIAN, *python], ())), AMD64).bytecode
    assert [layer.debian for layer in debian] == [tuple(sorted(python))]
    standalone = make_plan(compiled(lock(DEBIAN, (), interpreter=STANDALONE)), AMD64).bytecode
    assert [(layer.debian, layer.archive) for layer in standalone] == [((), ARCHIVE)]
    packages = [conda("python", size=ALONE_SIZE), replace(conda("mkl"), depends=("libgcc",))]
    of_conda = make_plan(compiled(lock(DEBIAN, (), packages=packages, interpreter=OF_CONDA)), AMD64).bytecode
    assert [[one.name for one in layer.conda] for layer in of_conda] == [["python"]]


@pytest.mark.parametrize("interpreter", [INTERPRETER, STANDALONE, OF_CONDA], ids=lambda one: one.source)
def test_with_bytecode_an_image_has_no_more_layers_than_without(interpreter: Interpreter) -> None:
    debian = [deb(f"lib{number}", size=ALONE_SIZE * (number % 2)) for number in range(80)]
    wheels = [wheel(f"pkg{number}", size=ALONE_SIZE * (number % 2)) for number in range(200)]
    packages = [conda(f"c{number}", size=ALONE_SIZE * (number % 2)) for number in range(200)]
    whole = compiled(
        lock(debian, wheels, packages=packages if interpreter is OF_CONDA else (), interpreter=interpreter)
    )
    assert len(make_plan(whole, AMD64).layers) <= 57
