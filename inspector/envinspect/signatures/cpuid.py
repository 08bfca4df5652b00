"""The twelve bytes that hypervisors answer CPUID 0x40000000 with.

Exact bytes, padding included. Careful projects disagree on three of them; both forms are rows, and the comment says
who says which.
"""

from __future__ import annotations

from envinspect.model import Record, Strength

HYPERVISOR_BIT_REFERENCE = "https://docs.kernel.org/virt/kvm/x86/cpuid.html"

PROOF, STRONG = Strength.PROOF, Strength.STRONG


class Signature(Record):
    """What twelve bytes speak for."""

    id: str
    strength: Strength
    reference: str
    details: tuple[tuple[str, str], ...] = ()


KVM = "https://docs.kernel.org/virt/kvm/x86/cpuid.html"
SYSTEMD = "https://github.com/systemd/systemd/blob/main/src/basic/virt.c"
VMAWARE = "https://github.com/kernelwernel/VMAware/blob/main/src/vmaware.hpp"
VIRT_WHAT = "https://people.redhat.com/~rjones/virt-what/"
PARALLELS = "https://github.com/anrieff/libcpuid/blob/master/libcpuid/recog_intel.c"

SIGNATURES: dict[str, Signature] = {
    "KVMKVMKVM\0\0\0": Signature("kvm", PROOF, KVM, (("accelerator", "kvm"),)),
    # KVM's own name for its Hyper-V interface (linux: arch/x86/kvm/hyperv.c, kvm_get_hv_cpuid).
    "Linux KVM Hv": Signature("kvm", PROOF, KVM, (("accelerator", "kvm"),)),
    "TCGTCGTCGTCG": Signature(
        "qemu", PROOF, "https://github.com/qemu/qemu/blob/master/target/i386/cpu.c", (("accelerator", "tcg"),)
    ),
    "Microsoft Hv": Signature(
        "hyper-v", PROOF, "https://learn.microsoft.com/en-us/virtualization/hyper-v-on-windows/tlfs/feature-discovery"
    ),
    "VMwareVMware": Signature("vmware", PROOF, "https://knowledge.broadcom.com/external/article/340368"),
    "XenVMMXenVMM": Signature(
        "xen", PROOF, "https://xenbits.xen.org/docs/unstable/hypercall/x86_64/include,public,arch-x86,cpuid.h.html"
    ),
    "VBoxVBoxVBox": Signature("virtualbox", PROOF, "https://www.virtualbox.org/browser/vbox/trunk/src/VBox/VMM"),
    # libcpuid has "prl hyperv", VMAware the same between blanks and, as big-endian words, " lrpepyh  vr"; systemd "
    # lrpepyh vr".
    "prl hyperv\0\0": Signature("parallels", PROOF, PARALLELS),
    "prl hyperv  ": Signature("parallels", PROOF, PARALLELS),
    " prl hyperv ": Signature("parallels", PROOF, VMAWARE),
    " lrpepyh vr\0": Signature("parallels", PROOF, VMAWARE),
    " lrpepyh  vr": Signature("parallels", PROOF, VMAWARE),
    "bhyve bhyve ": Signature("bhyve", PROOF, "https://github.com/freebsd/freebsd-src/blob/main/sys/amd64/vmm/x86.c"),
    "BHyVE BHyVE ": Signature("bhyve", PROOF, VMAWARE),
    "ACRNACRNACRN": Signature("acrn", PROOF, "https://docs.kernel.org/virt/acrn/cpuid.html"),
    # systemd has it padded with NUL, VMAware between blanks.
    "QNXQVMBSQG\0\0": Signature("qnx", PROOF, SYSTEMD),
    " QNXQVMBSQG ": Signature("qnx", PROOF, VMAWARE),
    "___ NVMM ___": Signature("nvmm", PROOF, "https://man.netbsd.org/nvmm.4"),
    "OpenBSDVMM58": Signature("openbsd-vmm", PROOF, "https://man.openbsd.org/vmm.4"),
    "HAXMHAXMHAXM": Signature("haxm", PROOF, "https://github.com/intel/haxm/blob/master/core/cpuid.c"),
    "UnisysSpar64": Signature(
        "unisys-spar", PROOF, "https://github.com/util-linux/util-linux/blob/master/sys-utils/lscpu-virt.c"
    ),
    "SRESRESRESRE": Signature("sre", PROOF, SYSTEMD),
    "Jailhouse\0\0\0": Signature(
        "jailhouse", PROOF, "https://github.com/siemens/jailhouse/blob/master/Documentation/hypervisor-interfaces.txt"
    ),
    "LKVMLKVMLKVM": Signature("kvmtool", PROOF, VIRT_WHAT, (("accelerator", "kvm"),)),
    "Apple VZ\0\0\0\0": Signature("apple-vz", PROOF, "https://developer.apple.com/documentation/virtualization"),
    "EVMMEVMMEVMM": Signature("vm", PROOF, "https://github.com/intel/ikgt-core", (("product", "intel-kgt"),)),
    "Barevisor!\0\0": Signature("vm", PROOF, "https://github.com/tandasat/barevisor", (("product", "barevisor"),)),
    "MiniVisor\0\0\0": Signature("vm", PROOF, "https://github.com/tandasat/MiniVisorPkg", (("product", "minivisor"),)),
    "NoirVisor ZT": Signature("vm", PROOF, "https://github.com/Zero-Tang/NoirVisor", (("product", "noirvisor"),)),
}

EMULATED_CPUS_REFERENCE = "https://en.wikipedia.org/wiki/CPUID#EAX=0:_Highest_Function_Parameter_and_Manufacturer_ID"
EMULATED_CPUS = frozenset(
    {
        *("Virtual CPU ", "ConnectixCPU", "MicrosoftXTA", "VirtualApple", "Insignia 586", "Compaq FX!32"),
        *("PowerVM Lx86", "Neko Project", "GenuineIotel", "E2K MACHINE\0"),
    }
)
"""Makers in CPUID leaf 0 that are emulators' and translators': such a CPU says nothing of the machine below."""

REAL_CPUS = frozenset(
    {
        *(
            "GenuineIntel",
            "AuthenticAMD",
            "HygonGenuine",
            "CentaurHauls",
            "  Shanghai  ",
            "AMDisbetter!",
            "AMD ISBETTER",
        ),
        *("CyrixInstead", "GenuineTMx86", "TransmetaCPU", "Geode by NSC", "NexGenDriven", "RiseRiseRise"),
        *("SiS SiS SiS ", "UMC UMC UMC ", "VIA VIA VIA ", "Vortex86 SoC", "Genuine  RDC", "IotelGenuine"),
    }
)
"""Makers of real CPUs in CPUID leaf 0, which /proc/cpuinfo calls vendor_id: their hypervisor bit means what it says."""

REAL_CPU_NAMES = frozenset(name.strip() for name in REAL_CPUS)
"""The same as /proc/cpuinfo shows them."""
