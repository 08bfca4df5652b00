"""Claims on how fast work runs once an instance is up."""

from envbench.phases import Experiment
from envreport.claims.architecture import WSL_REMEDY
from envreport.claims.model import Claim, Theme
from envreport.claims.rules import C, Ratio, V, W
from envreport.claims.special import NativeSpeed, Slower
from envreport.claims.verdict import TcgBias

MARGIN = "±5 %: below it, hosts of the same make differ by as much. Test: Schuirmann 1987, doi:10.1007/BF01068419"
OPPOSED = "D3 and D4 say little or no overhead; D1 says that containers do not run at bare-metal speed."

CLAIMS = (
    Claim(
        id="speed-container-native",
        theme=Theme.SPEED,
        wording="Containers run with little or no overhead",
        stands_in=("D3", "D4"),
        rule=NativeSpeed(native=True),
        reference=MARGIN,
        scope="The metrics listed, the same program on the host and in the container. One that is "
        "slower by more than 5 % contradicts.",
        partner="speed-container-not-bare",
        disagreement=OPPOSED,
    ),
    Claim(
        id="speed-container-not-bare",
        theme=Theme.SPEED,
        wording="Containers do not run at bare-metal speed",
        stands_in=("D1",),
        rule=NativeSpeed(native=False),
        reference=MARGIN,
        scope="The same figures as speed-container-native, asked the other way round. The host "
        "itself may be a guest: see the environment section.",
        partner="speed-container-native",
        disagreement=OPPOSED,
    ),
    Claim(
        id="speed-vm-slower",
        theme=Theme.SPEED,
        wording="VMs run slower than containers",
        stands_in=("D0", "D1", "D3"),
        rule=Slower(V, C),
        reference="Equal speed is a ratio of 1; the direction is what the documents claim.",
        scope="The metrics listed; those that disagree leave it open.",
    ),
    Claim(
        id="wsl-interop",
        theme=Theme.SPEED,
        wording="WSL is faster than a VM where Windows and Linux interact",
        stands_in=("D0",),
        rule=Ratio(Experiment.WSL, "drive_files", W, W, bias=TcgBias.NONE, under_metric="linux_files"),
        reference="https://learn.microsoft.com/windows/wsl/filesystems",
        scope="A stand-in: file work on a Windows drive against the Linux one inside WSL; a VM with "
        "a shared folder is not measured.",
        reading="In WSL 2 the Windows drive is reached over a network file protocol, so such work is "
        "slower there than on the Linux disk.",
        remedy=WSL_REMEDY,
    ),
)
