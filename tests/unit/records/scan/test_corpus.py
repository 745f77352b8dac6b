"""What scans find of the planted corpus, what they make up, and what two other scanners say of it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from detect_secrets.core.scan import scan_line
from detect_secrets.settings import transient_settings
from picklescan.scanner import scan_bytes
from scan_corpus import Planted, corpus
from scan_corpus.measure import judged, measure, table, verdict_on

from builder.records.scan.advice import advice, all_rules
from builder.records.scan.finding import FileVerdict

GUIDE = Path(__file__).parents[4] / "docs/guides/scans.md"
CORPUS = corpus()
KINDS = ("secrets", "notebooks", "files", "pickles", "personal data")
Verdicts = list[tuple[Planted, FileVerdict]]


@pytest.fixture(scope="module")
def verdicts() -> Verdicts:
    return judged(CORPUS)


def test_recall_and_precision_stay_above_their_floors(verdicts: Verdicts) -> None:
    scores, wrong = measure(verdicts)
    assert set(scores) == set(KINDS)
    for score in scores.values():
        assert score.planted >= 15
        assert score.recall >= 0.95, wrong
        assert score.precision >= 0.95, wrong


def test_the_guide_has_the_table_of_this_corpus(verdicts: Verdicts) -> None:
    rows = [line.split("|") for line in GUIDE.read_text("utf-8").splitlines() if "|" in line[1:]]
    told = {row[1]: row[2:5] for row in rows}
    for line in table(measure(verdicts)[0]).splitlines()[2:]:
        assert told.get(line.split("|")[1]) == line.split("|")[2:5]


def test_no_verdict_has_the_secret_in_it(verdicts: Verdicts) -> None:
    for planted, verdict in verdicts:
        if planted.secret:
            assert planted.secret[4:] not in json.dumps(verdict.to_value()), planted.path


def test_every_rule_has_a_planted_file_and_advice() -> None:
    rules = {name for name, _ in all_rules()}
    assert {planted.rule for planted in CORPUS} - {""} == rules - {"pickle-own-import"}  # told of a whole project alone
    assert all(advice(rule) for rule in rules)


PLUGINS: list[dict[str, object]] = [
    {"name": name}
    for name in (
        "AWSKeyDetector", "AzureStorageKeyDetector", "BasicAuthDetector", "DiscordBotTokenDetector",
        "GitHubTokenDetector",
        "GitLabTokenDetector", "JwtTokenDetector", "NpmDetector", "OpenAIDetector", "PrivateKeyDetector",
        "PypiTokenDetector", "SendGridDetector", "SlackDetector", "StripeDetector", "TelegramBotTokenDetector",
    )
]  # fmt: skip


def test_what_detect_secrets_finds_by_its_form_is_found_here(verdicts: Verdicts) -> None:
    compared = 0
    with transient_settings({"plugins_used": PLUGINS}):
        for planted, verdict in verdicts:
            if planted.kind == "secrets" and planted.rule and len(planted.data) < 100_000 and b"\0" not in planted.data:
                found = [one for line in planted.data.decode().splitlines() for one in scan_line(line)]
                compared += bool(found)
                assert not found or verdict.findings, planted.path
    assert compared > 80


def test_what_picklescan_finds_to_be_dangerous_is_found_here(verdicts: Verdicts) -> None:
    compared = 0
    for planted, verdict in verdicts:
        if planted.kind == "pickles" and planted.path.endswith((".pkl", ".pt", ".npy", ".npz", ".bin", ".pth")):
            issues = 0
            with suppress(ValueError):  # it gives up on some of them
                issues = scan_bytes(io.BytesIO(planted.data), planted.path).issues_count
            compared += issues > 0
            if issues:
                assert any(one.level == "high" for one in verdict.findings), planted.path
    assert compared > 60


def _in_text(text: bytes) -> Planted:
    return Planted("secrets", "src/a.py", text)


CASES: dict[str, Callable[[str], bytes]] = {
    "windows line ends": lambda token: f"a = 1\r\nb = '{token}'\r\n".encode(),
    "a single line without an end": lambda token: token.encode(),
    "a byte order mark": lambda token: f"\ufeff{token}".encode(),
    "latin 1": lambda token: f"# é\nx = '{token}'\n".encode("latin-1"),
    "UTF-16 without a mark": lambda token: f"x = '{token}'\n".encode("utf-16-le"),
    "UTF-16, big end first": lambda token: f"x = '{token}'\n".encode("utf-16-be"),
    "UTF-32": lambda token: f"\ufeffx = '{token}'\n".encode("utf-32-le"),
    "a line of ten megabytes": lambda token: b"y" * 5_000_000 + b" " + token.encode() + b" " + b"y" * 5_000_000,
    "a token behind another": lambda token: f"{token} {token}".encode(),
}


@pytest.mark.parametrize("case", CASES)
def test_a_token_is_found_in_text_of_any_encoding_and_length(case: str, tmp_path: Path) -> None:
    token = "gh" + "p_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0dF3hJ6"
    rules = [one.rule for one in verdict_on(_in_text(CASES[case](token)), tmp_path).findings]
    assert "github-token" in rules


def test_the_line_is_told_also_behind_many_blocks(tmp_path: Path) -> None:
    token = "gh" + "p_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0dF3hJ6"
    data = b"a = 1\n" * 600_000 + f"b = '{token}'\n".encode() + b"c = 1\n" * 10
    (finding,) = verdict_on(_in_text(data), tmp_path).findings
    assert finding.line == 600_001


def test_a_token_at_each_place_around_the_border_of_blocks_is_found_once(tmp_path: Path) -> None:
    token = b"gh" + b"p_" + b"aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0dF3hJ6"
    for shift in range(-45, 10, 5):
        for border in ((1 << 20), (1 << 20) - 8192):
            data = b"\n" * (border + shift) + token + b"\n" + b"\n" * 20_000
            findings = verdict_on(_in_text(data), tmp_path).findings
            assert [one.line for one in findings] == [border + shift + 1]
