"""Claims on what an instance costs its host in memory and CPU, and on giving it back."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median as middle

from envbench.records.phases import Experiment, Phase, Unit
from envbench.records.samples import variant_keys, variant_text
from envreport import units
from envreport.claims.combine import Beside, OfOne, OneWay, all_of
from envreport.claims.model import Claim, Finding, Need, Outcome, Theme
from envreport.claims.references import WSL_REMEDY, WSL_VERSIONS
from envreport.claims.rules import (
    C,
    Exact,
    ExactRatio,
    H,
    Observation,
    Ratio,
    V,
    W,
    conclude,
)
from envreport.claims.verdict import Answer, Quantifier, Relation, TcgBias, Weighed
from envreport.results import BackendKey, Results, Series, backends
from envreport.results.backends import Side
from envreport.statistics.figures import Estimate

M, WSL = Experiment.MEMORY, Experiment.WSL
DIRECTION = "Equal cost is a ratio of 1; the direction is what the documents claim."
SMAPS = "https://docs.kernel.org/filesystems/proc.html (smaps_rollup: Pss)"
SOME = Quantifier.SOME


APART = 2.0


def density_slopes(results: Results, metric: str) -> dict[BackendKey, tuple[Estimate, tuple[Series, ...]]]:
    """Return each backend's slope of a metric over the number of instances, from all steps of one mode together."""
    from envreport.statistics import estimates

    steps: dict[BackendKey, list[Series]] = defaultdict(list)
    for series in results.find(Experiment.DENSITY, metric, usual=False):
        keys = variant_keys(series.key.variant)
        if keys.get("n", "").isdigit():
            rest = variant_text({name: value for name, value in keys.items() if name != "n"})
            steps[BackendKey(series.key.backend, rest, series.key.profile)].append(series)
    found = {}
    for backend, parts in steps.items():
        points = [(float(variant_keys(part.key.variant)["n"]), value) for part in parts for value in part.values]
        estimate = estimates.slope([x for x, _ in points], [y for _, y in points])
        if estimate is not None:
            found[backend] = (estimate, tuple(parts))
    return found


@dataclass(frozen=True, slots=True)
class Slopes:
    """Memory of each further instance: a VM's must be more than a container's, interval against interval."""

    bias: TcgBias = TcgBias.TOWARDS

    def describe(self) -> str:
        """Return the test in words."""
        return (
            "slope of memory over the number of instances: the VM's interval lies above the container's "
            f"(with too few steps for an interval: every step costs the VM {APART:g} times the "
            "container's dearest step)"
        )

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been measured."""
        return tuple(Need(Experiment.DENSITY, "memory_n", sides) for sides in (V, C))

    def judge(self, results: Results) -> Outcome:
        """Compare every VM with every container that was started in the same mode."""
        slopes = density_slopes(results, "memory_n")
        found = []
        for vm, (steep, parts) in slopes.items():
            for container, (flat, others) in slopes.items():
                same = vm.profile == container.profile and _mode(vm) == _mode(container)
                if same and results.side(vm) is Side.VM and results.side(container) is Side.CONTAINER:
                    costs = (units.estimate_text(each, Unit.BYTES, statistic="slope") for each in (steep, flat))
                    text = f"{' against '.join(costs)} for each further one"
                    about = f"{_backend_label(vm)} against {_backend_label(container)}"
                    keys = tuple(part.key for part in (*parts, *others))
                    accel = backends.accelerator(vm.variant) or ""
                    answer, note = _above(steep, flat), ""
                    if answer is Answer.OPEN:
                        answer, note = _apart(steps_of(parts), steps_of(others))
                    found.append(Finding(answer, about, text, min(steep.n, flat.n), accel, note, keys))
        return conclude(found, Quantifier.AGREE, self.bias, self.needs())


def steps_of(parts: Sequence[Series]) -> list[float]:
    """Return the cost of one instance more between each two neighbouring steps."""
    points = sorted((float(variant_keys(part.key.variant)["n"]), middle(part.values)) for part in parts)
    return [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in pairwise(points) if x2 > x1]


def _apart(upper: Sequence[float], lower: Sequence[float]) -> tuple[Answer, str]:
    """Judge a few steps by distance alone: no overlap, and a factor between the nearest two."""
    if min(len(upper), len(lower)) < 2:
        return Answer.OPEN, "too few steps"
    note = f"judged by {len(upper)} and {len(lower)} steps that lie apart: too few for an interval"
    if min(upper) > APART * max(0.0, *lower) and min(upper) > 0:
        return Answer.HOLDS, note
    if min(lower) > APART * max(0.0, *upper) and min(lower) > 0:
        return Answer.FAILS, note
    return Answer.OPEN, "steps overlap"


def _mode(backend: BackendKey) -> str:
    return variant_keys(backend.variant).get("mode", "")


def _backend_label(backend: BackendKey) -> str:
    return backends.label(*backend)


def _above(upper: Estimate, lower: Estimate) -> Answer:
    if upper.interval is None or lower.interval is None:
        return Answer.OPEN
    if upper.interval.low > lower.interval.high:
        return Answer.HOLDS
    return Answer.FAILS if upper.interval.high < lower.interval.low else Answer.OPEN


@dataclass(frozen=True, slots=True)
class AsAudited(OfOne):
    """A rule on what backends leave behind that cannot hold where the run's own audit found something left."""

    def describe(self) -> str:
        """Return the rule in words."""
        return f"{self.rule.describe()}; and the run's own audit found nothing"

    def judge(self, results: Results) -> Outcome:
        """Judge the rule; what the audit found is one more finding, whose owner is not known."""
        own = self.rule.judge(results)
        left = _audited(results)
        if own.weighed is None or not left:
            return own
        text = f"{len(left)} left at the end of the run: {'; '.join(left)[:200]}"
        finding = Finding(Answer.OPEN, "the run's own audit", text, 1, note="the audit found things left")
        answer = Answer.FAILS if own.weighed.answer is Answer.FAILS else Answer.OPEN
        return replace(own, weighed=Weighed(answer), findings=(*own.findings, finding))


