from __future__ import annotations

import pytest

from builder.bundle.inside.recipe import Recipe
from builder.errors import EnvbuildError

RECIPE = Recipe("recreated/p", (("app", "recreated/p"), ("bundle/lock", "recreated/p/lock")), "thin")


def test_a_recipe_is_read_as_it_was_written():
    assert Recipe.from_dict(RECIPE.to_dict()) == RECIPE


@pytest.mark.parametrize(
    "changed",
    [
        {"project": "elsewhere"},
        {"project": "recreated/../../x"},
        {"project": "recreated"},
        {"project": "/recreated/p"},
        {"project": 1},
        {"options": ["--push"]},
        {"options": [["--thin"]]},
        {"copies": [["app", "recreated/../x"]]},
        {"copies": [["../etc", "recreated/p"]]},
        {"copies": [["etc/passwd", "recreated/p"]]},
        {"copies": [["app/\x1b", "recreated/p"]]},
        {"copies": [["app", "recreated/p", "more"]]},
        {"copies": [["app", None]]},
        {"copies": ["ap"]},
        {"copies": [["app", "recreated/p"]] * 10_001},
        {"copies": None},
    ],
    ids=range(16),
)
def test_a_recipe_that_leads_elsewhere_is_refused(changed):
    with pytest.raises(EnvbuildError):
        Recipe.from_dict({**RECIPE.to_dict(), **changed})


@pytest.mark.parametrize("document", [None, [], "x", {}])
def test_what_is_no_recipe_is_refused(document):
    with pytest.raises(EnvbuildError, match="does not say how it is recreated"):
        Recipe.from_dict(document)
