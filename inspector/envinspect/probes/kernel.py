"""What the kernel says of its machine in words.

WSL2's own kernel runs in Hyper-V, User-mode Linux has its own architecture.
"""

from __future__ import annotations

from envinspect.facts import Facts
from envinspect.model import Evidence, Kind, Strength

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = "/proc/version"
WSL_REFERENCE = "https://learn.microsoft.com/en-us/windows/wsl/compare-versions"


def probe_kernel(facts: Facts) -> Iterator[Evidence]:
    """Yield Hyper-V for the kernel that Microsoft builds for WSL2's utility machine and for nothing else."""
    for source, text in (("uname", facts.uname.release), (VERSION, facts.str_or(VERSION))):
        lowered = text.lower()
        if "microsoft-standard" in lowered or "-wsl2" in lowered:
            yield Evidence(Kind.VM, "hyper-v", Strength.STRONG, source, text[:80], WSL_REFERENCE)
