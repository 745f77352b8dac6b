"""Two images that differ: the first layer, the path, the field or the bytes, and documents by JSON path."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_image import file, folder, layer, link

from builder.image.difference import Side, image_differences, json_differences
from builder.image.kept import write_image
from builder.layers.join import Layer
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_LAYER_GZIP, Descriptor, ImageConfig, Platform
from builder.oci.store import Store

CONFIG = ImageConfig(Platform("amd64"), "1980-01-02T00:00:00Z", (), (), env=("A=1",), user="1")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.create()
    return store


def side(store: Store, name: str, *archives: bytes, level: int = 6, config: ImageConfig = CONFIG) -> Side:
    layers = []
    for data in archives:
        blob = gzip.compress(data, level, mtime=0)
        layers.append(Layer(Descriptor(MEDIA_TYPE_LAYER_GZIP, store.write(blob), len(blob)), Digest.of(data)))
    history = tuple(f"layer {number}" for number in range(len(layers)))
    config = replace(config, diff_ids=tuple(one.diff_id for one in layers), history=history)
    return Side(name, store, write_image(store, layers, config))


def said(one: Side, other: Side) -> list[str]:
    """What is told behind the digests."""
    problems = list(image_differences(one, other))
    assert all(problem.is_digest for problem in problems)
    assert all(str(image.descriptor.digest) in problems[0].message for image in (one.image, other.image))
    return [problem.message for problem in problems[1:]]


SAME = layer(file("same", b"x"))


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        (
            [folder("a"), file("a/b", b"12345")], [folder("a"), file("a/b", b"1xx45")],
            "the content of `a/b` differs in bytes 1 to 2 of the file, which begins at byte 1024 of the tar",
        ),
        ([file("a", b"1" * 3_000_000)], [file("a", b"1" * 2_999_999 + b"2")],
         "the content of `a` differs in bytes 2999999 to 2999999 of the file, which begins at byte 512 of the tar"),
        ([file("a", mode=0o644)], [file("a", mode=0o755)],
         "`a` has mode 0644 first and 0755 then, in the header at byte 0 of the tar"),
        ([file("a", b"1")], [file("a", b"22")],
         "`a` has size 1 first and 2 then, in the header at byte 0 of the tar"),
        ([link("a", "b")], [link("a", "c")],
         "`a` has target b first and c then, in the header at byte 0 of the tar"),
        ([link("a", "b")], [file("a")],
         "`a` has kind a symbolic link first and a file then, mode"),
        ([file("a", b"1"), file("b")], [file("a", b"1"), file("c")],
         "the next entry is `b` first and `c` then, in the header at byte 1024 of the tar"),
        ([file("a")], [file("a"), file("b")], "`b` is there then alone, at byte 512 of the tar"),
        ([file("a"), file("b")], [file("a")], "`b` is there first alone, at byte 512 of the tar"),
    ],
    ids=["content", "large content", "mode", "size", "target", "kind", "path", "one more", "one less"],
)  # fmt: skip
def test_the_first_difference_of_a_layer_is_named_with_its_place(
    before: list, after: list, what: str, store: Store  # type: ignore[type-arg]
) -> None:  # fmt: skip
    one, other = side(store, "first", SAME, layer(*before)), side(store, "then", SAME, layer(*after))
    (message,) = said(one, other)
    assert message.startswith(f"layer 2 (`layer 1`) differs first and then: {what}")


def test_the_same_entries_in_other_headers_are_told(store: Store) -> None:
    data = layer(file("a"))
    info, content = file("a")
    info.uname = "builder"
    (message,) = said(side(store, "first", data), side(store, "then", layer((info, content))))
    assert "the same entries are written in another way, bytes 150 to 271 of the tar" in message


def test_a_layer_that_is_only_compressed_in_another_way_is_told_with_its_first_byte(store: Store) -> None:
    data = layer(file("a", bytes(range(256)) * 100))
    (message,) = said(side(store, "first", data, level=1), side(store, "then", data, level=9))
    assert "the content is the same and compressed in another way, bytes 8 to " in message
    assert message.endswith("of the compressed layer")


def test_a_layer_more_or_less_is_told(store: Store) -> None:
    one, two = side(store, "in the image", SAME), side(store, "by the lock", SAME, layer(file("b")))
    entry = '`{"created": "1980-01-02T00:00:00Z", "created_by": "layer 1"}`'
    assert said(one, two) == [
        f"config: `$.history[1]` is nothing in the image and {entry} by the lock",
        "layer 2 is there by the lock, and not in the image",
    ]


def test_documents_differ_by_json_path(store: Store) -> None:
    changed = replace(CONFIG, env=("A=2",), user="", labels={"org.opencontainers.image.title": "x"})
    assert said(side(store, "first", SAME), side(store, "then", SAME, config=changed)) == [
        'manifest: `$.annotations` is nothing first and `{"org.opencontainers.image.title": "x"}` then',
        'config: `$.config.Env[0]` is `"A=1"` first and `"A=2"` then',
        'config: `$.config.Labels` is nothing first and `{"org.opencontainers.image.title": "x"}` then',
        'config: `$.config.User` is `"1"` first and nothing then',
    ]


def test_equal_images_have_no_difference(store: Store) -> None:
    assert list(image_differences(side(store, "first", SAME), side(store, "then", SAME))) == []


def test_values_of_another_type_differ() -> None:
    assert list(json_differences({"a": [1, True]}, {"a": [1, 1]})) == [("$.a[1]", True, 1)]
