"""Names that /proc/cpuinfo shows only inside a virtual machine: (field, how it begins, what it speaks for)."""

from __future__ import annotations

from envinspect.model import Record, Strength

HINT, STRONG, PROOF = Strength.HINT, Strength.STRONG, Strength.PROOF
QEMU_CPU = "https://github.com/qemu/qemu/blob/master/target/i386/cpu.c"
GOLDFISH = "https://github.com/torvalds/linux/blob/master/drivers/platform/goldfish/Kconfig"
UML = "https://github.com/torvalds/linux/blob/master/arch/um/kernel/um_arch.c"
PSERIES = "https://github.com/torvalds/linux/blob/master/arch/powerpc/platforms/pseries/setup.c"
SUN4V = "https://github.com/torvalds/linux/blob/master/arch/sparc/kernel/setup_64.c"


class CpuinfoRow(Record):
    """A field's value that begins so speaks for the id.

    `depth` is 1 for what runs inside another machine without hiding it.
    """

    field: str
    start: str
    id: str
    strength: Strength
    reference: str
    depth: int = 0
    details: tuple[tuple[str, str], ...] = ()


QEMU_MODELS = (
    "Intel Core Processor (",
    "Intel Xeon Processor (",
    "Intel Atom Processor (",
    "Intel Xeon Phi Processor (",
    "Westmere E56xx/L56xx/X56xx (",
    "Intel Core i7 9xx (Nehalem",
    "Intel Core 2 Duo P9xxx (Penryn",
    "Intel Celeron_4x0 (Conroe",
    "Intel Xeon E312xx (Sandy Bridge",
    "Intel Xeon E3-12xx v2 (Ivy Bridge",
    "AMD Opteron 240 (Gen 1",
    "AMD Opteron 22xx (Gen 2",
    "AMD Opteron 23xx (Gen 3",
    "AMD Opteron 62xx class",
    "AMD Opteron 63xx class",
    "AMD EPYC Processor",
    "AMD EPYC-",
    "Hygon Dhyana Processor",
    "Zhaoxin YongFeng Processor",
)
"""How the names begin that QEMU gives the CPU models it knows (target/i386/cpu.c, `model_id`)."""

ROWS: tuple[CpuinfoRow, ...] = (
    CpuinfoRow("vendor_id", "User Mode Linux", "uml", PROOF, UML, depth=1),
    CpuinfoRow("model name", "UML", "uml", PROOF, UML, depth=1),
    CpuinfoRow("model name", "QEMU Virtual CPU", "qemu", STRONG, QEMU_CPU),
    CpuinfoRow("model name", "QEMU TCG CPU", "qemu", STRONG, QEMU_CPU, details=(("accelerator", "tcg"),)),
    # The names of QEMU's CPU models; the CPUs that they are called after write theirs otherwise.
    *(CpuinfoRow("model name", start, "qemu", STRONG, QEMU_CPU) for start in QEMU_MODELS),
    CpuinfoRow("model name", "Common KVM processor", "kvm", STRONG, QEMU_CPU),
    CpuinfoRow("model name", "Common 32-bit KVM processor", "kvm", STRONG, QEMU_CPU),
    CpuinfoRow(
        "machine",
        "CHRP IBM pSeries (emulated by qemu)",
        "qemu",
        PROOF,
        "https://www.qemu.org/docs/master/system/ppc/pseries.html",
    ),
    CpuinfoRow(
        "model",
        "IBM pSeries (emulated by qemu)",
        "qemu",
        PROOF,
        "https://www.qemu.org/docs/master/system/ppc/pseries.html",
    ),
    # Since POWER5 a pSeries platform is always a partition of PowerVM (or QEMU's machine above); bare machines say
    # PowerNV.
    CpuinfoRow("machine", "CHRP IBM,", "powervm", STRONG, PSERIES),
    CpuinfoRow("type", "sun4v", "ldoms", STRONG, SUN4V),
    # The machine of Android's emulator, which is QEMU's.
    CpuinfoRow("hardware", "Goldfish", "qemu", STRONG, GOLDFISH),
    CpuinfoRow("hardware", "ranchu", "qemu", STRONG, GOLDFISH),
    CpuinfoRow(
        "hardware",
        "Dummy Virtual Machine",
        "vm",
        STRONG,
        "https://github.com/torvalds/linux/blob/master/arch/arm/mach-virt/Kconfig",
    ),
    CpuinfoRow("cpu model", "lguest", "lguest", STRONG, "https://lwn.net/Articles/218766/"),
)
# lguest's own mark was its paravirt name in the kernel log; nothing of it is left in files that can be captured but
# this.

PHYSICAL_LINES = ("hardware", "platform", "uarch", "system type", "motherboard", "board")
"""Fields that name a board or its silicon: where one does, and it is not virtual, the machine was looked at."""
GENERIC_BOARDS = (
    "goldfish",
    "ranchu",
    "linux,dummy-virt",
    "dummy virtual machine",
    "pseries",
    "generic dt based system",
    "generic-loongson-machine",
    "riscv",
)
