from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_up_image as made
import pytest
import zstandard
from made_up_image import elf, file, folder, layer, link

from builder.errors import DigestMismatchError, EnvbuildError, NotMeasuredError
from builder.lock.base_image import BaseImage
from builder.lock.base_image.files import ImageFiles
from builder.lock.base_image.pinned import Folder, Settings
from builder.lock.base_image.python import Python, look_into
from builder.lock.base_image.registry_images import RegistryImages
from builder.oci.digest import Digest
from builder.oci.documents import Descriptor, Platform
from builder.oci.registry.client import DOCKER_INDEX, DOCKER_MANIFEST, Document
from builder.oci.registry.reference import Reference
from builder.oci.store import Store
from builder.oci.tar_entries import TarReader

AMD64, ARM64 = Platform("amd64"), Platform("arm64")
NAME = "registry.example/team/base:1"


class Memory:
    """A registry in memory that counts what is read."""

    def __init__(self) -> None:
        self.tags: dict[str, Descriptor] = {}
        self.blobs: dict[Digest, bytes] = {}
        self.asked: list[str] = []
        self.told: set[Digest] = set()

    def tag(self, image: made.Image, tag: str = "1") -> None:
        self.told |= image.blobs.keys()
        self.blobs |= image.blobs
        self.tags[tag] = image.descriptor

    def manifest(self, reference: Reference) -> Document:
        self.asked.append(f"manifest {reference.selector}")
        if reference.digest:
            data = self.blobs[reference.digest]
            return Document(Descriptor("any", reference.digest, len(data)), data)
        descriptor = self.tags[str(reference.tag)]
        return Document(descriptor, self.blobs[descriptor.digest])

    def read(self, _: Reference, descriptor: Descriptor) -> bytes:
        self.asked.append(f"blob {descriptor.digest}")
        return self.blobs[descriptor.digest]

    def has(self, _: Reference, descriptor: Descriptor) -> bool:
        if descriptor.digest not in self.told:
            raise EnvbuildError("it does not tell")
        return descriptor.digest in self.blobs

    def open(self, _: Reference, descriptor: Descriptor, observe: Callable[[int], None]) -> Any:
        self.asked.append(f"blob {descriptor.digest}")
        observe(descriptor.size)
        return io.BytesIO(self.blobs[descriptor.digest])


@pytest.fixture
def registry() -> Memory:
    return Memory()


@pytest.fixture
def resolver(registry: Memory, tmp_path: Path) -> RegistryImages:
    store = Store(tmp_path)
    store.create()
    return RegistryImages(registry, store)


def pythons(*layers: bytes, path: str | None = None, architecture: str = "amd64", **environment: str) -> list[Python]:
    files = ImageFiles()
    for data in layers:
        files.add_layer(TarReader(io.BytesIO(data)))
    return list(look_into(files, architecture, environment | ({"PATH": path} if path else {})).pythons)


def python_at(prefix: str, version: str, **options: Any) -> tuple[Any, ...]:
    minor = ".".join(version.split(".")[:2])
    return (
        file(f"{prefix}/bin/python{minor}", elf(version, **options)),
        file(f"{prefix}/lib/python{minor}/os.py", b"#", 0o644),
    )


def test_the_interpreter_is_found_behind_links() -> None:
    data = layer(
        *python_at("usr/local", "3.12.4"),
        link("usr/local/bin/python3", "python3.12"),
        link("etc/alternatives/python", "/usr/local/bin/python3"),
        link("opt/tools/bin", "../../etc/alternatives"),
    )
    assert pythons(data, path="/opt/tools/bin") == [Python("/usr/local/bin/python3.12", "3.12.4")]


def test_path_decides_which_interpreter_is_the_first() -> None:
    data = layer(*python_at("usr", "3.11.2"), *python_at("opt/conda", "3.13.1"), *python_at("usr/local", "3.12.4"))
    assert [python.minor for python in pythons(data, path="/opt/conda/bin:/usr/bin")] == ["3.13", "3.11", "3.12"]
    assert [python.minor for python in pythons(data)] == ["3.12", "3.11", "3.13"]


def test_a_shared_library_tells_the_version_of_an_interpreter_that_is_linked_to_it() -> None:
    program = file("usr/local/bin/python3.12", elf("libpython3.12.so.1.0"))
    landmark = file("usr/local/lib/python3.12/os.py", b"#", 0o644)
    library = file("usr/local/lib/libpython3.12.so.1.0", elf("3.2.0", "3.12.4"))
    assert pythons(layer(program, landmark)) == []
    assert pythons(layer(program, landmark, library)) == [Python("/usr/local/bin/python3.12", "3.12.4")]


