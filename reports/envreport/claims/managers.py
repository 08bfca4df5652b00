"""Whether what the documents call managers manages: those that a run tried, and those that it found."""

from dataclasses import dataclass

from envbench.records.metrics import words
from envbench.records.phases import Experiment, counted
from envreport import units
from envreport.claims.model import Finding, Need, Outcome
from envreport.claims.rules import C, V, accelerator_of, find
from envreport.claims.verdict import Answer, Limit, LimitKind, TcgBias, Weighed
from envreport.results import Results, Series

K = Experiment.KERNEL
FOUND = ("managers.vm", "managers.container")
MANAGED, PLAIN = "managed_ready", "plain_ready"
LIBVIRT = "libvirt"
"""The backend whose machines a tool of hypervisors keeps: what starts there was started by a manager."""
STARTED = "kernel_equals_host"
"""An observation that is there for every machine that the kernel experiment had ready."""


@dataclass(frozen=True, slots=True)
class Managers:
    """Managers of both kinds that are here support the claim; finding none says nothing: they may be elsewhere."""

    bias: TcgBias = TcgBias.NONE

    def describe(self) -> str:
        """Return the test in words."""
        return (
            f"{' and '.join(words(each) for each in FOUND)}, at least one each; tried are those that got an instance "
            f"ready: a service, a machine by Vagrant ({words(MANAGED)} beside {words(PLAIN)}), a machine of libvirt's"
        )

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been looked for."""
        return tuple(Need(K, metric) for metric in FOUND)

    def judge(self, results: Results) -> Outcome:
        """Compare each count with 0; tell those that were tried from those that were only found."""
        tried = [_managed(results, each) for each in find(results, K, MANAGED, (*C, *V))]
        machines = [each for each in find(results, K, STARTED, V) if each.key.backend == LIBVIRT]
        tried += [_machine(machines)] if machines else []
        found = [_counted(each) for metric in FOUND for each in results.find(K, metric)]
        held = {finding.keys[0].phase for finding in found if finding.answer is Answer.HOLDS}
        if not held.issuperset(FOUND):
            return Outcome(None, (*tried, *found), self.needs())
        count = sum(int(max(results.series[key].values)) for finding in found for key in finding.keys)
        return Outcome(Weighed(Answer.HOLDS), (*tried, *found), limits=(_limit(len(tried), count),))


def _limit(tried: int, found: int) -> Limit:
    left = max(0, found - tried)
    if not tried:
        return Limit(LimitKind.EXAMPLES, f"by {counted(found, 'example')}, found and not tried")
    others = f", {left} found and not tried" if left else ""
    return Limit(LimitKind.EXAMPLES, f"by {counted(tried, 'example')} tried{others}")


def _managed(results: Results, managed: Series) -> Finding:
    """Say what a manager's start took beside a plain one on the same engine; that it got ready is the answer."""
    from envreport.statistics import estimates

    plain = results.series.get(managed.key._replace(phase=PLAIN))
    here = [managed] if plain is None or not plain.values else [managed, plain]
    medians = ((each, estimates.median(each.values)) for each in here)
    text = " against ".join(
        f"{words(each.key.phase)}: {units.estimate_text(median, each.unit, statistic=units.MEDIAN)}"
        for each, median in medians
    )
    note = "; ".join(managed.details[:1])
    keys = tuple(each.key for each in here)
    accelerator = accelerator_of(results, managed)
    return Finding(Answer.HOLDS, managed.key.label, text, len(managed.values), accelerator, note, keys)


def _machine(machines: list[Series]) -> Finding:
    keys = tuple(each.key for each in machines)
    return Finding(Answer.HOLDS, keys[0].label, "a machine that libvirt keeps got ready", 1, keys=keys)


def _counted(series: Series) -> Finding:
    seen = max(series.values)
    answer = Answer.HOLDS if seen > 0 else Answer.OPEN
    names = "; ".join(series.details[:3])
    quantity = units.quantity(seen, series.unit)
    text = f"{words(series.key.phase)}: {quantity}{f' ({names})' if names and seen else ''}"
    return Finding(answer, series.key.label, text, 1, None, names, (series.key,))
