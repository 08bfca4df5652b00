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
from envreport.claims.verdict import Quantifier, Relation, TcgBias, compare
from envreport.results import Results, Series

S = Experiment.STARTUP
SECOND, MS = 1e9, 1e6


MAJORITY = 0.5


@dataclass(frozen=True, slots=True)
class KernelShare:
    """Firmware's and kernel's share of each VM start: "because it boots a kernel" holds if that is more than half."""

    bias: TcgBias = TcgBias.TOWARDS

    def describe(self) -> str:
        """Return the test in words."""
        return "median share of firmware and kernel in each start of a VM > 50 %"

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been measured."""
        return (Need(Experiment.STARTUP, Phase.KERNEL, V), Need(Experiment.STARTUP, Phase.READY, V))

    def judge(self, results: Results) -> Outcome:
        """Divide start by start, so that the share has an interval of its own."""
        from envreport.statistics import estimates

        found = []
        for ready in find(results, Experiment.STARTUP, Phase.READY, V):
            shares = kernel_shares(results, ready)
            estimate = estimates.median(shares)
            if estimate is None:
                continue
            interval = estimate.interval
            limits = f"[{units.percent(interval.low)}, {units.percent(interval.high)}]" if interval else "no interval"
            text = f"{units.MEDIAN} {units.percent(estimate.value)} {limits}, n = {estimate.n}"
            answer = compare(interval, Relation.MORE, MAJORITY)
            accel = accelerator_of(results, ready)
            found.append(
                Finding(
                    answer,
                    ready.key.label,
                    text,
                    len(shares),
                    accel,
                    "",
                    (ready.key,),
                    estimate=estimate,
                    unit=Unit.RATIO,
                    bound=MAJORITY,
                )
            )
        return conclude(found, Quantifier.AGREE, self.bias, self.needs())


def kernel_shares(results: Results, ready: Series) -> list[float]:
    """Return (firmware + kernel) / ready of every start that has a kernel stretch.

    A missing firmware stretch is part of neither.
    """
    stretches: dict[int, dict[Phase, float]] = defaultdict(dict)
    for phase in (Phase.FIRMWARE, Phase.KERNEL):
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
        "process runs. Firmware counts with the kernel.",
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
