from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.errors import EnvbuildError
from builder.oci.canonical import canonical_json, parse_json, readable_json
from builder.oci.digest import Digest
from builder.oci.documents import Descriptor, ImageConfig, Index, Manifest, Platform

HEX = "0123456789abcdef"
digests = st.text(HEX, min_size=64, max_size=64).map(Digest)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
strings = st.dictionaries(texts, texts, max_size=3)
platforms = st.builds(
    Platform, st.sampled_from(["amd64", "arm64", "arm"]), st.just("linux"), st.none() | st.sampled_from(["v7", "v8"])
)
descriptors = st.builds(
    Descriptor, texts, digests, st.integers(0, 1 << 60), strings, st.none() | platforms, st.none() | texts.filter(bool)
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)


def test_a_digest_is_read_and_written_in_one_form() -> None:
    text = "sha256:" + HEX * 4
    assert str(Digest.parse(text)) == text
    assert Digest.of(b"").hex == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    "text",
    ["", HEX * 4, "sha256:" + HEX * 3, "sha256:" + HEX.upper() * 4, "sha512:" + HEX * 8, "sha256:" + HEX * 4 + "\n",
     "sha256:" + "g" * 64, " sha256:" + HEX * 4, "sha256:" + "\u0660" * 64, None, 1, ["sha256:" + HEX * 4], b"x"],
)  # fmt: skip
def test_a_digest_of_another_form_is_refused(text: Any) -> None:
    with pytest.raises(EnvbuildError, match="is not a digest"):
        Digest.parse(text)
    with pytest.raises(EnvbuildError, match="is not a SHA-256"):
        Digest(f"../{text}")


@given(json_values)
def test_canonical_json_is_read_back_equal_and_ignores_the_order_of_keys(value: Any) -> None:
    data = canonical_json(value)
    assert parse_json(data, "it") == value
    assert parse_json(readable_json(value), "it") == value
    assert b"\n" not in data
    assert canonical_json(json.loads(data, object_pairs_hook=lambda pairs: dict(reversed(pairs)))) == data


def test_canonical_json_is_compact_sorted_utf8() -> None:
    assert canonical_json({"b": [1, None], "a": "é\u2028/"}) == '{"a":"é\u2028/","b":[1,null]}'.encode()


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"{'a': 1}", b'{"a": 1, "a": 2}', b'{"x": {"a": 1, "a": 1}}', b"[" * 100_000, b"NaN", b"[Infinity]",
     b"-Infinity", b"1e999", b'"\\ud800"', b'{"\\udfff": 1}', b"\xff", b"9" * 5000, b"1 2"],
    ids=lambda data: repr(data[:20]),
)  # fmt: skip
def test_json_that_is_ambiguous_or_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(EnvbuildError, match="it is not valid JSON"):
        parse_json(data, "it")


def test_surrogate_pairs_in_json_are_one_character() -> None:
    assert parse_json(b'"\\ud83d\\ude00"', "it") == "😀"


@given(descriptors)
def test_a_descriptor_is_read_back_equal(descriptor: Descriptor) -> None:
    assert Descriptor.from_dict(json.loads(canonical_json(descriptor.to_dict()))) == descriptor


@given(
    st.builds(
        Manifest,
        descriptors,
        st.lists(descriptors, max_size=3).map(tuple),
        strings,
        st.none() | texts.filter(bool),
        st.none() | descriptors,
    )
)
def test_a_manifest_is_read_back_equal(manifest: Manifest) -> None:
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest


@given(st.builds(Index, st.lists(descriptors, max_size=3).map(tuple), strings))
def test_an_index_is_read_back_equal(index: Index) -> None:
    assert Index.from_bytes(index.to_bytes()) == index


tuples = st.lists(texts, max_size=3).map(tuple)


configs = st.builds(
    ImageConfig,
    platforms,
    texts,
    st.lists(digests, max_size=3).map(tuple),
    *[tuples] * 4,
    *[texts] * 2,
    strings,
    st.lists(texts, max_size=3, unique=True).map(sorted).map(tuple),
    texts,
)


@given(configs)
def test_a_config_is_read_back_equal(config: ImageConfig) -> None:
    assert ImageConfig.from_bytes(config.to_bytes()) == config


@given(st.sampled_from([Manifest, Index, ImageConfig]), json_values)
def test_any_json_is_a_document_or_refused(document: Any, value: Any) -> None:
    with suppress(EnvbuildError):
        document.from_bytes(canonical_json(value))


SAMPLES = [
    Manifest(Descriptor("m", Digest("0" * 64), 1), (Descriptor("l", Digest("1" * 64), 2),), {"a": "b"}),
    Index((Descriptor("m", Digest("0" * 64), 1, platform=Platform("arm64")),)),
    ImageConfig(Platform("amd64"), "1980-01-02T00:00:00Z", (Digest("0" * 64),), ("x",), ("A=b",), labels={"a": "b"}),
]


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] + [place for key, child in inner for place in _places(child, (*path, key))]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)
@pytest.mark.parametrize("replacement", [None, True, -1, "x", [], {}, [1], {"a": 1}, 1.5], ids=repr)
def test_any_value_of_another_type_is_refused_or_read(sample: Any, replacement: Any) -> None:
    for place in _places(json.loads(sample.to_bytes()))[1:]:
        document = json.loads(sample.to_bytes())
        target = document
        for key in place[:-1]:
            target = target[key]
        target[place[-1]] = replacement
        with suppress(EnvbuildError):
            type(sample).from_bytes(canonical_json(document)).to_bytes()


def test_a_document_that_is_both_manifest_and_index_is_refused() -> None:
    both = json.loads(SAMPLES[0].to_bytes()) | json.loads(SAMPLES[1].to_bytes())
    for document in (Manifest, Index):
        with pytest.raises(EnvbuildError):
            document.from_bytes(canonical_json(both))


def test_history_without_a_layer_is_passed_over() -> None:
    document = json.loads(SAMPLES[2].to_bytes())
    document["history"].insert(0, {"created_by": "ENV", "empty_layer": True})
    assert ImageConfig.from_bytes(canonical_json(document)).history == ("x",)


@pytest.mark.parametrize("text", ["linux", "linux/", "/amd64", "a/b/c/d", ""])
def test_a_platform_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(EnvbuildError, match="is not a platform"):
        Platform.parse(text)


def test_a_platform_is_read_and_written_in_one_form() -> None:
    assert [str(Platform.parse(text)) for text in ("linux/amd64", "linux/arm/v7")] == ["linux/amd64", "linux/arm/v7"]
    assert Platform.parse("linux/arm/v7").slug == "linux-arm-v7"
