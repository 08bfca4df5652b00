"""Claims on carrying, storing and managing."""

from dataclasses import dataclass

from envbench.metrics import words
from envbench.phases import Experiment
from envreport import units
from envreport.claims.combine import Beside, all_of, observe
from envreport.claims.model import Claim, Finding, Need, Outcome, Theme
from envreport.claims.references import WSL_REMEDY
from envreport.claims.rules import C, Exact, ExactRatio, Ratio, V, W
from envreport.claims.verdict import Answer, Relation, TcgBias, Verdict, Weighed
from envreport.results import Results

P = Experiment.PORTABILITY


@dataclass(frozen=True, slots=True)
class Seen:
    """Things that were found support the claim; finding none says nothing, because they may be elsewhere."""

    experiment: Experiment
    metrics: tuple[str, ...]
    bias: TcgBias = TcgBias.NONE

    def describe(self) -> str:
        """Return the test in words."""
        return f"{' and '.join(words(each) for each in self.metrics)}, at least one each"

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been looked for."""
        return tuple(Need(self.experiment, metric) for metric in self.metrics)

    def judge(self, results: Results) -> Outcome:
        """Compare each count with 0."""
        found = []
        for metric in self.metrics:
            for series in results.find(self.experiment, metric):
                seen = max(series.values)
                answer = Answer.HOLDS if seen > 0 else Answer.OPEN
                text = f"{words(metric)}: {units.quantity(seen, series.unit)}"
                found.append(
                    Finding(answer, series.key.label, text, 1, None, "; ".join(series.details[:3]), (series.key,))
                )
        held = {finding.keys[0].phase for finding in found if finding.answer is Answer.HOLDS}
        if not held.issuperset(self.metrics):
            return Outcome(None, tuple(found), self.needs())
        return Outcome(Weighed(Answer.HOLDS), tuple(found))


CLAIMS = (
    Claim(
        id="portable",
        theme=Theme.MANAGEMENT,
        wording="Containers are more portable than VMs",
        stands_in=("D1", "D4"),
        rule=Beside(
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
        rule=Beside(
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
        by_references=Verdict.RIGHT,
    ),
)
