"""Claims on start-up: how long, how much longer, and why."""

from envbench.phases import Experiment, Phase
from envreport.claims.model import Claim, Theme
from envreport.claims.rules import C, Ratio, Threshold, V
from envreport.claims.special import KernelShare
from envreport.claims.verdict import Relation, TcgBias

S = Experiment.STARTUP
SECOND, MS = 1e9, 1e6

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
        rule=Threshold(S, Phase.READY, C, Relation.LESS, SECOND, also=(("instant (100 ms)", 100 * MS),)),
        reference="From 1000 ms on, people count seconds; 0.1 s is the limit of feeling "
        "instantaneous (Miller 1968, doi:10.1145/1476589.1476628)",
        scope="Request to ready line of an image that is already here.",
    ),
    Claim(
        id="start-vm-minutes",
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
        theme=Theme.STARTUP,
        wording="Containers suit rapid deployment and destruction better than VMs",
        stands_in=("D1",),
        rule=Ratio(S, Phase.CYCLE, V, C),
        reference="Equal cycle times are a ratio of 1; the direction is what the document claims.",
        scope="Request, ready, stop and removal of one instance, artefacts already on this machine.",
    ),
)
