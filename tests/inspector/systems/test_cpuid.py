"""The door to the CPU: the instruction, the kernel's device where pages may not be executed, and recorded leaves."""

from __future__ import annotations

import mmap
import os
import platform
import sys
from pathlib import Path

import pytest

from envinspect.model import ABSENT, Denied, Found
from envinspect.model.facts import Registers
from envinspect.systems import cpuid
from envinspect.systems.cpuid import LiveCpuid, NoCpuid, RecordedCpuid, live_cpuid

on_x86 = pytest.mark.applies(
    sys.platform == "linux" and platform.machine() == "x86_64", "CPUID is an instruction of x86 CPUs"
)


@on_x86
def test_vendor_is_the_one_that_the_kernel_read() -> None:
    reading = live_cpuid().leaf(0, 0)
    assert isinstance(reading, Found)
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    assert reading.value.vendor() == next(line for line in lines if line.startswith("vendor_id")).split(": ")[1]


@on_x86
def test_hypervisor_bit_is_the_flag_that_the_kernel_shows() -> None:
    reading = live_cpuid().leaf(1, 0)
    assert isinstance(reading, Found)
    flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags"))
    assert bool(reading.value.ecx >> 31 & 1) == ("hypervisor" in flags.split())


def test_forbidden_pages_without_a_device_are_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_named: object) -> None:
        raise PermissionError

    monkeypatch.setattr(mmap, "mmap", refuse)
    monkeypatch.setattr(os, "open", refuse)
    assert LiveCpuid().leaf(0, 0) == Denied("EACCES")


def test_forbidden_pages_are_made_up_for_by_the_kernel_s_device(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    device = tmp_path / "cpuid"
    words = [0xD, 0x756E6547, 0x6C65746E, 0x49656E69]
    device.write_bytes(b"".join(word.to_bytes(4, "little") for word in words))
    really_open = os.open

    def refuse(*_args: object, **_named: object) -> None:
        raise PermissionError

    monkeypatch.setattr(mmap, "mmap", refuse)
    monkeypatch.setattr(cpuid.os, "open", lambda _path, flags: really_open(device, flags))
    reading = LiveCpuid().leaf(0, 0)
    assert reading == Found(Registers(*words))
    assert reading.value.vendor() == "GenuineIntel"


def test_recorded_leaves_never_ask_the_live_cpu() -> None:
    recorded = RecordedCpuid({(0, 0): Registers(1, 2, 3, 4)})
    assert recorded.leaf(0, 0) == Found(Registers(1, 2, 3, 4))
    assert recorded.leaf(1, 0) == Denied("not-recorded")


def test_an_architecture_without_cpuid_has_none() -> None:
    assert NoCpuid().leaf(1, 0) == ABSENT
