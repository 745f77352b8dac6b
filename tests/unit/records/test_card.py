"""Model cards, judged by the library of the Hub."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from made_subjects import HOSTILE, made_subject

from builder.errors import EnvbuildError
from builder.records.card import check_card, made_card
from builder.records.subject import Subject


def loaded(subject: Subject, folder: Path, packages: tuple[str, ...] = ()) -> ModelCard:
    record = made_card(subject, packages)
    assert record is not None
    check_card(record.data, "made")
    file = folder / "MODEL_CARD.md"
    file.write_bytes(record.data)
    return ModelCard.load(file)


def test_a_made_card_says_what_is_declared_and_no_more(tmp_path: Path) -> None:
    card = loaded(made_subject(), tmp_path, ("scikit-learn",))
    assert card.data.to_dict() == {
        "license": "apache-2.0", "library_name": "sklearn", "tags": ["envbuild", "safetensors", "joblib"],
    }  # fmt: skip
    for text in (
        "# churn 1.0",
        "Tells who leaves.",
        "5 (float32)",
        "4" * 64,
        "runs code",
        "Penguins",
        "under 18",
        "team@",
    ):
        assert text in card.text


@pytest.mark.parametrize(
    ("license_", "told"),
    [
        ("MIT OR Apache-2.0", {"license": "other", "license_name": "MIT OR Apache-2.0"}),
        ("our own", {}),
        ("", {}),
    ],
)
def test_a_licence_is_told_as_the_hub_has_it(tmp_path: Path, license_: str, told: dict[str, str]) -> None:
    card = loaded(made_subject(license=license_), tmp_path)
    assert {key: value for key, value in card.data.to_dict().items() if key.startswith("license")} == told


def test_whatever_people_write_is_a_card_without_markup(tmp_path: Path) -> None:
    card = loaded(made_subject(description=HOSTILE, contacts=("--- x: y",), limits=("---\n- a: [",)), tmp_path)
    assert not re.search(r"(?<!\\)[<`]script", card.text)
    assert "\x1b" not in card.text
    assert not re.search(r"(?<!\\)\]\(", card.text)


def test_there_is_no_card_without_a_model_or_beside_a_written_one() -> None:
    assert made_card(made_subject(model=()), ()) is None
    assert made_card(made_subject(has_card=True), ()) is None


@pytest.mark.parametrize(
    "card",
    ["# No front matter\n", "---\nlicense: mit\n---\n# Card\n", "\n---\r\ntags: [a]\r\n---\r\ntext", "---\n---\n", ""],
    ids=range(5),
)
def test_what_the_hub_can_load_is_taken(card: str) -> None:
    check_card(card.encode(), "MODEL_CARD.md")
    ModelCard(card)


@pytest.mark.parametrize(
    ("card", "why"),
    [
        (b"---\nlicense: [mit\n---\n", "not YAML"),
        (b"---\n- a\n---\n", "no mapping"),
        (b"---\na: " + b"[" * 60 + b"]" * 60 + b"\n---\n", "not YAML"),
        (b"---\na: 2024-99-99\n---\n", "not YAML"),
        (b"---\na: !!python/object/apply:os.system [id]\n---\n", "not YAML"),
        (b"# \xff", "cannot be read"),
    ],
    ids=["broken", "list", "deep", "no-date", "object", "not-utf-8"],
)
def test_what_the_hub_cannot_load_is_refused_with_the_files_name(card: bytes, why: str) -> None:
    with pytest.raises(EnvbuildError, match=f"`docs/CARD.md`.*{why}"):
        check_card(card, "docs/CARD.md")
