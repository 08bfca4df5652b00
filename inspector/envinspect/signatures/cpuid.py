"""The twelve bytes that hypervisors answer CPUID 0x40000000 with.

Exact bytes, padding included. Careful projects disagree on three of them; both forms are rows, and the comment says who says which.
"""

from typing import NamedTuple

from envinspect.model import Strength

HYPERVISOR_BIT_REFERENCE = "https://docs.kernel.org/virt/kvm/x86/cpuid.html"

PROOF, STRONG = Strength.PROOF, Strength.STRONG


class Signature(NamedTuple):
    """What twelve bytes speak for."""

    id: str
    strength: Strength
    reference: str
    details: tuple[tuple[str, str], ...] = ()


SIGNATURES: dict[str, Signature] = {
    "KVMKVMKVM\0\0\0": Signature(
        "kvm", PROOF, "https://docs.kernel.org/virt/kvm/x86/cpuid.html", (("accelerator", "kvm"),)
    ),
    "TCGTCGTCGTCG": Signature(
        "qemu", PROOF, "https://github.com/qemu/qemu/blob/master/target/i386/cpu.c", (("accelerator", "tcg"),)
    ),
    "Microsoft Hv": Signature(
        "hyper-v", PROOF, "https://learn.microsoft.com/en-us/virtualization/hyper-v-on-windows/tlfs/feature-discovery"
    ),
    "VMwareVMware": Signature("vmware", PROOF, "https://knowledge.broadcom.com/external/article/315456"),
    "XenVMMXenVMM": Signature(
        "xen", PROOF, "https://xenbits.xen.org/docs/unstable/hypercall/x86_64/include,public,arch-x86,cpuid.h.html"
    ),
}
