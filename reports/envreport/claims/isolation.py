"""Claims on what an instance can see and do outside itself."""

from envbench.phases import Experiment
from envreport.claims.combine import Anyhow, all_of, observe
from envreport.claims.model import Claim, Theme
from envreport.claims.references import NAMESPACES, WSL_REMEDY
from envreport.claims.rules import C, Exact, ExactRatio, V, W
from envreport.claims.verdict import Relation

I = Experiment.ISOLATION  # noqa: E741

CLAIMS = (
    Claim(
        id="isolation-namespaces",
        theme=Theme.ISOLATION,
        wording="Containers isolate processes with namespaces and cgroups",
        stands_in=("D0", "D3"),
        rule=all_of(
            Exact(I, "namespaces_own", C, Relation.MORE, 0),
            observe(I, C, cgroup_own=True, memory_limit_enforced=True, cpu_limit_enforced=True),
        ),
        reference=NAMESPACES,
        scope="Engine defaults of this run; options such as --pid=host take isolation away.",
    ),
    Claim(
        id="isolation-mutual",
        theme=Theme.ISOLATION,
        wording="Containers are hidden from each other",
        stands_in=("D1",),
        rule=Anyhow(
            all_of(
                *(
                    Exact(I, f"mutual.{what}_seen", C, Relation.LESS, 1)
                    for what in ("processes", "mounts", "memory", "files")
                )
            ),
            tuple(Exact(I, f"mutual.{what}", C, Relation.LESS, 1) for what in ("names_seen", "indirect")),
        ),
        reference=NAMESPACES,
        scope="Direct sight of the other's processes, mounts, shared memory and files. An equal host name "
        "is how a bare runtime was configured, no sight of the other: shown, not judged. What shows through the "
        "shared kernel all the same (load, memory, counters) is listed as indirect.",
    ),
    Claim(
        id="isolation-vm-stronger",
        theme=Theme.ISOLATION,
        wording="A VM isolates more strongly than a container",
        stands_in=("D0", "D1", "D2", "D3", "D4"),
        rule=Anyhow(
            all_of(
                ExactRatio(I, "host_facts_readable", V, C, Relation.LESS),
                ExactRatio(I, "host_kernel_interfaces", V, C, Relation.LESS),
            ),
            (ExactRatio(I, "capabilities", V, C, Relation.LESS),),
        ),
        reference="https://doi.org/10.6028/NIST.SP.800-190 §2 (a shared kernel is a larger attack surface)",
        scope="Host facts readable from inside and host kernel interfaces that answer, counted alike "
        "in both. A count is not proof against escape.",
    ),
    Claim(
        id="isolation-wsl",
        theme=Theme.ISOLATION,
        wording="WSL isolates less than a VM",
        stands_in=("D0",),
        rule=all_of(
            observe(Experiment.WSL, W, interop=True, kernel_shared_by_distributions=True),
            Exact(Experiment.WSL, "drives_mounted", W, Relation.MORE, 0),
        ),
        reference="https://learn.microsoft.com/windows/wsl/wsl-config",
        scope="Default settings: shared drives, interop, one kernel for all distributions. Each can "
        "be switched off but the last.",
        remedy=WSL_REMEDY,
    ),
)
