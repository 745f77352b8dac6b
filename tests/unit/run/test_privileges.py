from __future__ import annotations

from builder.run.privileges import Capability, has_capabilities, id_ranges


def test_capabilities_are_those_in_effect(tmp_path):
    (tmp_path / "status").write_text("Name:\tx\nCapPrm:\t000001ffffffffff\nCapEff:\t00000000000000c3\n")
    assert has_capabilities((Capability.CHOWN, Capability.DAC_OVERRIDE, Capability.SETUID), tmp_path)
    assert not has_capabilities((Capability.CHOWN, Capability.SYS_ADMIN), tmp_path)


def test_without_a_kernel_that_tells_there_are_none(tmp_path):
    assert not has_capabilities((Capability.CHOWN,), tmp_path)


def test_id_ranges_are_those_of_this_namespace(tmp_path):
    (tmp_path / "uid_map").write_text("         0       1000          1\n         1     100000      65536\n")
    assert id_ranges("uid", tmp_path) == [(0, 1), (1, 65536)]
