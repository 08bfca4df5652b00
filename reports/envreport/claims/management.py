"""Claims on carrying, storing and managing."""

from collections.abc import Mapping
from dataclasses import dataclass

from envbench.records.metrics import words
from envbench.records.phases import Experiment
from envreport.claims.combine import Beside, EachAspect, OneWay, all_of, observe
from envreport.claims.deployment import FromNothing
from envreport.claims.managers import Managers
from envreport.claims.model import Claim, Finding, Need, Outcome, Theme
from envreport.claims.references import WSL_REMEDY
from envreport.claims.rules import C, Exact, ExactRatio, Ratio, V, W, conclude, find
from envreport.claims.verdict import Answer, Quantifier, Relation, TcgBias, Verdict
from envreport.results import Results, Series
from envreport.results.backends import Side, side_words

K, P = Experiment.KERNEL, Experiment.PORTABILITY

PLACES: Mapping[str, Mapping[Side, tuple[str, bool]]] = {
    "another distribution": {
        Side.CONTAINER: ("two_userlands_one_kernel", True),
        Side.VM: ("kernel_equals_host", False),
    },
    "another operating system": {
        Side.CONTAINER: ("windows_image_refused", False),
        Side.VM: ("guest_not_linux_ready", True),
    },
    "another CPU architecture": {
        Side.CONTAINER: ("foreign_arch_runs", True),
        Side.VM: ("guest_other_arch_ready", True),
    },
}
"""What an artefact was made for → the observation that it runs here all the same, and how that must come out."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where artefacts run: those made for something else than this machine, container against VM."""

    bias: TcgBias = TcgBias.NONE

    def describe(self) -> str:
        """Return the test in words."""
        return f"of what was made for {', '.join(PLACES)}, containers run here in more cases than VMs"

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been tried."""
        return tuple(Need(K, metric, (side,)) for ways in PLACES.values() for side, (metric, _) in ways.items())

    def judge(self, results: Results) -> Outcome:
        """Count the places on each side; one that was not tried on both leaves no answer."""
        ran: dict[Side, list[str]] = {Side.CONTAINER: [], Side.VM: []}
        keys, missing = [], []
        for place, ways in PLACES.items():
            for side, (metric, expected) in ways.items():
                seen = find(results, K, metric, (side,))
                if not seen:
                    missing.append(Need(K, metric, (side,)))
                keys += [each.key for each in seen]
                if any(bool(value) is expected for each in seen for value in each.values):
                    ran[side].append(place)
        containers, vms = ran[Side.CONTAINER], ran[Side.VM]
        answer = Answer.OPEN
        if len(containers) != len(vms):
            answer = Answer.HOLDS if len(containers) > len(vms) else Answer.FAILS
        parts = (f"{name} {len(each)} of {len(PLACES)} ({', '.join(each) or 'none'})" for name, each in (
            ("containers", containers), ("VMs", vms)))  # fmt: skip
        text = "; ".join(parts)
        finding = Finding(answer, "made for something else and run here", text, 1, keys=tuple(keys))
        return Outcome(None, (), tuple(missing)) if missing else conclude([finding], Quantifier.AGREE, self.bias, ())


WRITTEN: Mapping[str, tuple[str, bool]] = {
    "kept_over_restart": ("stop and start", True),
    "gone_after_remove": ("removal", False),
    "kept_with_volume": ("removal with a volume", True),
    "vm_disk_keeps": ("removal with its disk kept", True),
    "vm_gone_with_disk": ("removal with its disk deleted", False),
}
"""Observation → what was done to the instance, and how the observation reads where the data are kept."""


OF_SIDE: Mapping[Side, tuple[str, ...]] = {
    Side.CONTAINER: ("kept_over_restart", "gone_after_remove", "kept_with_volume"),
    Side.VM: ("kept_over_restart", "vm_disk_keeps", "vm_gone_with_disk"),
}
"""What is done to an instance of each kind."""


@dataclass(frozen=True, slots=True)
class Written:
    """What becomes of what is written inside, by all that is done to an instance; one of them decides."""

    metric: str
    side: Side
    expected: bool
    bias: TcgBias = TcgBias.NONE

    def describe(self) -> str:
        """Return the test in words."""
        return f"{words(self.metric)}: {'yes' if self.expected else 'no'} ({side_words((self.side,))})"

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been tried."""
        return (Need(P, self.metric, (self.side,)),)

    def judge(self, results: Results) -> Outcome:
        """Say of each backend what loses the data and what keeps them."""
        found = [self._finding(results, each) for each in find(results, P, self.metric, (self.side,))]
        return conclude(found, Quantifier.ALL, self.bias, self.needs())

    def _finding(self, results: Results, decides: Series) -> Finding:
        seen = {
            each.key.phase: each
            for each in (results.series.get(decides.key._replace(phase=metric)) for metric in WRITTEN)
            if each is not None and each.values
        }
        outcomes: dict[str, list[str]] = {"lost by": [], "kept over": [], "not always kept over": []}
        for metric, series in seen.items():
            done, if_kept = WRITTEN[metric]
            kept = {bool(value) is if_kept for value in series.values}
            outcomes["not always kept over" if len(kept) > 1 else "kept over" if kept == {True} else "lost by"].append(
                done
            )
        text = "; ".join(f"{how} {', '.join(done)}" for how, done in outcomes.items() if done)
        values = {bool(value) for value in decides.values}
        answer = Answer.OPEN
        if len(values) == 1:
            answer = Answer.HOLDS if self.expected in values else Answer.FAILS
        keys = tuple(each.key for each in seen.values())
        left = [done for metric, (done, _) in WRITTEN.items() if metric in OF_SIDE[self.side] and metric not in seen]
        note = f"not tried: {', '.join(left)}" if left else ""
        return Finding(answer, decides.key.label, text, len(decides.values), note=note, keys=keys)


