"""Claims on what an instance can see and do outside itself."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from envbench.records.metrics import words
from envbench.records.phases import Experiment
from envreport.claims.combine import Beside, EachAspect, OfOne, all_of, observe
from envreport.claims.model import Claim, Finding, Need, Outcome, Theme, shown
from envreport.claims.references import NAMESPACES, WSL_REMEDY
from envreport.claims.rules import C, Exact, ExactRatio, Observation, V, W, conclude, find
from envreport.claims.verdict import Answer, Quantifier, Relation, TcgBias
from envreport.results import BackendKey, Results, Series
from envreport.results.backends import Side

I = Experiment.ISOLATION  # noqa: E741


@dataclass(frozen=True, slots=True)
class NothingSeen:
    """Whether nothing was seen in any way. The figure says how many ways were tried.

    A way that was not tried shows nothing: where one saw nothing in some of them, those who tried all decide, and
    without any such it stays open.
    """

    experiment: Experiment
    metrics: tuple[str, ...]
    sides: tuple[Side, ...]
    bias: TcgBias = TcgBias.NONE

    def describe(self) -> str:
        """Return the test in words."""
        return f"{', '.join(map(words, self.metrics))}: none, each of them tried"

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been tried."""
        return tuple(Need(self.experiment, metric, self.sides) for metric in self.metrics)

    def judge(self, results: Results) -> Outcome:
        """Count for each backend in how many ways it saw something, of those that were tried."""
        tried: dict[BackendKey, list[Series]] = defaultdict(list)
        for metric in self.metrics:
            for series in find(results, self.experiment, metric, self.sides):
                tried[series.key.backend_key].append(series)
        all_tried = any(len(series) == len(self.metrics) for series in tried.values())
        found = [self._finding(series, all_tried=all_tried) for series in tried.values()]
        saw = dict.fromkeys(words(each.key.phase) for parts in tried.values() for each in parts if all(each.values))
        outcome = conclude(found, Quantifier.ALL, self.bias, self.needs())
        return replace(outcome, failing=", ".join(f"{name}: none" for name in saw))

    def _finding(self, tried: Sequence[Series], *, all_tried: bool) -> Finding:
        saw = [each for each in tried if any(each.values)]
        names = ", ".join(words(each.key.phase) for each in saw)
        text = f"{len(saw)} of {len(tried)} ways tried" + (f": {names}" if saw else "")
        left = [words(metric) for metric in self.metrics if metric not in {each.key.phase for each in tried}]
        note = f"not tried: {', '.join(left)}" if left else ""
        answer = Answer.OPEN if left else Answer.HOLDS
        if saw:
            answer = Answer.FAILS if any(all(each.values) for each in saw) else Answer.OPEN
        keys, number = tuple(each.key for each in tried), min(len(each.values) for each in tried)
        finding = Finding(answer, tried[0].key.label, text, number, note=note, keys=keys)
        return shown(finding) if left and not saw and all_tried else finding


@dataclass(frozen=True, slots=True)
class FewerOf(OfOne):
    """How many of the things tried succeeded, VM against container, each shown with how many were tried."""

    tried: str
    """The metric that says how many were tried."""

    def judge(self, results: Results) -> Outcome:
        """Judge the rule, and add to each figure how many were tried, where the run says so."""
        outcome = self.rule.judge(results)
        return replace(outcome, findings=tuple(self._with_number(results, each) for each in outcome.findings))

    def _with_number(self, results: Results, finding: Finding) -> Finding:
        parts = []
        for key in finding.keys:
            counted, tried = results.series[key].values, results.series.get(key._replace(phase=self.tried))
            of = f" of {max(tried.values):g} tried" if tried and tried.values else ""
            parts.append(f"{max(counted):g}{of}")
        return replace(finding, figure=f"{words(finding.keys[0].phase)}: {' against '.join(parts)}")


BARE_RUNTIMES = frozenset(("runc", "crun"))
"""Runtimes that envbench starts by a bundle of its own; runs of earlier versions have what that bundle asks for."""
OWN_BUNDLE = "by envbench's own bundle, no default of the runtime"


