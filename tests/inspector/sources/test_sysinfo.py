"""IBM Z's /proc/sysinfo."""

from __future__ import annotations

from envinspect.sources.sysinfo import Level, levels


def test_levels_are_outermost_first() -> None:
    text = (
        "LPAR Number:          41\nLPAR Name:            PART01\n\n"
        "VM00 Name:            GUEST\nVM00 Control Program: KVM/Linux\n"
        "VM01 Name:            LINUX1\nVM01 Control Program: z/VM    6.4.0\n"
    )
    assert levels(text) == (
        Level("lpar", "LPAR Name: PART01"),
        Level("zvm", "VM01 Control Program: z/VM    6.4.0"),
        Level("kvm", "VM00 Control Program: KVM/Linux"),
    )
