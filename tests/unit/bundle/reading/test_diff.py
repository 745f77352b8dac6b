"""What differs between two bundles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_bundles import COMMAND, bundle_of, documents, write_folder
from made_up_image import file, layer

from builder.bundle.attached.attach import attach
from builder.bundle.reading.diff import BundleDiff, diff_bundles
from builder.bundle.reading.reader import open_bundle
from builder.oci.attachments import Attachment

SYSTEM = layer(file("etc/passwd", b"root"))
DATA = {"path": "/data/train", "urls": [], "sha256": "a" * 64, "size": 10, "local": "x", "packed": False}


def diff(path: Path, before: Any, after: Any) -> BundleDiff:
    opened = [open_bundle(write_folder(path / str(number), side)) for number, side in enumerate((before, after))]
    return diff_bundles(*opened)


def changes(found: BundleDiff) -> list[tuple[str, ...]]:
    return [(one.section, one.name, one.status) for one in found.changes]


def made(train: bytes = b"1", **fields: Any) -> Any:
    return bundle_of(
        {
            "system files": SYSTEM,
            "code": layer(file("app/train.py", train), file("app/same", b"same")),
            "bundle documents": documents(**fields),
        }
    )


def test_equal_bundles_do_not_differ(tmp_path: Path) -> None:
    found = diff(tmp_path, made(), made())
    assert (bool(found), found.changes, found.causes, found.moved) == (False, (), (), 0)


def test_code_is_told_file_by_file_and_its_layer_is_all_that_moves(tmp_path: Path) -> None:
    found = diff(tmp_path, made(b"1", code="sha256:1"), made(b"two", code="sha256:2"))
    (change,) = found.changes
    assert (change.section, change.name, change.after) == ("code", "train.py", change.after)
    assert change.after is not None
    assert change.after.endswith("3 bytes, executable")
    assert [(cause.part, cause.sections, len(cause.layers)) for cause in found.causes] == [
        ("code", ("code",), 1),
        ("documents", ("code",), 1),
    ]
    (layers,) = found.layers.values()
    assert [one.name for one in layers.shared] == ["system files"]
    assert found.moved == sum(one.size for one in layers.after)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"data": {"train": DATA}}, ("data", "train", "added")),
        ({"data": {"train": DATA}}, {"data": {"train": DATA | {"sha256": "b" * 64}}}, ("data", "train", "changed")),
        ({"data": {"train": DATA}}, {"data": {"train": DATA | {"packed": True}}}, ("data", "train", "changed")),
        ({"model": {"path": "/model", "digest": "1"}}, {}, ("model", "/model", "removed")),
        (
            {"model": {"digest": "1", "files": [{"path": "w", "digest": "1", "size": 1}]}},
            {"model": {"digest": "2", "files": [{"path": "w", "digest": "2", "size": 1}]}},
            ("model", "w", "changed"),
        ),
        ({}, {"commands": {"train": COMMAND | {"seed": 7}}}, ("commands", "train: seed", "added")),
        (
            {"commands": {"train": COMMAND | {"parameters": {"rate": 0.1}}}},
            {"commands": {"train": COMMAND | {"parameters": {"rate": 0.2}}}},
            ("commands", "train: parameters.rate", "changed"),
        ),
        ({"commands": {"train": COMMAND}}, {"commands": {}}, ("commands", "train", "removed")),
        (
            {"records": [{"path": "README.md", "digest": "1", "size": 1}]},
            {"records": [{"path": "README.md", "digest": "2", "size": 1}]},
            ("records", "README.md", "changed"),
        ),
        ({}, {"version": "2"}, ("bundle", "version", "added")),
    ],
    ids=str,
)
def test_what_documents_say_is_compared_one_by_one(
    before: Any, after: Any, expected: tuple[str, ...], tmp_path: Path
) -> None:
    found = diff(tmp_path, made(**before), made(**after))
    assert changes(found) == [expected]
    assert [(cause.part, cause.sections) for cause in found.causes] == [("documents", (expected[0],))]


def test_settings_of_the_image_are_a_cause_of_their_own(tmp_path: Path) -> None:
    one, other = (
        bundle_of({"code": SYSTEM}, env=(f"A={value}",), user=value, exposed_ports=("80/tcp",) * int(value))
        for value in ("0", "1")
    )
    found = diff(tmp_path, one, other)
    assert changes(found) == [
        ("image", "port 80/tcp", "added"),
        ("image", "user", "changed"),
        ("image", "variable A", "changed"),
    ]
    assert [(cause.part, cause.sections) for cause in found.causes] == [("config", ("image",))]
    assert found.moved == 0


def test_an_environment_that_nothing_explains_is_told_as_such(tmp_path: Path) -> None:
    one, other = (bundle_of({"system files": layer(file("etc/x", data))}) for data in (b"1", b"2"))
    assert [(cause.part, cause.sections) for cause in diff(tmp_path, one, other).causes] == [("environment", ())]


def test_what_is_attached_differs_and_changes_no_digest(tmp_path: Path) -> None:
    place = write_folder(tmp_path / "a", made())
    plain = open_bundle(write_folder(tmp_path / "b", made()))
    attach(place, open_bundle(place).top, [Attachment("application/x.scan+json", "application/json", b"{}")])
    found = diff_bundles(plain, open_bundle(place))
    assert (found.before, [change.section for change in found.changes]) == (found.after, ["attached"])
    assert found
    assert found.causes == ()


def test_other_platforms_are_told(tmp_path: Path) -> None:
    one, other = bundle_of({"code": SYSTEM}), bundle_of({"code": SYSTEM}, architecture="arm64")
    assert changes(diff(tmp_path, one, other)) == [
        ("image", "platform linux/amd64", "removed"),
        ("image", "platform linux/arm64", "added"),
    ]


def test_an_image_of_another_tool_is_compared_by_what_it_has(tmp_path: Path) -> None:
    from made_up_image import image

    found = diff(tmp_path, image([SYSTEM]), image([SYSTEM, layer(file("a"))]))
    assert found.packages is None
    assert [cause.part for cause in found.causes] == ["environment"]
