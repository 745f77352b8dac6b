"""Packages looked up in OSV records: versions, ranges, aliases, severities, and databases that are damaged."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.errors import EnvbuildError
from builder.records.vulnerabilities.affected import Package, is_affected
from builder.records.vulnerabilities.lookup import Vulnerability, look_up
from builder.records.vulnerabilities.severity import Severity, severity_of

NUMPY = Package("PyPI", "numpy", "1.26.4")
OPENSSL = Package("Debian:12", "openssl", "3.0.17-1~deb12u2")
CRITICAL = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}


def record(name: str = "A-1", package: Package = NUMPY, *events: dict[str, str], **more: Any) -> dict[str, Any]:
    """A record about a package, whatever its version, unless events say otherwise."""
    affected = {
        "package": {"ecosystem": package.ecosystem, "name": package.name},
        "ranges": [{"type": "ECOSYSTEM", "events": list(events) or [{"introduced": "0"}]}],
    }
    return {"id": name, "affected": [affected | more.pop("affected", {})], **more}


def database(folder: Path, *records: dict[str, Any]) -> Path:
    """A database of JSON files."""
    folder.mkdir(exist_ok=True)
    for number, one in enumerate(records):
        (folder / f"{number}.json").write_text(json.dumps(one))
    return folder


def found(
    folder: Path, *records: dict[str, Any], packages: tuple[Package, ...] = (NUMPY,)
) -> tuple[Vulnerability, ...]:
    return look_up([database(folder / "osv", *records)], packages).vulnerabilities


@pytest.mark.parametrize(
    ("package", "events", "affected"),
    [
        (NUMPY, [{"introduced": "0"}, {"fixed": "1.26.5"}], True),
        (NUMPY, [{"introduced": "0"}, {"fixed": "1.26.4"}], False),
        (NUMPY, [{"introduced": "1.26.4"}], True),
        (NUMPY, [{"introduced": "1.26.5"}], False),
        (NUMPY, [{"introduced": "0"}, {"last_affected": "1.26.4"}], True),
        (NUMPY, [{"introduced": "0"}, {"last_affected": "1.26.3"}], False),
        (NUMPY, [{"introduced": "0"}, {"fixed": "1.20"}, {"introduced": "1.25"}, {"fixed": "1.27"}], True),
        (NUMPY, [{"fixed": "1.27"}, {"introduced": "1.25"}, {"fixed": "1.20"}, {"introduced": "0"}], True),
        (NUMPY, [{"introduced": "0"}, {"fixed": "1.20"}, {"introduced": "1.27"}], False),
        (NUMPY, [{"introduced": "0"}, {"limit": "1.26"}], False),
        (NUMPY, [{"introduced": "0"}, {"limit": "2"}], True),
        (NUMPY, [{"introduced": "1.26.4"}, {"fixed": "1.26.4"}], False),
        (Package("PyPI", "torch", "2.1.0+cpu"), [{"introduced": "0"}, {"fixed": "2.1.0"}], False),
        (Package("PyPI", "torch", "2.1.0+cpu"), [{"introduced": "0"}, {"last_affected": "2.1.0"}], True),
        (Package("PyPI", "a", "1.0rc1"), [{"introduced": "0"}, {"fixed": "1.0"}], True),
        (OPENSSL, [{"introduced": "0"}, {"fixed": "3.0.17-1~deb12u3"}], True),
        (OPENSSL, [{"introduced": "0"}, {"fixed": "3.0.17-1~deb12u2"}], False),
        (OPENSSL, [{"introduced": "0"}, {"fixed": "3.0.17-1"}], True),
        (OPENSSL, [{"introduced": "0"}, {"fixed": "1:1.0"}], True),
    ],
)  # fmt: skip
def test_ranges_are_evaluated_as_the_schema_says(package, events, affected):
    assert is_affected(package, {"ranges": [{"type": "ECOSYSTEM", "events": events}]}) is affected


@pytest.mark.parametrize(
    ("affected", "expected"),
    [
        ({"versions": ["1.26.4"]}, True),
        ({"versions": ["1.26.4.0"]}, True),
        ({"versions": ["1.26.3", "not a version"]}, False),
        ({"ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]}, False),
        ({}, False),
        ({"versions": None, "ranges": [7, {"events": [None]}]}, False),
    ],
)
def test_versions_are_listed_by_themselves_too(affected, expected):
    assert is_affected(NUMPY, affected) is expected


@given(st.lists(st.tuples(st.sampled_from(["introduced", "fixed", "last_affected"]), st.integers(0, 9)), max_size=6),
       st.integers(0, 9))  # fmt: skip
def test_ranges_agree_with_walking_through_the_versions(events, version):
    """The schema's own algorithm: sorted events switch the state; at one version, `fixed` comes last."""
    order = {"introduced": 0, "fixed": 1, "last_affected": 2}
    state = False
    for kind, at in sorted(events, key=lambda event: (event[1], order[event[0]])):
        if kind == "introduced" and version >= at:
            state = True
        elif (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at):
            state = False
    given_events = [{kind: str(at)} for kind, at in events]
    assert is_affected(Package("PyPI", "a", str(version)), {"ranges": [{"events": given_events}]}) is state


