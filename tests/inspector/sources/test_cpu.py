"""/proc/cpuinfo."""

from __future__ import annotations

from envinspect.sources.cpu import fields, flags


def test_cpuinfo_keeps_the_first_processor_and_the_machine_s_own_lines() -> None:
    text = (
        "processor\t: 0\nmodel name\t: A\nflags\t\t: fpu vmx\n\nprocessor\t: 1\nmodel name\t: B\n\nHardware\t: Board\n"
    )
    found = fields(text)
    assert found["model name"] == "A"
    assert found["hardware"] == "Board"
    assert flags(found) == {"fpu", "vmx"}
