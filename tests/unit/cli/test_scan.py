"""`envbuild scan`: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from made_bundles import bundle_of, write_file, write_folder
from made_up_image import file, folder, layer

from builder.bundle.attached.attach import attached
from builder.bundle.reading.reader import open_bundle
from builder.records.scan.statement import stated_scan

Envbuild = Callable[..., tuple[int, str, str]]
TOKEN = "gh" + "p_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0dF3hJ6"


@pytest.fixture
def leak(work: Path) -> Path:
    (work / "src").mkdir()
    (work / "src/a.py").write_text(f"x = 1\nT = '{TOKEN}'\n")
    return work / "src"


def test_a_finding_is_one_line_and_the_exit_code_is_3(leak: Path, envbuild: Envbuild) -> None:
    code, out, err = envbuild("scan", "src")
    assert (code, out) == (3, "high   github-token  a.py:2: a token of GitHub\n")
    assert "1 of the levels high and medium" in err
    assert TOKEN not in out + err


def test_a_name_that_is_no_text_hides_nothing(leak: Path, envbuild: Envbuild) -> None:
    os.rename(os.fsencode(leak / "a.py"), os.fsencode(leak) + b"/\xff\x1b[2J.py")
    code, out, err = envbuild("scan", "src", "--json")
    assert code == 3, err
    assert [one["rule"] for one in json.loads(out)["findings"]] == ["github-token"]
    code, out, err = envbuild("scan", "src")
    assert (code, "\x1b" in out + err) == (3, False)


def test_json_and_sarif_are_written_whether_it_stops_or_not(leak: Path, work: Path, envbuild: Envbuild) -> None:
    code, out, _ = envbuild("scan", "src", "--json", "--sarif", "out.sarif")
    document = json.loads(out)
    assert code == 3
    assert document["levels"] == {"high": 1, "medium": 0, "low": 0}
    assert document["findings"][0]["path"] == "a.py"
    assert document["scanned"] == {"code": {"files": 1, "bytes": 53}}
    assert len(json.loads((work / "out.sarif").read_bytes())["runs"][0]["results"]) == 1
    leak.joinpath("a.py").write_text("x = 1\n")
    code, out, _ = envbuild("scan", "src", "--json")
    assert (code, json.loads(out)["findings"]) == (0, [])


def test_a_project_is_scanned_without_a_lock_and_its_allowances_count(
    leak: Path, work: Path, envbuild: Envbuild
) -> None:
    spec = "environment: {python: '3.11'}\ncode: [src/**]\n"
    (work / "envbuild.yaml").write_text(spec)
    assert envbuild("scan")[0] == 3
    allow = "scan: {allow: [{rule: github-token, path: 'src/**', reason: revoked}]}\n"
    (work / "envbuild.yaml").write_text(spec + allow)
    code, out, _ = envbuild("scan")
    assert (code, out) == (0, "high   github-token  src/a.py:2: a token of GitHub [allowed: revoked]\n")
    leak.joinpath("a.py").write_text("x = 1\n")
    code, out, err = envbuild("scan")
    assert (code, out) == (0, "")
    assert "nothing of `github-token` was found in `src/**`" in err


@pytest.mark.parametrize("form", ["folder", "file.tar"])
def test_the_verdict_is_attached_to_a_bundle_that_was_scanned(form: str, work: Path, envbuild: Envbuild) -> None:
    made = bundle_of({"code": layer(folder("app"), file("app/a.py", f"T = '{TOKEN}'\n".encode()))})
    place = (write_folder if form == "folder" else write_file)(work / form, made)
    before = open_bundle(place).top.digest
    code, out, err = envbuild("scan", form, "--attach")
    assert (code, out) == (3, "high   github-token  app/a.py:1: a token of GitHub\n")
    bundle = open_bundle(place)
    ((_, attachment),) = attached(bundle, before)
    stated = stated_scan(json.loads(attachment.data)["predicate"])
    assert bundle.top.digest == before
    assert stated is not None
    assert stated.findings == (("high", "github-token in `app/a.py`"),)
    assert TOKEN not in attachment.data.decode() + out + err


def test_only_a_bundle_can_have_a_verdict_attached(leak: Path, envbuild: Envbuild) -> None:
    code, _, err = envbuild("scan", "src", "--attach")
    assert code == 1
    assert "is no bundle" in err


def test_an_image_whose_variables_hold_a_secret_is_told(work: Path, envbuild: Envbuild) -> None:
    write_folder(work / "image", bundle_of({"code": layer(folder("app"))}, env=(f"TOKEN={TOKEN}",)))
    code, out, _ = envbuild("scan", "image")
    assert code == 3
    assert "github-token  image config" in out


def test_what_was_not_looked_at_is_counted_and_listed(work: Path, envbuild: Envbuild) -> None:
    (work / "a.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    assert "1 file NOT looked at in full, shown with `--verbose`" in envbuild("scan", "a.zip")[2]
    assert "not looked at: a.zip: secrets and personal data inside" in envbuild("scan", "a.zip", "-v")[2]