CLAIMS = (
    Claim(
        id="portable",
        whole_system=True,
        theme=Theme.MANAGEMENT,
        wording="Containers are more portable than VMs",
        stands_in=("D1", "D4"),
        rule=Beside(
            EachAspect(
                (
                    ("size", ExactRatio(P, "export_bytes", V, C)),
                    ("time", Ratio(P, "carry", V, C, bias=TcgBias.NONE)),
                    ("where it runs", Places()),
                )
            ),
            (
                Ratio(P, "export", V, C, bias=TcgBias.NONE),
                Ratio(P, "import", V, C, bias=TcgBias.NONE),
                FromNothing(Experiment.DEPLOY, "deploy_transfer", V, C, bias=TcgBias.NONE),
            ),
        ),
        reference="What can be measured of portability: size of the file to carry, time to write it and to have "
        "it ready again elsewhere, and what runs here that was made for something else.",
        scope="Export and import on this machine; and whether a container image and a guest made for another "
        "distribution (for a guest: with a kernel of its own), another operating system or another CPU architecture "
        "run here, by an emulator where it takes one. The time to fetch it over a link (`envbench deploy`) stands "
        "beside. Other hypervisors and engines are not covered.",
        reading="A container image needs a fitting kernel and architecture on the other side; a VM "
        "image a fitting hypervisor and architecture.",
    ),
    Claim(
        id="storage-ephemeral",
        theme=Theme.MANAGEMENT,
        wording="Lasting storage is tricky with containers",
        stands_in=("D1",),
        rule=all_of(
            Written("gone_after_remove", Side.CONTAINER, expected=True),
            OneWay(
                Written("vm_disk_keeps", Side.VM, expected=True),
                Answer.HOLDS,
                "a machine that loses them is no container",
            ),
        ),
        reference="https://docs.docker.com/engine/storage/",
        scope="What is written inside without further options, over stop and start, and over removal; a volume beside "
        "it; and a VM's disk over stop and start, over the machine's removal, and deleted with it. Tricky is read as: "
        "lost by what keeps it with a VM, removal without further options, where a VM's disk is a file of its own that "
        "stays. Deleted with the machine, it is lost as well.",
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
        rule=Managers(),
        reference="https://docs.docker.com/engine/swarm/ ; https://kubernetes.io/docs/concepts/overview/ ; "
        "https://docs.openstack.org/nova/latest/ ; https://developer.hashicorp.com/vagrant/docs . A manager of "
        "containers keeps a declared number of them running on the hosts of a cluster. Launchers on one host, clients "
        "of a runtime and debuggers are none: Docker Compose, nerdctl, crictl "
        "(https://kubernetes.io/docs/tasks/debug/debug-cluster/crictl/).",
        scope="Tried are a service of one task of Docker Swarm, in an engine of the run's own, a machine of "
        "Vagrant's, by its libvirt provider and of a box of the run's own, where that provider and the system's "
        "libvirt are there (no quick run tries either), and libvirt where it is a backend of the run. Managers that "
        "were only found may not work; that none is found here shows nothing. Kubernetes is not tried: the cluster of "
        "a kubeconfig has other users. OpenStack and the rest are judged by the literature.",
        reading="True as examples. KubeVirt runs VMs under Kubernetes, and OpenStack Zun runs "
        "containers, so the split is not strict.",
        by_references=Verdict.RIGHT,
    ),
)