@pytest.mark.parametrize("version", ["3.11.2", "3.14.0rc1", "3.9.21"])
@pytest.mark.parametrize("padding", [0, (1 << 20) - 64, (1 << 20) - 67, 3 << 20])
def test_the_version_is_found_wherever_it_stands_in_the_file(version: str, padding: int) -> None:
    data = layer(*python_at("usr", version, padding=padding))
    assert [python.version for python in pythons(data)] == [version]


def test_what_only_looks_like_a_version_is_none() -> None:
    minor = file("usr/bin/python3.11", elf("13.11.9", "3.11.7.1", "3.45.1", "3.11.2+"))
    assert [one.version for one in pythons(layer(minor, file("usr/lib/python3.11/os.py")))] == ["3.11.2"]


def test_of_two_versions_in_a_file_the_image_says_which() -> None:
    data = layer(file("usr/bin/python3.11", elf("3.11.2", "3.11.9")), file("usr/lib/python3.11/os.py"))
    assert pythons(data) == []
    assert [one.version for one in pythons(data, PYTHON_VERSION="3.11.9")] == ["3.11.9"]
    assert pythons(data, PYTHON_VERSION="3.11.7") == []


@pytest.mark.parametrize(
    "odd",
    [
        file("opt/venv/bin/python3.11", elf("3.11.2")),
        file("opt/venv/bin/python3.11", b"#!/bin/sh\nexec /usr/bin/python3.11\n"),
        file("opt/venv/bin/python3.11", elf("3.11.2", architecture="arm64")),
        file("opt/venv/bin/python3.11", elf("3.11.2"), 0o644),
        link("opt/venv/bin/python3.11", "python3.11"),
        link("opt/venv/bin/python3.11", "/nowhere/../../python3.11"),
    ],
    ids=["a copy without library", "a script", "of another processor", "not executable", "a loop", "to nowhere"],
)
def test_what_is_no_interpreter_is_passed_over(odd: Any) -> None:
    library = () if odd[1] == elf("3.11.2") and odd[0].mode & 0o111 else (file("opt/venv/lib/python3.11/os.py"),)
    data = layer(odd, *library, *python_at("usr", "3.12.4"))
    assert [one.path for one in pythons(data, path="/opt/venv/bin:/usr/bin")] == ["/usr/bin/python3.12"]


def test_a_hard_link_is_the_file_that_it_links_to() -> None:
    lower = layer(file("opt/pkgs/bin/python3.11", elf("3.11.2")), file("opt/conda/lib/python3.11/os.py"))
    upper = layer(link("opt/conda/bin/python3.11", "opt/pkgs/bin/python3.11", hard=True))
    assert pythons(lower, upper, path="/opt/conda/bin") == [Python("/opt/conda/bin/python3.11", "3.11.2")]


@pytest.mark.parametrize(
    "upper",
    [
        [file("usr/local/bin/.wh.python3.12")],
        [file("usr/local/.wh.bin")],
        [file("usr/local/bin/.wh..wh..opq")],
        [file(".wh..wh..opq"), *python_at("usr", "3.11.2")],
        [file("usr/local/bin", b"no folder any more")],
        [folder("usr/local/bin/python3.12")],
        [file("usr/local/bin/python3.12", b"#!/bin/sh\n")],
        [link("usr/local/lib", "/nowhere")],
        [file("usr/local/lib/python3.12/.wh.os.py")],
    ],
)
def test_what_an_upper_layer_takes_away_is_gone(upper: list[Any]) -> None:
    lower = layer(*python_at("usr/local", "3.12.4"), *python_at("usr", "3.11.2"))
    assert [one.minor for one in pythons(lower)] == ["3.12", "3.11"]
    assert [one.minor for one in pythons(lower, layer(*upper))] == ["3.11"]


def test_an_opaque_folder_keeps_what_its_own_layer_has() -> None:
    lower = layer(*python_at("usr/local", "3.12.4"))
    upper = layer(*python_at("usr/local", "3.13.1"), file("usr/local/.wh..wh..opq"))
    assert [one.minor for one in pythons(lower, upper)] == ["3.13"]


@pytest.mark.parametrize("path", ["../../usr/bin/python3.11", "a/" * 3000 + "python3"])
def test_a_path_out_of_the_image_is_refused(path: str) -> None:
    with pytest.raises(EnvbuildError, match="cannot be applied"):
        pythons(layer(file(path, elf("3.11.2"))))


