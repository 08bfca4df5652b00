"""macOS and Windows: what those systems tell about themselves, and what is not looked at there.

Everything here rests on documentation and recorded values; none of it was run on such a system.
"""

from __future__ import annotations

from envinspect.model import Evidence, Found, Kind, Strength, Unknown
from envinspect.model.errors import counted
from envinspect.model.facts import Facts
from envinspect.probes.cpu import probe_cpuid
from envinspect.probes.dmi import probe_dmi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Probe = Callable[[Facts], "Iterator[Evidence | Unknown]"]

XNU = "https://github.com/apple-oss-distributions/xnu/blob/main/bsd/kern/kern_mib.c"
ROSETTA = "https://developer.apple.com/documentation/apple-silicon/about-the-rosetta-translation-environment"
VIRTUAL_MAC = "https://developer.apple.com/documentation/virtualization"
KVP = "https://learn.microsoft.com/en-us/virtualization/hyper-v-on-windows/reference/integration-services"
WSL = "https://learn.microsoft.com/en-us/windows/wsl/install"

NOT_ASKED = "not looked at"
VMM_PRESENT = "/sysctl/kern.hv_vmm_present"
MODEL = "/sysctl/hw.model"
MODELS = (("VMware", "vmware"), ("Parallels", "parallels"), ("VirtualMac", "apple-vz"))
"""How hw.model begins in guests that do not pretend to be a Mac."""
GUEST_PARAMETERS = "/registry/HKLM/SOFTWARE/Microsoft/Virtual Machine/Guest/Parameters/PhysicalHostName"
DISTRIBUTIONS = "/registry/HKCU/Software/Microsoft/Windows/CurrentVersion/Lxss"
MANUFACTURER = "/sys/class/dmi/id/sys_vendor"


def probe_darwin(facts: Facts) -> Iterator[Evidence | Unknown]:
    """Yield what macOS's sysctls tell."""
    if facts.str_or(VMM_PRESENT) == "1":
        yield Evidence(Kind.VM, "vm", Strength.STRONG, VMM_PRESENT, "1", XNU)
    model = facts.str_or(MODEL)
    for start, layer_id in MODELS:
        if model.startswith(start):
            yield Evidence(Kind.VM, layer_id, Strength.STRONG, MODEL, model, VIRTUAL_MAC)
    if facts.str_or("/sysctl/sysctl.proc_translated") == "1":
        yield Evidence(Kind.EMULATION, "rosetta", Strength.PROOF, "/sysctl/sysctl.proc_translated", "1", ROSETTA)
    yield Unknown("IOKit", NOT_ASKED, "the devices by which a guest that shows a Mac's model is told")


def probe_windows(facts: Facts) -> Iterator[Evidence | Unknown]:
    """Yield what the registry tells beyond the SMBIOS strings."""
    host = facts.text(GUEST_PARAMETERS)
    if isinstance(host, Found):
        yield Evidence(Kind.VM, "hyper-v", Strength.PROOF, GUEST_PARAMETERS, "set by the host", KVP)
    distributions = facts.listing(DISTRIBUTIONS)
    if isinstance(distributions, Found) and distributions.value:
        count = counted(len(distributions.value), "distribution")
        yield Evidence(Kind.ROLE, "wsl-host", Strength.STRONG, DISTRIBUTIONS, count, WSL)
    yield Unknown("CPUID", NOT_ASKED, "whether a hypervisor is present, under which Windows itself may run (VBS)")
    yield Unknown("WMI", NOT_ASKED, "Win32_ComputerSystem.HypervisorPresent")


PROBES_OF: dict[str, tuple[Probe, ...]] = {
    "Darwin": (probe_cpuid, probe_darwin),
    "Windows": (probe_dmi, probe_windows),
}
"""The probes of the systems that are no Linux, by uname's sysname."""


def enough_was_read(facts: Facts) -> bool:
    """Say whether what these systems tell is enough to call one bare metal: the VMM sysctl, or a maker's name."""
    return isinstance(facts.bytes(VMM_PRESENT), Found) or bool(facts.str_or(MANUFACTURER))