@dataclass(frozen=True, slots=True)
class ByEngines(OfOne):
    """A rule that engines decide, by their defaults; what a bare runtime was asked for by envbench stands beside."""

    def describe(self) -> str:
        """Return the rule in words."""
        return f"under an engine's defaults: {self.rule.describe()}"

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been measured: of an engine."""
        return tuple(replace(need, what="a container of an engine") for need in self.rule.needs())

    def judge(self, results: Results) -> Outcome:
        """Judge the rule by the engines alone, and show what the bare runtimes have."""
        own = self.rule.judge(results.of_backends(lambda name: name not in BARE_RUNTIMES))
        bare = self.rule.judge(results.of_backends(lambda name: name in BARE_RUNTIMES)).findings
        missing = self.needs() if own.missing else ()
        return replace(own, findings=(*own.findings, *(shown(each, OWN_BUNDLE) for each in bare)), missing=missing)


CLAIMS = (
    Claim(
        id="isolation-namespaces",
        theme=Theme.ISOLATION,
        wording="Containers isolate processes with namespaces and cgroups",
        stands_in=("D0", "D3"),
        rule=all_of(
            ByEngines(all_of(Exact(I, "namespaces_own", C, Relation.MORE, 0), observe(I, C, cgroup_own=True))),
            observe(I, C, memory_limit_enforced=True, cpu_limit_enforced=True),
        ),
        reference=NAMESPACES,
        scope="Engine defaults of this run; options such as --pid=host take isolation away. A bare runtime has the "
        "namespaces and the cgroup that envbench's own bundle asks for: that is no statement about it and does not "
        "decide. Limits are asked of all, and what is tested is that they are kept.",
    ),
    Claim(
        id="isolation-mutual",
        theme=Theme.ISOLATION,
        wording="Containers are hidden from each other",
        stands_in=("D1",),
        rule=Beside(
            NothingSeen(I, tuple(f"mutual.{what}_seen" for what in ("processes", "mounts", "memory", "files")), C),
            tuple(Exact(I, f"mutual.{what}", C, Relation.LESS, 1) for what in ("names_seen", "indirect")),
        ),
        reference=NAMESPACES,
        scope="Direct sight of the other's processes, mounts, shared memory and files. An equal host name "
        "is how a bare runtime was configured, no sight of the other: shown, not judged. Who was tried in some of "
        "the ways only (a bare runtime runs both from one tree) is shown and does not decide. What shows through the "
        "shared kernel all the same (load, memory, counters) is listed as indirect.",
    ),
    Claim(
        id="isolation-vm-stronger",
        theme=Theme.ISOLATION,
        wording="A VM isolates more strongly than a container",
        stands_in=("D0", "D1", "D2", "D3", "D4"),
        rule=Beside(
            all_of(
                FewerOf(ExactRatio(I, "host_facts_readable", V, C, Relation.LESS), "host_facts_looked_for"),
                FewerOf(ExactRatio(I, "host_kernel_interfaces", V, C, Relation.LESS), "host_kernel_interfaces_tried"),
            ),
            (ExactRatio(I, "capabilities", V, C, Relation.LESS),),
        ),
        reference="https://doi.org/10.6028/NIST.SP.800-190 §2 (a shared kernel is a larger attack surface)",
        scope="Host facts readable from inside and host kernel interfaces that answer, counted alike "
        "in both. A count is not proof against escape, "
        "and QEMU's authors promise isolation with KVM alone (qemu.org/docs/master/system/security.html).",
    ),
    Claim(
        id="isolation-wsl",
        theme=Theme.ISOLATION,
        wording="WSL isolates less than a VM",
        stands_in=("D0",),
        rule=EachAspect(
            (
                ("one kernel", Observation(Experiment.WSL, "kernel_shared_by_distributions", W)),
                ("starting programs", Observation(Experiment.WSL, "interop", W)),
                ("shared drives", Exact(Experiment.WSL, "drives_mounted", W, Relation.MORE, 0)),
            )
        ),
        reference="https://learn.microsoft.com/windows/wsl/wsl-config",
        scope="Shared drives, interop, one kernel for all distributions: what a VM has none of unless one gives it to "
        "it; no VM is asked. Each can be switched off but the last, and where some are, it depends on what is meant.",
        remedy=WSL_REMEDY,
    ),
)
