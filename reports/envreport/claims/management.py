"""Claims on carrying, storing and managing."""

from envbench.phases import Experiment
from envreport.claims.architecture import WSL_REMEDY
from envreport.claims.combine import Anyhow, Seen, all_of, observe
from envreport.claims.model import Claim, Theme
from envreport.claims.rules import C, Exact, ExactRatio, Ratio, V, W
from envreport.claims.verdict import Relation, TcgBias, Verdict

P = Experiment.PORTABILITY

CLAIMS = (
    Claim(
        id="portable",
        theme=Theme.MANAGEMENT,
        wording="Containers are more portable than VMs",
        stands_in=("D1", "D4"),
        rule=Anyhow(
            all_of(ExactRatio(P, "export_bytes", V, C), Ratio(P, "carry", V, C, bias=TcgBias.NONE)),
            (Ratio(P, "export", V, C, bias=TcgBias.NONE), Ratio(P, "import", V, C, bias=TcgBias.NONE)),
        ),
        reference="What can be measured of portability: size of the file to carry, and time to write it and to have "
        "it ready again elsewhere.",
        scope="Export and import on this machine. Whether the other machine can run it (kernel, "
        "architecture, hypervisor) is not covered.",
        reading="A container image needs a fitting kernel and architecture on the other side; a VM "
        "image a fitting hypervisor and architecture.",
    ),
    Claim(
        id="storage-ephemeral",
        theme=Theme.MANAGEMENT,
        wording="Lasting storage is tricky with containers",
        stands_in=("D1",),
        rule=Anyhow(
            all_of(observe(P, C, gone_after_remove=True), observe(P, V, vm_disk_keeps=True)),
            (observe(P, C, kept_with_volume=True),),
        ),
        reference="https://docs.docker.com/engine/storage/",
        scope="What is written inside without further options, over remove and create; a volume, "
        "shown beside it, keeps it.",
    ),
    Claim(
        id="wsl-integration",
        theme=Theme.MANAGEMENT,
        wording="Windows and Linux see each other's files and can start each other's programs",
        stands_in=("D0",),
        rule=all_of(
            observe(Experiment.WSL, W, interop=True, interop_back=True),
            Exact(Experiment.WSL, "drives_mounted", W, Relation.MORE, 0),
        ),
        reference="https://learn.microsoft.com/windows/wsl/filesystems",
        scope="The settings of this distribution.",
        remedy=WSL_REMEDY,
    ),
    Claim(
        id="managers",
        theme=Theme.MANAGEMENT,
        wording="VMs are managed by Vagrant, OpenStack and hypervisor tools, containers by Swarm and Kubernetes",
        stands_in=("D3",),
        rule=Seen(Experiment.KERNEL, ("managers.vm", "managers.container")),
        reference="https://kubernetes.io/docs/concepts/overview/ ; https://docs.openstack.org/nova/latest/",
        scope="Managers found on and around this machine; that none is found here shows nothing.",
        reading="True as examples. KubeVirt runs VMs under Kubernetes, and OpenStack Zun runs "
        "containers, so the split is not strict.",
        fallback=Verdict.DOCUMENTARY,
    ),
)
