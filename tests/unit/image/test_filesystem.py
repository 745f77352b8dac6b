from __future__ import annotations

import pytest

from builder.errors import EnvbuildError
from builder.image.filesystem import Owner, merge
from builder.layers.interface import Contents, Directory


def owner(name: str, *paths: str, directories: tuple[Directory, ...] = (), replaces: tuple[str, ...] = ()) -> Owner:
    return Owner(name, Contents(directories, paths), frozenset(replaces))


def test_the_first_package_that_declares_a_directory_decides_its_mode() -> None:
    first = owner("base-files", directories=(Directory("tmp", 0o1777), Directory("root", 0o700)))
    second = owner("other", directories=(Directory("tmp", 0o755), Directory("root", 0o755), Directory("usr", 0o711)))
    merged = merge([first, second], []).directories
    assert {path: entry.mode for path, entry in merged.items()} == {"tmp": 0o1777, "root": 0o700, "usr": 0o711}


def test_a_settled_directory_wins_over_every_package() -> None:
    settled = Directory("etc/ssl/private", 0o710, 0, 104)
    merged = merge([owner("openssl", directories=(Directory("etc/ssl/private", 0o700),))], [], [settled])
    assert merged.directories["etc/ssl/private"] == settled


def test_directories_for_paths_are_every_parent_once_with_its_final_mode() -> None:
    merged = merge([owner("a", "tmp/x/f", directories=(Directory("tmp", 0o1777), Directory("empty", 0o700)))], [])
    assert merged.directories_for(["tmp/x/f", "tmp/y", "empty", "top"]) == (
        Directory("empty", 0o700), Directory("tmp", 0o1777), Directory("tmp/x"),
    )  # fmt: skip


@pytest.mark.parametrize("order", [1, -1])
def test_replaces_decides_between_two_debs_in_whatever_order(order: int) -> None:
    owners = [owner("a", "f", "g"), owner("b", "f", "h", replaces=("a",))][::order]
    assert merge(owners, []).left_out == {"a": frozenset({"f"})}


def test_two_debs_with_one_path_are_refused_by_name() -> None:
    with pytest.raises(EnvbuildError, match=r"`/usr/f` is in both a and b, and neither replaces the other"):
        merge([owner("a", "usr/f"), owner("b", "usr/f", replaces=("c",))], [])


def test_what_comes_later_replaces_what_was_there() -> None:
    merged = merge([owner("deb", "f", "g")], [owner("system", "f"), owner("one.whl", "f", "x"), owner("two.whl", "x")])
    assert merged.left_out == {
        "deb": frozenset({"f"}), "system": frozenset({"f"}), "one.whl": frozenset({"x"}),
    }  # fmt: skip


def test_nothing_is_left_out_where_nothing_overlaps() -> None:
    assert merge([owner("a", "f")], [owner("b", "g")]).left_out == {}


@pytest.mark.parametrize(
    ("debian", "later"),
    [
        ([owner("a", "lib"), owner("b", directories=(Directory("lib"),))], []),
        ([owner("a", directories=(Directory("lib"),)), owner("b", "lib")], []),
        ([owner("a", "lib"), owner("b", "lib/f")], []),
        ([owner("a", "usr/lib"), owner("b", directories=(Directory("usr/lib/x"),))], []),
        ([], [owner("one.whl", "opt/a"), owner("two.whl", "opt/a/b")]),
        ([], [owner("two.whl", "opt/a/b"), owner("one.whl", "opt/a")]),
        ([owner("a", "opt")], [owner("one.whl", "opt/env/x")]),
    ],
)
def test_a_path_below_a_file_or_a_link_of_another_package_is_refused(debian: list[Owner], later: list[Owner]) -> None:
    with pytest.raises(EnvbuildError, match="once as a file or link and once as a directory"):
        merge(debian, later)


def test_a_settled_directory_where_a_package_has_a_file_is_refused() -> None:
    with pytest.raises(EnvbuildError, match="once as a file or link and once as a directory"):
        merge([owner("a", "run")], [], [Directory("run")])