def test_a_package_is_found_by_its_normalised_name(tmp_path):
    one = record("A-1", Package("PyPI", "Ruamel_Yaml", "1"))
    assert found(tmp_path, one, packages=(Package("PyPI", "ruamel-yaml", "1"),))
    assert not found(tmp_path, one, packages=(Package("PyPI", "ruamel", "1"),))


def test_a_release_of_debian_is_not_another(tmp_path):
    one = record("DSA-1", Package("Debian:11", "openssl", "1"))
    everywhere = record("DSA-2", Package("Debian", "openssl", "1"))
    assert [each.name for each in found(tmp_path, one, everywhere, packages=(OPENSSL,))] == ["DSA-2"]


def test_withdrawn_records_count_for_nothing(tmp_path):
    assert not found(tmp_path, record(withdrawn="2026-01-01T00:00:00Z"))


def test_records_that_mean_the_same_are_one_with_the_severity_that_any_of_them_tells(tmp_path):
    [one] = found(
        tmp_path,
        record("PYSEC-1", aliases=["CVE-1"]),
        record("GHSA-1", aliases=["CVE-1"], database_specific={"severity": "MODERATE"}),
    )
    assert set(one.ids) == {"PYSEC-1", "GHSA-1", "CVE-1"}
    assert one.severity is Severity.MEDIUM


def test_a_version_that_cannot_be_compared_is_told_and_not_taken_for_safe(tmp_path):
    [one] = found(tmp_path, record("A-1", NUMPY, {"introduced": "0"}, {"fixed": "not a version"}))
    assert one.severity is None
    assert "is not a version" in one.why_unknown


@pytest.mark.parametrize(
    ("given_severity", "level"),
    [
        ({"severity": [CRITICAL]}, Severity.CRITICAL),
        ({"severity": [{"type": "CVSS_V3", "score": "CVSS:3.0/AV:L/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:L"}]}, Severity.LOW),
        ({"severity": [{"type": "CVSS_V2", "score": "AV:N/AC:L/Au:N/C:P/I:P/A:P"}]}, Severity.HIGH),
        ({"severity": [{"type": "CVSS_V4",
                        "score": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"}]},
         Severity.CRITICAL),
        ({"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}, {"score": 7}, "x"]}, None),
        ({"severity": "high"}, None),
        ({"database_specific": {"severity": "HIGH"}}, Severity.HIGH),
        ({"ecosystem_specific": {"urgency": "unimportant"}}, Severity.LOW),
        ({"ecosystem_specific": {"urgency": "not yet assigned"}}, None),
        ({"database_specific": {"severity": "LOW"}, "severity": [CRITICAL]}, Severity.CRITICAL),
        ({}, None),
    ],
)  # fmt: skip
def test_the_highest_severity_that_is_told_counts(given_severity, level):
    assert severity_of(given_severity, {}) is level
    assert severity_of({}, given_severity) is level


def test_zip_files_are_read_as_they_are_published(tmp_path):
    (tmp_path / "PyPI").mkdir()
    with zipfile.ZipFile(tmp_path / "PyPI" / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("A-1.json", json.dumps(record()))
        archive.writestr("A-2.json", json.dumps(record("A-2", Package("PyPI", "other", "1"))))
    looked_up = look_up([tmp_path], (NUMPY, OPENSSL))
    assert [one.name for one in looked_up.vulnerabilities] == ["A-1"]
    assert looked_up.ecosystems == {"PyPI"}
    assert look_up([tmp_path / "PyPI" / "all.zip"], (NUMPY,)) == look_up([tmp_path], (NUMPY,))


def test_a_record_that_inflates_without_end_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("A-1.json", b" " * (17 << 20))
    with pytest.raises(EnvbuildError, match="too large"):
        look_up([tmp_path], (NUMPY,))


@pytest.mark.parametrize("name", ["all.zip", "a.json"])
def test_a_damaged_database_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b'{"name": "numpy", ' + b"0" * 100)
    with pytest.raises(EnvbuildError):
        look_up([tmp_path], (NUMPY,))


def test_a_zip_file_whose_content_was_changed_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("A-1.json", json.dumps(record()) * 3)
    data = bytearray((tmp_path / "all.zip").read_bytes())
    data[60] ^= 0xFF
    (tmp_path / "all.zip").write_bytes(data)
    with pytest.raises(EnvbuildError, match="cannot be read"):
        look_up([tmp_path], (NUMPY,))
