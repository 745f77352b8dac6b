from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from builder.cli import lock_export
from builder.errors import EnvbuildError
from builder.lock import export
from builder.oci.documents import Platform


def test_the_forms_of_the_command_are_those_that_there_are() -> None:
    assert lock_export.FORMS == export.FORMS


def test_packages_are_printed_as_they_are(envbuild: Any, locked: Path) -> None:
    code, out, error = envbuild("lock", "--export", "pylock.toml", "--platform", "linux/arm64", str(locked))
    assert (code, error) == (0, "")
    assert out == (locked / "lock/pylock.linux-arm64.toml").read_text()


def test_packages_are_written_to_a_file(envbuild: Any, locked: Path, work: Path) -> None:
    code, out, error = envbuild(
        "lock", "--export", "requirements.txt", "--platform", "linux/amd64", "-o", "r.txt", str(locked)
    )
    assert (code, out, error) == (0, "", "the packages for linux/amd64 are in `r.txt`\n")
    assert (work / "r.txt").read_text().startswith("# Locked by envbuild for linux/amd64")
    assert envbuild("lock", "--export", "pylock.toml", "-o", "nowhere/r.txt", str(locked))[0] == 1


def test_this_machines_platform_is_taken_where_none_is_named(
    envbuild: Any, locked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builder.cli.machine.host_platform", lambda: Platform("arm64"))
    assert "for linux/arm64" in envbuild("lock", "--export", "requirements.txt", str(locked))[1]
    monkeypatch.setattr("builder.cli.machine.host_platform", lambda: Platform("riscv64"))
    code, out, error = envbuild("lock", "--export", "requirements.txt", str(locked))
    assert (code, out) == (1, "")
    assert "linux/amd64, linux/arm64" in error
    assert "--platform linux/amd64" in error


def test_a_machine_that_no_image_is_for_can_export_too(
    envbuild: Any, locked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown() -> Platform:
        raise EnvbuildError("no image is built for this processor")

    monkeypatch.setattr("builder.cli.machine.host_platform", unknown)
    assert "Choose one" in envbuild("lock", "--export", "pylock.toml", str(locked))[2]
    assert envbuild("lock", "--export", "pylock.toml", "--platform", "linux/amd64", str(locked))[0] == 0


def test_a_stale_lock_is_not_exported(envbuild: Any, locked: Path) -> None:
    spec = locked / "environment.yaml"
    spec.write_text(spec.read_text().replace("pandas", "polars"))
    code, out, error = envbuild("lock", "--export", "requirements.txt", str(locked))
    assert (code, out) == (1, "")
    assert "does not match" in error


@pytest.mark.parametrize(
    "arguments",
    [
        ("--platform", "linux/amd64"),
        ("-o", "x"),
        ("--export", "explicit", "--check"),
        ("--export", "explicit", "--all"),
        ("--export", "explicit", "--json"),
        ("--export", "explicit", "-P", "numpy"),
        ("--export", "poetry.lock"),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(envbuild: Any, locked: Path, arguments: tuple[str, ...]) -> None:
    code, out, error = envbuild("lock", *arguments, str(locked))
    assert code == 2
    assert (out == "") is ("--json" not in arguments)
    assert "--export" in error
