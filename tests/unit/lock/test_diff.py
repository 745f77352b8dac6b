from __future__ import annotations

from dataclasses import replace

from made_locks import AMD64, ARM64, made_deb, made_lock, made_wheel

from builder.lock.diff import diff_locks
from builder.spec import Base, Environment, PyPI

SPEC = Environment("3.11", pypi=PyPI(("alpha",)))
ALPHA, BETA = made_wheel("alpha", "1.0", "beta"), made_wheel("beta", "2.0")
BASE = made_deb("base-files", "12")


def told(before: list[object], after: list[object]) -> list[tuple[str, str, str | None, str | None]]:
    one = made_lock(SPEC, before, [BASE])  # type: ignore[arg-type]
    other = made_lock(SPEC, after, [BASE])  # type: ignore[arg-type]
    return [(change.name, change.status, change.before, change.after) for change in diff_locks(one, other).changes]


def test_equal_locks_do_not_differ() -> None:
    found = diff_locks(made_lock(SPEC, [ALPHA], [BASE]), made_lock(SPEC, [ALPHA], [BASE]))
    assert not found
    assert found.sizes == {AMD64: (1500, 1500), ARM64: (1500, 1500)}


def test_each_change_of_a_package_has_its_name() -> None:
    assert told([ALPHA], [ALPHA, BETA]) == [("beta", "added", None, "2.0")]
    assert told([ALPHA, BETA], [ALPHA]) == [("beta", "removed", "2.0", None)]
    assert told([BETA], [made_wheel("beta", "10.0")]) == [("beta", "upgraded", "2.0", "10.0")]
    assert told([BETA], [made_wheel("beta", "2.0rc1")]) == [("beta", "downgraded", "2.0", "2.0rc1")]
    other_file = replace(BETA, file_name="beta-2.0-py2.py3-none-any.whl", digest=ALPHA.digest)
    assert told([BETA], [other_file]) == [("beta", "file", "2.0", "2.0")]


def test_versions_are_compared_as_their_kind_does() -> None:
    before = made_lock(SPEC, [ALPHA], [made_deb("base-files", "12.0"), made_deb("libc6", "1:2.36~rc1-1")])
    after = made_lock(SPEC, [ALPHA], [made_deb("base-files", "12.0+b1"), made_deb("libc6", "1:2.36-1")])
    assert [(c.name, c.status) for c in diff_locks(before, after).changes] == [
        ("base-files", "upgraded"), ("libc6", "upgraded"),
    ]  # fmt: skip


def test_a_change_on_one_platform_says_which() -> None:
    before = made_lock(SPEC, [ALPHA], [BASE])
    after = made_lock(SPEC, [ALPHA, BETA], [BASE])
    mixed = replace(after, wheels={AMD64: (ALPHA, BETA), ARM64: (ALPHA,)})
    (change,) = diff_locks(before, mixed).changes
    assert change.platforms == (AMD64,)
    (change,) = diff_locks(before, after).changes
    assert change.platforms == (AMD64, ARM64)


def test_a_license_that_changes_is_told() -> None:
    before = made_lock(SPEC, [made_wheel("alpha", "1.0", license_="MIT")], [BASE])
    after = made_lock(SPEC, [made_wheel("alpha", "2.0", license_="GPL-3.0-only")], [BASE])
    (change,) = diff_locks(before, after).changes
    assert change.relicensed
    assert change.licenses == ("MIT", "GPL-3.0-only")


def test_platforms_spec_and_base_are_told() -> None:
    before = made_lock(SPEC, [ALPHA], [BASE], [AMD64])
    after = made_lock(replace(SPEC, base=Base("trixie")), [ALPHA], [BASE])
    locks = {name: replace(lock, suite="trixie") for name, lock in after.document.platforms.items()}
    after = replace(after, document=replace(after.document, platforms=locks))
    found = diff_locks(before, after)
    assert found.added == (ARM64,)
    assert [setting.name for setting in found.settings] == ["base"]
    assert found.spec == ("`base.suite` was set to `trixie`",)
    assert found.sizes[ARM64] == (0, 1500)
