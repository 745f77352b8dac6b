from __future__ import annotations

from pathlib import Path

import pytest

from builder.fetch import Fetcher, Mirrors
from builder.image.workshop import Workshop
from builder.oci.store import Store

ITEMS = ["middle", "a", "the largest", "bb"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_results_are_in_the_order_of_the_items(store: Store, workers: int) -> None:
    workshop = Workshop(store, Fetcher(store, Mirrors()), workers)
    assert workshop.each(str.upper, ITEMS, len) == [item.upper() for item in ITEMS]


def test_the_largest_is_begun_first(store: Store) -> None:
    begun: list[str] = []
    Workshop(store, Fetcher(store, Mirrors()), 1).each(begun.append, ITEMS, len)
    assert begun == ["the largest", "middle", "bb", "a"]


def test_equal_sizes_are_begun_in_the_order_of_the_items(store: Store) -> None:
    begun: list[str] = []
    Workshop(store, Fetcher(store, Mirrors()), 1).each(begun.append, ITEMS)
    assert begun == ITEMS


def test_an_error_of_one_item_is_raised(store: Store) -> None:
    def work(item: str) -> None:
        if item == "bb":
            raise ValueError(item)

    with pytest.raises(ValueError, match="bb"):
        Workshop(store, Fetcher(store, Mirrors()), 2).each(work, ITEMS, len)