def test_what_is_kept_of_a_layer_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.lock.base_image.files._MOST_NODES", 100)
    pythons(layer(*(link(f"node_modules/{number}", "x") for number in range(200))))
    pythons(layer(*(file(f"a/{number}") for number in range(200))))
    with pytest.raises(EnvbuildError, match="cannot be looked into"):
        pythons(layer(*(link(f"a/{number}", "x") for number in range(200))))


def test_an_image_is_pinned_with_all_that_a_plan_needs(registry: Memory, resolver: RegistryImages) -> None:
    layers = [made.debian_like(), layer(file("etc/x", b"x"), folder("app", 0o755, 5, 6), file("app/x", b"x"))]
    config = {"env": ("PATH=/usr/bin", "A=b=c"), "user": "65532", "working_dir": "/app", "entrypoint": ("a", "b")}
    more = {"exposed_ports": ("80/tcp", "9/udp"), "volumes": ("/data",), "stop_signal": "SIGQUIT"}
    labels = {"maintainer": "a team"}
    one = made.image(
        layers, cmd=("c",), history=("debian", "RUN a\n\t\x1b[2Jb" + "x" * 5000), labels=labels, **config, **more
    )
    registry.tag(one)
    pinned, interpreter = resolver(NAME, AMD64, None, True)
    assert pinned.reference == NAME
    assert pinned.manifest == replace(one.descriptor, platform=None)
    assert pinned.diff_ids == tuple(map(Digest.of, layers))
    assert [item.digest in one.blobs for item in (*pinned.layers, pinned.config)] == [True] * 3
    assert pinned.glibc == "2.36"
    assert pinned.environment == config["env"]
    assert pinned.settings == Settings(
        "65532", "/app", ("a", "b"), ("c",), ("80/tcp", "9/udp"), ("/data",), "SIGQUIT", labels
    )
    assert pinned.history == ("debian", ("RUN a   [2Jb" + "x" * 5000)[:1000])
    assert pinned.folders == (Folder("app", 0o755, 5, 6, filled=True),)
    assert interpreter is not None
    assert (interpreter.source, interpreter.version) == ("base", "3.11.2")
    assert interpreter.path == "/usr/bin/python3.11"
    assert BaseImage.from_dict(pinned.to_dict()) == pinned


@pytest.mark.parametrize(("index_type", "type_"), [(None, None), (DOCKER_INDEX, DOCKER_MANIFEST)])
def test_each_platform_gets_its_own_image_of_an_index(
    registry: Memory, resolver: RegistryImages, index_type: str | None, type_: str | None
) -> None:
    kinds = {"manifest_type": type_} if type_ else {}
    images = {name: made.image([made.debian_like(name)], name, **kinds) for name in ("amd64", "arm64")}
    registry.tag(made.index(*images.values(), **({"media_type": index_type} if index_type else {})))
    for platform in (AMD64, ARM64):
        pinned, interpreter = resolver(NAME, platform, "3.11", True)
        assert pinned.manifest.digest == images[platform.architecture].descriptor.digest
        assert interpreter is not None
    assert registry.asked.count("manifest 1") == 1


def test_all_platforms_come_from_one_state_of_a_tag(registry: Memory, resolver: RegistryImages) -> None:
    old = {name: made.image([made.debian_like(name)], name) for name in ("amd64", "arm64")}
    registry.tag(made.index(*old.values()))
    resolver(NAME, AMD64, None, True)
    registry.tag(made.index(*(made.image([made.debian_like(name, "3.11.9")], name) for name in old)))
    assert resolver(NAME, ARM64, None, True)[0].manifest.digest == old["arm64"].descriptor.digest


def test_what_is_in_an_image_is_read_once(registry: Memory, resolver: RegistryImages, tmp_path: Path) -> None:
    registry.tag(made.image([made.debian_like()]))
    first = resolver(NAME, AMD64, None, True)
    registry.asked.clear()
    assert RegistryImages(registry, Store(tmp_path))(NAME, AMD64, None, True) == first
    assert registry.asked == ["manifest 1"]


@pytest.mark.parametrize("record", ["[]", "{", '{"glibc": 1, "musl": 0, "pythons": [1]}'])
def test_a_damaged_record_is_made_anew(registry: Memory, resolver: RegistryImages, tmp_path: Path, record: str) -> None:
    registry.tag(made.image([made.debian_like()]))
    first = resolver(NAME, AMD64, None, True)
    (kept,) = (tmp_path / "records/image-contents").iterdir()
    kept.write_text(record)
    assert resolver(NAME, AMD64, None, True) == first


