"""The probes: each looks at one source and says what it is evidence for.

None decides anything, none touches the machine.

To add one: write a generator over `Facts` in a module here and name it in PROBES.
"""

from __future__ import annotations

from envinspect.model import Evidence, Unknown
from envinspect.model.facts import Facts
from envinspect.probes.acpi import probe_acpi
from envinspect.probes.cgroup import probe_cgroup
from envinspect.probes.chroot import probe_chroot
from envinspect.probes.cloud import probe_cloud
from envinspect.probes.confidential import probe_confidential
from envinspect.probes.containers import probe_containers
from envinspect.probes.cpu import probe_clocksource, probe_cpuid, probe_cpuinfo
from envinspect.probes.denied import probe_denied
from envinspect.probes.devices import probe_devices
from envinspect.probes.dmi import probe_dmi
from envinspect.probes.emulation import probe_emulation
from envinspect.probes.firmware import probe_devicetree, probe_lparcfg, probe_mdesc, probe_sysinfo
from envinspect.probes.hosts import probe_hosts, probe_machine_hosts
from envinspect.probes.isolation import probe_isolation
from envinspect.probes.mounts import probe_mounts
from envinspect.probes.orchestrators import probe_engines, probe_orchestrators
from envinspect.probes.sandboxes import probe_sandboxes
from envinspect.probes.wsl import probe_wsl, probe_wsl_machine
from envinspect.probes.xen import probe_xen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Probe = Callable[[Facts], "Iterator[Evidence | Unknown]"]

PROBES: tuple[Probe, ...] = (
    probe_cpuid,
    probe_cpuinfo,
    probe_clocksource,
    probe_dmi,
    probe_acpi,
    probe_devices,
    probe_xen,
    probe_devicetree,
    probe_sysinfo,
    probe_lparcfg,
    probe_mdesc,
    probe_wsl_machine,
    probe_cloud,
    probe_confidential,
    probe_machine_hosts,
    probe_wsl,
    probe_containers,
    probe_sandboxes,
    probe_emulation,
    probe_chroot,
    probe_orchestrators,
    probe_engines,
    probe_hosts,
    probe_cgroup,
    probe_mounts,
    probe_isolation,
    probe_denied,
)
