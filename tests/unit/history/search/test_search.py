from __future__ import annotations

import math
import operator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import LAST

from builder.errors import EnvbuildError
from builder.history.search import holds, names_of, parse_search
from builder.history.search.facts import facts_of

FACTS = facts_of(LAST, ("best", "reviewed"))


@pytest.mark.parametrize(
    "expression",
    [
        "auc > 0.8",
        "auc = 0.9 and params.rate < 0.5 and data.train = sha256:aaaa",
        "AUC = 1 or metrics.auc >= 0.9",
        "not (auc < 0.5) and not outcome = failed",
        "data.train = aaaa and data.train != bbbb",
        "outputs.copy = sha256:aa AND commit = dddd and image != sha256:cc",
        "tags = best and tags = reviewed and tags != worst and tags ~ view",
        "start >= 2026-01-31 and start < 2026-02 and start = 2026-01-31 and end > 2026-01",
        "start <= 2026-01-31T23:59 and start > '2026-01-31 23:58'",
        "duration >= 1m and duration < 0.5h and memory = 1MiB and memory < 2MB",
        "command = train and project = \"churn\" and why ~ 'RATE was'",
        "who ~ ann@ and dirty = true and seed = 7 and seed != 8",
        'params.model.layers = 8 and has(params.rate) and has("metrics.auc")',
        "has(data.train) and not has(data.test)",
        "exit_code == 0 and state = ok",
    ],
)
def test_what_is_true_of_a_run_holds(expression: str) -> None:
    assert holds(parse_search(expression), FACTS)


@pytest.mark.parametrize(
    "expression",
    [
        "loss > 0", "loss < 0", "loss = NaN", "loss != 0", "loss = loss",  # not a number
        "nothing = 1", "nothing != 1", "params.nothing < 1", "stage = train", "has(stage)",  # not there
        "rate = 0.1", "command > 5", "why < 3", "params.model.layers > 8", "start < 2026-01-31", "start > 2026-01",
        "tags != best", "data.train = b", "seed = 7.5", "dirty = false", "params.model.depth = None",
    ],
)  # fmt: skip
def test_what_is_not_known_or_not_true_does_not_hold(expression: str) -> None:
    assert not holds(parse_search(expression), FACTS)


@pytest.mark.parametrize(
    ("expression", "place", "why"),
    [
        ("auc >", 5, "a value is expected"),
        ("auc", 3, "an operator is expected"),
        ("auc > 1 auc < 2", 8, "belongs to no condition"),
        ("auc > 1 && x = 2", 8, "belongs to no condition"),
        ("(auc > 1", 0, "not closed"),
        ("auc > 1)", 7, "belongs to no condition"),
        ("and auc > 1", 0, "a name is expected"),
        ("", 0, "a name is expected"),
        ("auc > 'a", 6, "no end"),
        ("auc ! 1", 4, "no meaning"),
        ("1 < auc", 0, "before the operator"),
        ("data.train < sha256:aa", 11, "no order"),
        ("data.train = yesterday", 13, "no digest"),
        ("start > yesterday", 8, "no time"),
        ("duration > long", 11, "no number"),
        ("seed > x", 7, "no number"),
        ("has(auc", 3, "not closed"),
        ("not " * 60 + "auc > 1", 200, "nested too deep"),
        ("(" * 60, 50, "nested too deep"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(expression: str, place: int, why: str) -> None:
    with pytest.raises(EnvbuildError) as caught:
        parse_search(expression)
    told, line, mark = caught.value.why[0].split("\n")
    assert why in told
    assert mark.strip() == "^"
    assert line == expression[max(0, place - 60) : place + 40]
    assert len(mark) - 1 == min(place, 60)


def test_an_expression_of_any_length_is_refused_in_time() -> None:
    with pytest.raises(EnvbuildError, match="too long"):
        parse_search("a = 1 and " * 1000)


def test_odd_names_and_values_stand_in_quotes() -> None:
    facts = {"metrics.val/f1-score": 0.5, "params.a b": 'say "x"', "metrics.and": 1.0, "data.data/t.csv": "sha256:ab"}
    text = """val/f1-score = 0.5 and params."a b" = "say \\"x\\"" and "and" = 1 and data.data/t.csv = ab"""
    assert holds(parse_search(text), facts)
    assert names_of(parse_search(text)) == facts.keys()


def test_infinite_metrics_compare_as_such() -> None:
    assert holds(parse_search("loss > 1e300 and loss = inf"), {"metrics.loss": "Infinity"})


@given(st.text(max_size=60))
def test_any_text_is_an_expression_or_a_clean_error(text: str) -> None:
    with suppress(EnvbuildError):
        assert holds(parse_search(text), FACTS) in (True, False)


NAMES = ("a", "b", "c")
OPERATORS = {"=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
             ">=": operator.ge}  # fmt: skip
VALUES = st.sampled_from([-1.5, 0.0, 1.0, 2.0, 1e9])
LEAVES = st.tuples(st.just("compare"), st.sampled_from(NAMES), st.sampled_from(sorted(OPERATORS)), VALUES) | st.tuples(
    st.just("has"), st.sampled_from(NAMES)
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.tuples(st.just("not"), inner)
        | st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3))
    ),
    max_leaves=12,
)


def written(tree: Any) -> str:
    if tree[0] == "compare":
        return f"{tree[1]} {tree[2]} {tree[3]}"
    if tree[0] == "has":
        return f"has({tree[1]})"
    if tree[0] == "not":
        return f"not ({written(tree[1])})"
    return "(" + f" {tree[0]} ".join(written(part) for part in tree[1]) + ")"


def expected(tree: Any, values: dict[str, float]) -> bool:
    if tree[0] == "compare":
        value = values.get(tree[1])
        return value is not None and not math.isnan(value) and bool(OPERATORS[tree[2]](value, tree[3]))
    if tree[0] == "has":
        return tree[1] in values
    if tree[0] == "not":
        return not expected(tree[1], values)
    parts = [expected(part, values) for part in tree[1]]
    return all(parts) if tree[0] == "and" else any(parts)


@given(TREES, st.dictionaries(st.sampled_from(NAMES), VALUES | st.just(math.nan)))
def test_an_expression_means_what_its_parts_mean_together(tree: Any, values: dict[str, float]) -> None:
    facts: dict[str, Any] = {f"metrics.{name}": "NaN" if math.isnan(one) else one for name, one in values.items()}
    assert holds(parse_search(written(tree)), facts) == expected(tree, values)