@pytest.mark.parametrize("pack", [bytes, zstandard.ZstdCompressor().compress], ids=["plain", "zstd"])
def test_layers_may_be_compressed_in_other_ways(
    registry: Memory, resolver: RegistryImages, pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made.gzip, "compress", lambda data, **_: pack(data))
    registry.tag(made.image([made.debian_like()]))
    assert resolver(NAME, AMD64, None, True)[0].glibc == "2.36"


def test_an_image_for_another_platform_is_refused(registry: Memory, resolver: RegistryImages) -> None:
    registry.tag(made.image([made.debian_like()]))
    with pytest.raises(EnvbuildError) as caught:
        resolver(NAME, ARM64, None, True)
    assert caught.value.what == f"`{NAME}` is not there for linux/arm64"
    assert caught.value.why == ("it is there for linux/amd64",)
    registry.tag(made.index(made.image([made.debian_like()])), "2")
    with pytest.raises(EnvbuildError) as caught:
        resolver("registry.example/team/base:2", ARM64, None, True)
    assert caught.value.why == ("it is there for linux/amd64",)


def test_an_index_that_calls_an_image_by_a_wrong_platform_is_noticed(
    registry: Memory, resolver: RegistryImages
) -> None:
    wrong = made.image([made.debian_like()])
    wrong.descriptor = replace(wrong.descriptor, platform=ARM64)
    registry.tag(made.index(wrong))
    with pytest.raises(EnvbuildError, match="not there for linux/arm64"):
        resolver(NAME, ARM64, None, True)


def test_a_missing_interpreter_is_refused_with_those_that_there_are(registry: Memory, resolver: RegistryImages) -> None:
    registry.tag(made.image([made.debian_like(), layer(*python_at("usr/local", "3.12.4"))]))
    assert resolver(NAME, AMD64, "3.11", True)[1].path == "/usr/bin/python3.11"
    with pytest.raises(EnvbuildError) as caught:
        resolver(NAME, AMD64, "3.13", True)
    assert caught.value.what == f"`{NAME}` has no Python 3.13"
    assert caught.value.why == (
        "it has Python 3.12.4 at `/usr/local/bin/python3.12`",
        "it has Python 3.11.2 at `/usr/bin/python3.11`",
    )


def test_an_image_without_python_is_a_base_for_other_interpreters(registry: Memory, resolver: RegistryImages) -> None:
    libc = file("lib64/libc.so.6", elf("GNU C Library (GNU libc) stable release version 2.34."))
    registry.tag(made.image([layer(libc)]))
    pinned, interpreter = resolver(NAME, AMD64, "3.12", False)
    assert (pinned.glibc, interpreter) == ("2.34", None)
    with pytest.raises(EnvbuildError) as caught:
        resolver(NAME, AMD64, None, True)
    assert caught.value.why == ("there is none on its `PATH` or in the usual places",)


def test_an_image_without_glibc_is_refused(registry: Memory, resolver: RegistryImages) -> None:
    musl = layer(file("lib/ld-musl-x86_64.so.1", elf("musl")), *python_at("usr", "3.11.2"))
    registry.tag(made.image([musl]))
    with pytest.raises(EnvbuildError) as caught:
        resolver(NAME, AMD64, None, True)
    assert caught.value.why == ("its C library is musl",)
    registry.tag(made.image([layer(*python_at("usr", "3.11.2"))]), "2")
    with pytest.raises(EnvbuildError, match="no glibc"):
        resolver("registry.example/team/base:2", AMD64, None, False)


def test_the_c_library_of_another_processor_is_not_taken(registry: Memory, resolver: RegistryImages) -> None:
    other = file("lib/libc.so.6", elf(made.GLIBC, architecture="arm64"))
    registry.tag(made.image([layer(other, file("lib64/libc.so.6", elf(made.GLIBC.replace("2.36", "2.31"))))]))
    assert resolver(NAME, AMD64, None, False)[0].glibc == "2.31"


