"""Names in the device tree that speak for a hypervisor, by how they begin."""

from __future__ import annotations

from envinspect.model import Record, Strength

STRONG, PROOF = Strength.STRONG, Strength.PROOF


class TreeRow(Record):
    """What a compatible or model string speaks for."""

    id: str
    strength: Strength
    reference: str


KERNEL = "https://docs.kernel.org/devicetree/bindings/"

HYPERVISOR: dict[str, TreeRow] = {
    "linux,kvm": TreeRow(
        "kvm", PROOF, "https://github.com/torvalds/linux/blob/master/Documentation/virt/kvm/ppc-pv.rst"
    ),
    "xen,xen": TreeRow(
        "xen", PROOF, "https://github.com/torvalds/linux/blob/master/Documentation/devicetree/bindings/arm/xen.txt"
    ),
    "vmware": TreeRow("vmware", PROOF, "https://github.com/systemd/systemd/blob/main/src/basic/virt.c"),
    "jailhouse": TreeRow("jailhouse", PROOF, "https://github.com/siemens/jailhouse"),
    # apple,virtualization-generic-platform: systemd and Apple's container show it.
    "apple,": TreeRow("apple-vz", PROOF, "https://github.com/apple/container/issues/140"),
    "microsoft,hyperv": TreeRow(
        "hyper-v", PROOF, "https://docs.kernel.org/devicetree/bindings/bus/microsoft,vmbus.yaml"
    ),
}
"""Of /proc/device-tree/hypervisor/compatible. The node is made by hypervisors alone: any other value is a VMM too."""

COMPATIBLE: dict[str, TreeRow] = {
    "qemu,": TreeRow("qemu", PROOF, "https://www.qemu.org/docs/master/system/ppc/pseries.html"),
    "riscv-virtio": TreeRow("qemu", STRONG, "https://www.qemu.org/docs/master/system/riscv/virt.html"),
    # QEMU, kvmtool, Firecracker, Cloud Hypervisor and crosvm all call their arm machine so.
    "linux,dummy-virt": TreeRow(
        "vm", PROOF, "https://github.com/torvalds/linux/blob/master/arch/arm/mach-virt/Kconfig"
    ),
    "jailhouse,cell": TreeRow("jailhouse", PROOF, "https://github.com/siemens/jailhouse"),
}
"""Of the root's compatible."""

MODEL: dict[str, TreeRow] = {
    "IBM pSeries (emulated by qemu)": TreeRow(
        "qemu", PROOF, "https://www.qemu.org/docs/master/system/ppc/pseries.html"
    ),
    "riscv-virtio,qemu": TreeRow("qemu", PROOF, "https://www.qemu.org/docs/master/system/riscv/virt.html"),
}
"""Of the root's model."""
