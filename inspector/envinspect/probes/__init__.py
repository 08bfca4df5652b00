"""The probes: each looks at one source and says what it is evidence for.

None decides anything, none touches the machine.

To add one: write a generator over `Facts` in a module here and name it in PROBES.
"""

from collections.abc import Callable, Iterator

from envinspect.facts import Facts
from envinspect.model import Evidence, Unknown
from envinspect.probes.acpi import probe_acpi
from envinspect.probes.confidential import probe_confidential
from envinspect.probes.cpuid import probe_cpuid
from envinspect.probes.cpuinfo import probe_cpuinfo
from envinspect.probes.devices import probe_devices
from envinspect.probes.dmi import probe_dmi
from envinspect.probes.firmware import probe_devicetree, probe_lparcfg, probe_sysinfo
from envinspect.probes.kernel import probe_kernel
from envinspect.probes.roles import probe_roles
from envinspect.probes.xen import probe_xen

Probe = Callable[[Facts], Iterator[Evidence | Unknown]]

PROBES: tuple[Probe, ...] = (
    probe_cpuid,
    probe_cpuinfo,
    probe_dmi,
    probe_acpi,
    probe_devices,
    probe_xen,
    probe_devicetree,
    probe_sysinfo,
    probe_lparcfg,
    probe_kernel,
    probe_confidential,
    probe_roles,
)