def test_a_pinned_image_is_asked_for_piece_by_piece(registry: Memory, resolver: RegistryImages) -> None:
    registry.tag(made.image([made.debian_like(), layer(file("etc/x"))]))
    pinned, _ = resolver(NAME, AMD64, None, True)
    resolver.probe(pinned)
    for part in (pinned.manifest, pinned.config, *pinned.layers):
        data = registry.blobs.pop(part.digest)
        with pytest.raises(EnvbuildError, match="no longer whole") as caught:
            resolver.probe(pinned)
        assert caught.value.why == (str(part.digest),)
        registry.blobs[part.digest] = data
    registry.told.clear()
    with pytest.raises(NotMeasuredError, match="does not tell"):
        resolver.probe(pinned)


def replaced(image: made.Image, registry: Memory, old: bytes, new: bytes) -> None:
    """Another manifest under the tag; what it names stays."""
    manifest = image.blobs[image.descriptor.digest].replace(old, new)
    assert manifest != image.blobs[image.descriptor.digest]
    descriptor = replace(image.descriptor, digest=Digest.of(manifest), size=len(manifest))
    registry.tag(made.Image(descriptor, {**image.blobs, descriptor.digest: manifest}))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"image.config.v1+json", b"helm.config.v1+json", "is not an image"),
        (b"layer.v1.tar+gzip", b"layer.v1.tar+gzip+encrypted", "cannot be a base"),
        (b"layer.v1.tar+gzip", b"squashfs", "cannot be a base"),
        (b'"layers":[{', b'"layers":[1,{', "not a JSON object"),
        (b'"schemaVersion":2', b'"schemaVersion":3', "not an OCI image manifest"),
    ],
)
def test_what_is_no_image_is_refused(
    registry: Memory, resolver: RegistryImages, old: bytes, new: bytes, message: str
) -> None:
    replaced(made.image([made.debian_like()]), registry, old, new)
    with pytest.raises(EnvbuildError, match=message):
        resolver(NAME, AMD64, None, True)


def test_layers_that_are_not_those_of_the_config_are_refused(registry: Memory, resolver: RegistryImages) -> None:
    one = made.image([made.debian_like()])
    replaced(one, registry, b'"layers":[', b'"layers":[],"x":[')
    with pytest.raises(EnvbuildError, match="cannot be a base"):
        resolver(NAME, AMD64, None, True)
    other = made.image([layer(file("other"))])
    (wrong,) = (blob for blob in other.blobs.values() if blob[:2] == b"\x1f\x8b")
    (right,) = (blob for blob in one.blobs.values() if blob[:2] == b"\x1f\x8b")
    swapped = made.Image(one.descriptor, {**one.blobs, **other.blobs})
    registry.tags.clear()
    old, new = Digest.of(right).hex.encode(), Digest.of(wrong).hex.encode()
    replaced(swapped, registry, old, new)
    with pytest.raises(DigestMismatchError, match="another content"):
        RegistryImages(registry, resolver._store)(NAME, AMD64, None, True)


@pytest.mark.parametrize("damage", ["cut", "bomb", "garbage"])
def test_a_damaged_layer_gives_a_clear_error(
    registry: Memory, resolver: RegistryImages, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = made.image([made.debian_like()])
    (digest,) = (digest for digest, blob in one.blobs.items() if blob[:2] == b"\x1f\x8b")
    one.blobs[digest] = {
        "cut": one.blobs[digest][:100],
        "bomb": made.gzip.compress(bytes(512) + bytes(1 << 20)),
        "garbage": b"\x1f\x8b" + bytes(range(256)) * 8,
    }[damage]
    monkeypatch.setattr("builder.lock.base_image.registry_images.LARGEST_LAYER", 1 << 18)
    registry.tag(one)
    with pytest.raises(EnvbuildError, match="layer sha256:"):
        resolver(NAME, AMD64, None, True)


def test_layers_that_are_too_large_together_are_refused(
    registry: Memory, resolver: RegistryImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builder.lock.base_image.registry_images.LARGEST_LAYER", 3 << 16)
    registry.tag(made.image([made.debian_like(), layer(file("a", bytes(2 << 16))), layer(file("b", bytes(2 << 16)))]))
    with pytest.raises(EnvbuildError, match="cannot be a base") as caught:
        resolver(NAME, AMD64, None, True)
    assert caught.value.why[0].startswith("its layers hold more than")
    assert len(registry.asked) == 5


def test_a_layer_that_the_store_has_is_not_fetched_to_be_read(registry: Memory, resolver: RegistryImages) -> None:
    one = made.image([made.debian_like()])
    registry.tag(one)
    for blob in one.blobs.values():
        resolver._store.write(blob)
    assert resolver(NAME, AMD64, None, True)[0].glibc == "2.36"
    assert registry.asked == ["manifest 1"]
