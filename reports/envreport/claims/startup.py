"""Claims on start-up: how long, how much longer, and why."""

from collections import defaultdict
from dataclasses import dataclass

from envbench.records.phases import Experiment, Phase, Unit
from envreport import units
from envreport.claims.combine import all_of
from envreport.claims.deployment import READY_FROM_NOTHING, WithTransfer
from envreport.claims.model import Claim, Finding, Need, Outcome, Theme
from envreport.claims.rules import (
    C,
    Ratio,
    Threshold,
    V,
    accelerator_of,
    conclude,
    find,
)
from envreport.claims.verdict import Answer, Quantifier, Relation, TcgBias, compare
from envreport.results import Results, Series
from envreport.statistics.figures import Estimate

S = Experiment.STARTUP
SECOND, MS = 1e9, 1e6


MAJORITY = 0.5


@dataclass(frozen=True, slots=True)
class KernelShare:
    """The kernel's share of each VM start: "because it boots a kernel" holds if that is more than half.

    The firmware's is no kernel's, and is there because of it: the claim fails where both together are less than half,
    and what is more than half with the firmware only stays open.
    """

    bias: TcgBias = TcgBias.TOWARDS

    def describe(self) -> str:
        """Return the test in words."""
        return "median share of the kernel, the firmware apart, in each start of a VM > 50 %"

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been measured."""
        return (Need(Experiment.STARTUP, Phase.KERNEL, V), Need(Experiment.STARTUP, Phase.READY, V))

    def judge(self, results: Results) -> Outcome:
        """Divide start by start, so that the share has an interval of its own."""
        found = [self._finding(results, each) for each in find(results, Experiment.STARTUP, Phase.READY, V)]
        return conclude([each for each in found if each], Quantifier.AGREE, self.bias, self.needs())

    def _finding(self, results: Results, ready: Series) -> Finding | None:
        from envreport.statistics import estimates

        kernel, both = (
            estimates.median(kernel_shares(results, ready, phases))
            for phases in ((Phase.KERNEL,), (Phase.FIRMWARE, Phase.KERNEL))
        )
        if kernel is None or both is None:
            return None
        answer, with_firmware = (compare(each.interval, Relation.MORE, MAJORITY) for each in (kernel, both))
        text, note = share_text(kernel, MAJORITY), ""
        if both != kernel:
            text += f"; with the firmware {share_text(both, MAJORITY)}"
        if answer is not Answer.HOLDS and with_firmware is not Answer.FAILS:
            answer, note = Answer.OPEN, "more than half with the firmware only" if answer is Answer.FAILS else ""
        about, accel = f"kernel's share of a start, {ready.key.label}", accelerator_of(results, ready)
        keys = (ready.key,)
        return Finding(
            answer, about, text, kernel.n, accel, note, keys, estimate=kernel, unit=Unit.RATIO, bound=MAJORITY
        )


def share_text(share: Estimate, bound: float) -> str:
    """Return the median of a share of starts with its interval, in per cent, never rounded across the bound."""
    limits = "no interval"
    if share.interval is not None:
        limits = f"[{units.percent(share.interval.low, bound)}, {units.percent(share.interval.high, bound)}]"
    return f"{units.MEDIAN} {units.percent(share.value, bound)} {limits}, n = {share.n}"


def kernel_shares(results: Results, ready: Series, phases: tuple[Phase, ...]) -> list[float]:
    """Return what share these phases are of every start that has a kernel stretch.

    A missing firmware stretch is part of neither.
    """
    stretches: dict[int, dict[Phase, float]] = defaultdict(dict)
    for phase in phases:
        series = results.series.get(ready.key._replace(phase=phase))
        for row in series.good if series else ():
            stretches[row.order][phase] = float(row.value or 0)
    totals = {row.order: float(row.value or 0) for row in ready.good}
    return [
        sum(stretches[order].values()) / total
        for order, total in totals.items()
        if total > 0 and Phase.KERNEL in stretches.get(order, {})
    ]


CLAIMS = (
    Claim(
        id="start-faster",
        theme=Theme.STARTUP,
        wording="Containers start faster than VMs",
        stands_in=("D0", "D1", "D2", "D3", "D4"),
        rule=Ratio(S, Phase.READY, V, C),
        reference="Equal start times are a ratio of 1; the direction is what the documents claim.",
        scope="Request to ready line with the same payload, artefacts already on this machine; no image is pulled.",
    ),
    Claim(
        id="start-container-seconds",
        theme=Theme.STARTUP,
        wording="A container starts in seconds or less",
        stands_in=("D3", "D4"),
        rule=Threshold(S, Phase.READY, C, Relation.LESS, 10 * SECOND, quantile=0.95, also=(("within 1 s", SECOND),)),
        reference='10 s is the most that people call "seconds"; '
        "and the limit of attention in Nielsen, Usability Engineering (1993), ch. 5",
        scope="Request to ready line of an image that is already here; pulling it may take far longer.",
    ),
    Claim(
        id="start-container-ms",
        theme=Theme.STARTUP,
        wording="A container starts in milliseconds, almost instantly",
        stands_in=("D3", "D4"),
        rule=all_of(
            Threshold(S, Phase.READY, C, Relation.LESS, SECOND, word="in milliseconds"),
            Threshold(S, Phase.READY, C, Relation.LESS, 100 * MS, word="almost instantly"),
        ),
        reference="From 1000 ms on, people count seconds; 0.1 s is the limit of feeling "
        "instantaneous (Miller 1968, doi:10.1145/1476589.1476628)",
        scope="Request to ready line of an image that is already here. The two words are judged apart, and both must "
        "hold.",
    ),
    Claim(
        id="start-vm-minutes",
        whole_system=True,
        theme=Theme.STARTUP,
        wording="A VM takes minutes to boot",
        stands_in=("D3", "D4"),
        rule=Threshold(S, Phase.READY, V, Relation.MORE, 60 * SECOND, bias=TcgBias.TOWARDS),
        reference="A minute is 60 s; anything below is not minutes.",
        scope="Each guest apart: minimal and full distribution. An emulated guest that boots in less "
        "than a minute shows that a hardware-virtualised one "
        "does too, for emulation is the slower of the two; an emulated guest that takes longer shows nothing about it.",
    ),
    Claim(
        id="start-why-kernel",
        whole_system=True,
        theme=Theme.STARTUP,
        wording="The VM is slower because it boots a kernel",
        stands_in=("D1", "D2"),
        rule=KernelShare(),
        reference='More than half of the time is the least that "because" can mean.',
        scope="Phases as stamped on the host; the kernel's stretch ends where the guest's first "
        "process runs. The firmware, which runs for the kernel and is none, is told apart.",
    ),
    Claim(
        id="cycle-rapid",
        whole_system=True,
        theme=Theme.STARTUP,
        wording="Containers suit rapid deployment and destruction better than VMs",
        stands_in=("D1",),
        rule=WithTransfer(Ratio(S, Phase.CYCLE, V, C), READY_FROM_NOTHING),
        reference="Equal times are a ratio of 1; the direction is what the document claims.",
        scope="Request, ready, stop and removal of one instance, artefacts already on this machine; where "
        "`envbench deploy` was measured, the way from nothing to ready as well: pull or download, and start, from "
        "servers on this machine, or “from your registry” where that is said.",
    ),
)
