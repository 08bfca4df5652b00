"""Firmware of machines other than PCs: the device tree (arm, riscv, POWER), s390's sysinfo, POWER's partition file."""

from __future__ import annotations

from envinspect.model import Evidence, Found, Kind, Strength
from envinspect.model.facts import Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

TREE = "/proc/device-tree"
HYPERVISOR_PATH = f"{TREE}/hypervisor/compatible"
SYSINFO = "/proc/sysinfo"
LPARCFG = "/proc/ppc64/lparcfg"
MDESC = "/dev/mdesc"
MDESC_REFERENCE = "https://github.com/torvalds/linux/blob/master/arch/sparc/kernel/mdesc.c"
HYPERVISOR_REFERENCE = "https://github.com/devicetree-org/devicetree-specification/releases"
"""Power.org's ePAPR, 7.5: the node `hypervisor` is there only in a partition of one."""
SYSINFO_REFERENCE = "https://github.com/torvalds/linux/blob/master/arch/s390/kernel/sysinfo.c"
PAPR_REFERENCE = "https://files.openpower.foundation/s/ZmtZyCGiJ2oJHim"
FW_CFG_REFERENCE = "https://www.qemu.org/docs/master/specs/fw_cfg.html"
FIRECRACKER_DEVICE = "virtio_mmio@4000"
"""Firecracker's arm machine maps devices at 1 GiB, where QEMU's and kvmtool's have their memory."""
FIRECRACKER_REFERENCE = (
    "https://github.com/firecracker-microvm/firecracker/blob/main/src/vmm/src/arch/aarch64/layout.rs"
)
LPARCFG_REFERENCE = "https://github.com/torvalds/linux/blob/master/arch/powerpc/platforms/pseries/lparcfg.c"


def probe_devicetree(facts: Facts) -> Iterator[Evidence]:
    """Yield what the device tree's names speak for."""
    tree = facts.listing(TREE)
    named = {path: facts.str_or(path) for path in (HYPERVISOR_PATH, f"{TREE}/compatible", f"{TREE}/model")}
    if any(named.values()):
        yield from _by_name(named)
    names_here = tree.value if isinstance(tree, Found) else ()
    for name in names_here:
        if name.startswith("fw-cfg"):
            yield Evidence(Kind.VM, "qemu", Strength.STRONG, f"{TREE}/{name}", "present", FW_CFG_REFERENCE)
        if name.startswith(FIRECRACKER_DEVICE):
            yield Evidence(Kind.VM, "firecracker", Strength.STRONG, f"{TREE}/{name}", "present", FIRECRACKER_REFERENCE)
    partition = facts.text(f"{TREE}/ibm,partition-name")
    if (
        isinstance(partition, Found)
        and facts.exists(f"{TREE}/hmc-managed?")
        and not facts.exists(f"{TREE}/chosen/qemu,graphic-width")
    ):
        source = f"{TREE}/ibm,partition-name"
        yield Evidence(Kind.VM, "powervm", Strength.PROOF, source, partition.value[:80], PAPR_REFERENCE)


def _by_name(named: dict[str, str]) -> Iterator[Evidence]:
    """Yield what names speak for, by the file that holds them; nothing but a hypervisor makes the node of its name."""
    from envinspect.signatures.devicetree import COMPATIBLE, HYPERVISOR, MODEL

    for (path, text), rows in zip(named.items(), (HYPERVISOR, COMPATIBLE, MODEL)):
        for name in text.split("\0"):
            for start, row in rows.items():
                if name.startswith(start):
                    yield Evidence(Kind.VM, row.id, row.strength, path, name, row.reference)
    said = [name for name in named[HYPERVISOR_PATH].split("\0") if name]
    if said and not any(name.startswith(start) for name in said for start in HYPERVISOR):
        yield Evidence(Kind.VM, "vm", Strength.STRONG, HYPERVISOR_PATH, said[0][:80], HYPERVISOR_REFERENCE)


def probe_sysinfo(facts: Facts) -> Iterator[Evidence]:
    """Yield one layer per level that s390 names, the partition outermost."""
    reading = facts.text(SYSINFO)
    if isinstance(reading, Found):
        from envinspect.sources.sysinfo import levels

        for depth, level in enumerate(levels(reading.value)):
            details = (("accelerator", "kvm"),) if level.id == "kvm" else ()
            details = (("accelerator", "tcg"),) if level.emulated else details
            yield Evidence(
                Kind.VM, level.id, Strength.PROOF, SYSINFO, level.observed, SYSINFO_REFERENCE, depth, details
            )


def probe_lparcfg(facts: Facts) -> Iterator[Evidence]:
    """Yield what POWER's partition file says: PowerVM's partition, or QEMU's machine."""
    text = facts.str_or(LPARCFG)
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key == "system_type" and "emulated by qemu" in value:
            yield Evidence(Kind.VM, "qemu", Strength.PROOF, LPARCFG, value[:80], LPARCFG_REFERENCE)
            return
    modes = [line.partition("=")[2].strip() for line in text.splitlines() if line.startswith("shared_processor_mode=")]
    if modes:
        details = (("processors", "shared" if modes[0] == "1" else "dedicated"),)
        observed = f"shared_processor_mode={modes[0][:8]}"
        yield Evidence(Kind.VM, "powervm", Strength.STRONG, LPARCFG, observed, LPARCFG_REFERENCE, details=details)


def probe_mdesc(facts: Facts) -> Iterator[Evidence]:
    """Yield the hypervisor of SPARC's sun4v, whose machine description the kernel offers as a device."""
    if facts.uname.machine.startswith("sparc") and facts.exists(MDESC):
        yield Evidence(Kind.VM, "ldoms", Strength.STRONG, MDESC, "present", MDESC_REFERENCE)
