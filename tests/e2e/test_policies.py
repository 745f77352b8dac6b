"""The example's bundle, held to a policy with every rule, as a reviewer would."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from signed_bundles import new_key

pytestmark = pytest.mark.slow
POLICY = """\
signatures: [{{keys: [key.pub]}}]
builders: ["https://envbuild.dev/builders/*"]
bases: [{{name: "debian:*"}}]
licenses: {{deny: [AGPL-*], unknown: true}}
scan: {{at-most: low}}
vulnerabilities:
  database: osv
  at-most: high
  ignore: [{ignore}]
"""
CRITICAL = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]


def known(folder: Path, name: str, ecosystem: str, package: str, **more: object) -> None:
    """Add a record that no version is safe from."""
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]
    affected = [{"package": {"ecosystem": ecosystem, "name": package}, "ranges": ranges}]
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps({"id": name, "affected": affected, **more}))


@pytest.fixture(scope="module")
def place(envbuild, projects: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example's bundle, signed."""
    folder = tmp_path_factory.mktemp("policies")
    machine = replace(envbuild, cwd=str(folder))
    new_key(folder / "key")
    machine("bundle", projects / "examples" / "penguins", "-o", "penguins.tar")
    machine("sign", "penguins.tar", "--key", "key")
    known(folder / "osv", "PYSEC-OTHER", "PyPI", "no-such-package", severity=CRITICAL)
    known(folder / "osv", "DSA-OTHER", "Debian:12", "no-such-package", severity=CRITICAL)
    return folder


@pytest.fixture
def verified(envbuild, place: Path) -> Callable[..., dict[str, str]]:
    """Verifies with what is ignored and which exit code; the result of each rule."""

    def verify(code: int, ignore: str = "") -> dict[str, str]:
        (place / "policy.yaml").write_text(POLICY.format(ignore=ignore))
        done = replace(envbuild, cwd=str(place))(
            "verify", "penguins.tar", "--policy", "policy.yaml", "--json", "--platform", "linux/amd64", code=code
        )
        return {rule["rule"]: rule["result"] for rule in json.loads(done.stdout)["rules"]}

    return verify


def test_a_reviewer_takes_what_every_rule_takes(verified):
    results = verified(0)
    assert results.keys() == {"signatures[0]", "builders", "bases", "licenses", "scan", "vulnerabilities"}
    assert set(results.values()) == {"passed"}


def test_a_known_vulnerability_stops_it_until_it_is_ignored_with_a_reason(verified, place):
    known(place / "osv", "PYSEC-1", "PyPI", "numpy", aliases=["CVE-1"], severity=CRITICAL)
    assert verified(3)["vulnerabilities"] == "failed"
    assert verified(0, "{id: CVE-1, reason: not reachable}")["vulnerabilities"] == "passed"
    (place / "osv" / "PYSEC-1.json").unlink()


def test_a_vulnerability_of_unknown_severity_is_not_a_pass(verified, place):
    known(place / "osv", "DSA-1", "Debian:12", "openssl")
    assert verified(6)["vulnerabilities"] == "not measured"
    (place / "osv" / "DSA-1.json").unlink()