def _audited(results: Results) -> list[str]:
    whole = results.find(Experiment.RELEASE, "leaked.whole_run")
    counted = [detail for each in whole if any(each.values) for detail in each.details or ("not named",)]
    return [*counted, *results.run.cleanup.leaked]


CLAIMS = (
    Claim(
        id="memory-overhead",
        whole_system=True,
        theme=Theme.COST,
        wording="A container has less memory overhead than a VM",
        stands_in=("D0", "D1", "D3", "D4"),
        rule=Beside(Ratio(M, "total", V, C), (Exact(M, "engine_pss", C, Relation.MORE, -1, Unit.BYTES),)),
        reference=SMAPS,
        scope="One idle instance with the same payload: all its host processes and its cgroup's "
        "charge. What an engine's own daemons take, once for all instances, is apart and stands beside.",
    ),
    Claim(
        id="memory-app-only",
        whole_system=True,
        theme=Theme.COST,
        wording="A container adds only the memory its app needs",
        stands_in=("D1",),
        rule=Ratio(
            M,
            "total",
            C,
            H,
            Relation.LESS,
            1.05,
            quantifier=Quantifier.ALL,
            bias=TcgBias.NONE,
            under_metric="payload_bare",
            bytes_first=True,
        ),
        reference="5 % is the margin within which this report calls two figures the same.",
        scope='"Only", says D1: one kind of container that adds more is enough against it; those that do not are listed'
        " too. What the container adds in bytes comes first, the ratio beside it: over a small payload the fixed"
        " cost of "
        "shim and runtime weighs most.",
    ),
    Claim(
        id="memory-minimum",
        whole_system=True,
        theme=Theme.COST,
        wording="A container needs less of a machine to run at all",
        stands_in=("D1",),
        rule=ExactRatio(M, "minimum_ready", V, C, resolution=1 / 16),
        reference="The search stops within 1/16 of the true minimum, and so much is added to either side.",
        scope="Memory only: the smallest container limit and the smallest guest with which the same "
        "payload still gets ready.",
    ),
    Claim(
        id="cpu-overhead",
        theme=Theme.COST,
        wording="A VM costs more CPU",
        stands_in=("D0", "D3"),
        rule=all_of(
            Ratio(Experiment.STARTUP, Phase.HOST_CPU, V, C),
            Ratio(Experiment.IDLE, "cpu_ns_per_min", V, C),
        ),
        reference=DIRECTION,
        scope="CPU time charged on the host per start, and per minute of doing nothing, of one idle instance each; "
        "CPU-bound work is under speed.",
    ),
    Claim(
        id="idle-cost",
        theme=Theme.COST,
        wording="A running VM consumes resources regardless of use",
        stands_in=("D1",),
        rule=all_of(
            Ratio(Experiment.IDLE, "cpu_ns_per_min", V, C),
            Ratio(Experiment.IDLE, "idle_memory", V, C),
        ),
        reference="Against an idle container with the same payload: what the VM takes above it is due to being a VM.",
        scope="The idle windows of one instance each; a guest with services, or with a balloon that gives memory back, "
        "differs.",
    ),
    Claim(
        id="release-clean",
        theme=Theme.COST,
        wording="A stopped container returns all its resources",
        stands_in=("D1",),
        rule=AsAudited(Exact(Experiment.RELEASE, "leaked.total", C, Relation.LESS, 1)),
        reference="One thing left behind is not all.",
        scope="Countable things on the host after removal: processes, cgroups, mounts, links, "
        "namespaces, loop devices, engine objects. Volumes and images "
        "are kept on purpose and are not counted. What the run's own audit found at its end, whoever left it, "
        "leaves the answer open.",
    ),
    Claim(
        id="hot-resize",
        theme=Theme.COST,
        wording="Resources can be given and taken while it runs",
        stands_in=("D1",),
        rule=all_of(
            *(
                OneWay(
                    Observation(Experiment.RESIZE, metric, sides, quantifier=SOME),
                    Answer.HOLDS,
                    "what one refuses another may do",
                )
                for sides in (C, V)
                for metric in ("memory_grown", "memory_shrunk", "cpu_changed")
            )
        ),
        reference="https://libvirt.org/formatdomain.html (memory balloon, vCPU hot-plug); "
        "docs.docker.com/reference/cli/docker/container/update",
        scope='"In some cases", says D1: one backend of each kind that can do it is enough. '
        "What was refused, and by whom, is listed. A bare runtime has no engine to ask: envbench writes its cgroup.",
    ),
    Claim(
        id="density",
        whole_system=True,
        theme=Theme.COST,
        wording="One host runs many VMs, each with a whole OS copy; containers share",
        stands_in=("D2", "D4"),
        rule=Beside(
            all_of(
                OneWay(
                    Exact(Experiment.DENSITY, "instances", V, Relation.MORE, 1),
                    Answer.HOLDS,
                    "the plan or the time of a run may end it at one",
                ),
                Slopes(),
            ),
            (Exact(Experiment.DENSITY, "instances", C, Relation.MORE, 1),),
        ),
        reference="Theil-Sen slope with its 95 % interval (Sen 1968, doi:10.1080/01621459.1968.10480934)",
        scope="Instances of the same small payload, up to the number that was run; page sharing "
        "between guests (KSM) is as the host has it.",
    ),
    Claim(
        id="wsl-light",
        whole_system=True,
        theme=Theme.COST,
        wording="WSL is lighter than a VM and heavier than a container",
        stands_in=("D0",),
        rule=all_of(
            Ratio(
                WSL,
                "distribution_start",
                W,
                V,
                Relation.LESS,
                bias=TcgBias.TOWARDS,
                under_metric=Phase.READY,
                under_experiment=Experiment.STARTUP,
            ),
            Ratio(
                WSL,
                "distribution_start",
                W,
                C,
                Relation.MORE,
                bias=TcgBias.NONE,
                under_metric=Phase.READY,
                under_experiment=Experiment.STARTUP,
            ),
        ),
        reference=WSL_VERSIONS,
        scope="Start of a distribution against the other backends inside the same WSL; memory stands beside it.",
        reading="WSL 2 is itself a lightweight VM, so it can be compared only with another VM.",
        remedy=WSL_REMEDY,
    ),
)
