"""Tells about the machine itself: kernel, distribution, CPU, memory, boot time. Read only when it is printed.

Linux tells all this in files, for captures as for live systems; the running machine is asked only where they do not.
"""

from __future__ import annotations

from envinspect.model import Found
from envinspect.model.facts import Facts
from envinspect.sources.cpu import BRAND_LEAVES, brand
from envinspect.sources.mounts import kernels_own
from envinspect.sources.process import parse_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Block = dict[str, Any]


def host_block(facts: Facts) -> Block:
    """Return the `host` block; null is not known."""
    os_release = _os_release(facts)
    block: Block = {
        "system": facts.uname.sysname or None,
        "kernel": facts.uname.release or None,
        "architecture": facts.uname.machine or None,
        "distribution": os_release.get("PRETTY_NAME") or os_release.get("NAME"),
        "distribution_id": os_release.get("ID"),
        "distribution_version": os_release.get("VERSION_ID"),
        "cpu_brand": _cpu_brand(facts),
        "cpu_vendor": facts.derived(_cpuinfo).get("vendor_id"),
    }
    memory, boot_time = _total_memory(facts), _boot_time(facts)
    if facts.running is not None and memory is None and not isinstance(facts.text("/proc/meminfo"), Found):
        memory, boot_time = facts.running.memory_bytes(), facts.running.boot_time_s()
    return block | {"memory_bytes": memory, "boot_time_s": boot_time}


def _os_release(facts: Facts) -> dict[str, str]:
    """Return os-release (https://www.freedesktop.org/software/systemd/man/latest/os-release.html), quotes taken off."""
    text = facts.str_or("/etc/os-release") or facts.str_or("/usr/lib/os-release")
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            values[key.strip()] = value.strip().strip("\"'")
    return values


def _cpuinfo(facts: Facts) -> dict[str, str]:
    return parse_status(facts.str_or("/proc/cpuinfo").partition("\n\n")[0])


def _cpu_brand(facts: Facts) -> str | None:
    """Return the CPU's name: the kernel's word, else the CPU's own, else what the running system can say at once."""
    values = facts.derived(_cpuinfo)
    for key in ("model name", "Processor", "cpu model", "cpu"):
        if values.get(key):
            return values[key]
    readings = [facts.cpuid(leaf) for leaf in BRAND_LEAVES]
    told = brand(word for reading in readings if isinstance(reading, Found) for word in reading.value.words)
    return told or (None if facts.running is None else facts.running.cpu_brand())


def _boot_time(facts: Facts) -> int | None:
    """Return seconds since 1970 from /proc/stat (man 5 proc)."""
    _, found, rest = facts.str_or("/proc/stat").partition("\nbtime ")
    digits = rest.partition("\n")[0].strip()
    return int(digits) if found and digits.isdecimal() and len(digits) < 18 else None


def _total_memory(facts: Facts) -> int | None:
    reading = facts.text("/proc/meminfo")
    if not isinstance(reading, Found) or not kernels_own(facts, "/proc/meminfo"):
        return None
    digits = parse_status(reading.value).get("MemTotal", "").removesuffix("kB").strip()
    return int(digits) * 1024 if digits.isdecimal() and len(digits) < 18 else None
