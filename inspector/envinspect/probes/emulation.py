"""Programs of another architecture: QEMU's user mode, Rosetta, Lx86. What these read of the CPU is made up."""

from __future__ import annotations

from envinspect.model import Evidence, Found, Kind, Strength
from envinspect.model.facts import Facts
from envinspect.probes.cpu import cpu_brand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_QEMU = "https://www.qemu.org/docs/master/user/main.html"
_QEMU_PROC = "https://gitlab.com/qemu-project/qemu/-/blob/master/linux-user/syscall.c"
_ROSETTA = "https://developer.apple.com/documentation/virtualization/running-intel-binaries-in-linux-vms-with-rosetta"
_LX86 = "https://people.redhat.com/~rjones/virt-what/"

_LINUXULATOR = "https://github.com/freebsd/freebsd-src/blob/main/sys/compat/linprocfs/linprocfs.c"

_VIRTUAL_APPLE = "VirtualApple"
"""What Rosetta calls the CPU."""

_X86 = frozenset({"x86_64", "i386", "i486", "i586", "i686"})


def probe_emulation(facts: Facts) -> Iterator[Evidence]:
    """Compare what the process is told of itself with what the kernel says of its thread and of the CPU."""
    yield from _freebsd(facts)
    # QEMU fakes /proc/self/exe and /proc/PID/exe but not /proc/thread-self/exe.
    thread = facts.link("/proc/thread-self/exe")
    if isinstance(thread, Found):
        program = thread.value.removesuffix(" (deleted)").rpartition("/")[2]
        if program.startswith("qemu-") and not program.startswith("qemu-system-"):
            yield _evidence("qemu-user", Strength.PROOF, "/proc/thread-self/exe", thread.value, _QEMU_PROC)
        elif program == "rosetta":
            yield _evidence("rosetta", Strength.PROOF, "/proc/thread-self/exe", thread.value, _ROSETTA)
    cpuinfo = facts.str_or("/proc/cpuinfo")[:4096]
    source = _apples_cpu(facts, cpuinfo)
    if source:
        yield _evidence("rosetta", Strength.STRONG, source, _VIRTUAL_APPLE, _ROSETTA)
    elif "PowerVM Lx86" in cpuinfo:
        yield _evidence("lx86", Strength.STRONG, "/proc/cpuinfo", "PowerVM Lx86", _LX86)
    elif facts.uname.machine and _is_other(facts.uname.machine, cpuinfo):
        observed = f"uname says {facts.uname.machine}, the CPU is another"
        yield _evidence("qemu-user", Strength.STRONG, "/proc/cpuinfo", observed, _QEMU)


def _apples_cpu(facts: Facts, cpuinfo: str) -> str:
    """Return where Rosetta's CPU shows, "" for nowhere.

    In a Linux machine /proc/cpuinfo is the arm kernel's own, and CPUID alone is Rosetta's
    (https://github.com/dotnet/runtime/pull/102509, https://github.com/docker/for-mac/issues/7080).
    """
    if _VIRTUAL_APPLE in cpuinfo:
        return "/proc/cpuinfo"
    maker = facts.cpuid(0)
    if isinstance(maker, Found) and maker.value.vendor() == _VIRTUAL_APPLE:
        return "CPUID 0x00000000"
    return "CPUID 0x80000002" if cpu_brand(facts).startswith(_VIRTUAL_APPLE) else ""


def _freebsd(facts: Facts) -> Iterator[Evidence]:
    """Tell FreeBSD's kernel by the version that uname gives and by the builder that its /proc/version names."""
    version = facts.str_or("/proc/version")
    if facts.uname.version.startswith("FreeBSD "):
        yield _evidence("linuxulator", Strength.PROOF, "uname version", facts.uname.version, _LINUXULATOR)
    if "(des@freebsd.org)" in version.lower():
        yield _evidence("linuxulator", Strength.PROOF, "/proc/version", version, _LINUXULATOR)


def _evidence(emulator_id: str, strength: Strength, source: str, observed: str, reference: str) -> Evidence:
    return Evidence(Kind.EMULATION, emulator_id, strength, source, observed[:200], reference)


def _is_other(machine: str, cpuinfo: str) -> bool:
    """Say whether /proc/cpuinfo is of a CPU that cannot run this architecture by itself."""
    if machine in _X86:
        return "CPU implementer" in cpuinfo or "isa\t\t: rv" in cpuinfo
    # Itanium is Intel's too.
    return machine != "ia64" and ("GenuineIntel" in cpuinfo or "AuthenticAMD" in cpuinfo)
