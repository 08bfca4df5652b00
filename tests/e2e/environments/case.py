"""What one row of the matrix says, and what came back from it."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from environments.lab import Lab


CPU_FLAGS = frozenset(
    next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")), "").split()
)
"""What this machine's CPU can do, in the kernel's words; empty on architectures that have other words."""


ALIKE, REFUSES = "alike", "refuses"

AROUND = os.environ.get("ENVINSPECT_E2E_AROUND", "").split()
"""The containers that this host is, as whoever made them says."""


class CannotStartError(Exception):
    """The environment itself could not be started: says nothing about envinspect."""


@dataclass(frozen=True, slots=True)
class Environment:
    """One real environment and the truth about it.

    `layers` are the layers inside the host's (or all, where `own_kernel`), outermost first.
    `needs` are programs that must be there; the first names the engine. `firmware` says whether the environment can see
    the firmware tables that name the host's VMM; where not, the general id (`kvm`) is as right as the VMM's own.
    Rows of one `shared_boot` are answered by one guest. `slow` ones start ahead, in the background.
    `same_for_users`: who may read less than root gives the same layers, but for the name of the host's VMM.
    `hides_host` are environments in which nothing can tell the host's VM apart from the environment itself.
    `traps_cpuid` are those that answer CPUID themselves where the CPU lets them: then of the host's VM no more comes
    through than that there is one. `never_with` is a CPU's flag with which the environment itself cannot start.
    `within_container` says what becomes of it where the host is a container: ALIKE looks the same there as the
    container alone, REFUSES does not start.
    """

    name: str
    needs: tuple[str, ...]
    start: Callable[["Lab"], str]
    layers: tuple[str, ...]
    how: str
    own_kernel: bool = False
    firmware: bool = True
    hides_host: bool = False
    traps_cpuid: bool = False
    never_with: str = ""
    within_container: str = ""
    same_for_users: bool = False
    details: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    never: frozenset[str] = frozenset()
    cloud: str | None = None
    orchestrator: str | None = None
    slow: bool = False
    shared_boot: str = ""
    deadline_s: int = 120


@dataclass(frozen=True, slots=True)
class Answer:
    """What was printed inside: envinspect's JSON, the peers' words, and the capture (base64; empty where none)."""

    envinspect: dict[str, Any]
    exit_code: int
    errors: str
    unprivileged: dict[str, Any] | None
    systemd_vm: str
    systemd_container: str
    virt_what: tuple[str, ...]
    capture: str

    @property
    def layers(self) -> list[str]:
        return [layer["id"] for layer in self.envinspect["layers"]]


def sections(transcript: str) -> dict[str, str]:
    """Split what ask.sh printed; a serial console adds carriage returns."""
    found: dict[str, str] = {}
    name = ""
    for line in transcript.replace("\r", "").split("\n"):
        if line.startswith("=== "):
            name = line[4:].strip()
            found[name] = ""
        elif name:
            found[name] += line + "\n"
    return found


def parse(transcript: str) -> Answer:
    """Read a transcript; raises CannotStartError where it is not whole."""
    told = sections(transcript)
    if "end" not in told:
        raise CannotStartError(f"the question was not asked to its end; last output:\n{transcript[-2000:]}")
    try:
        answer = json.loads(told["envinspect"])
    except ValueError:
        raise AssertionError(
            f"envinspect --json printed no JSON: {told['envinspect'][-500:]!r} {told['envinspect.stderr'][-3000:]}"
        ) from None
    unprivileged = told.get("unprivileged", "").strip()
    return Answer(
        envinspect=answer,
        exit_code=int(told["envinspect.exit"]),
        errors=told["envinspect.stderr"].strip(),
        unprivileged=json.loads(unprivileged) if unprivileged.startswith("{") else None,
        systemd_vm=told["systemd-vm"].strip() or "-",
        systemd_container=told["systemd-container"].strip() or "-",
        virt_what=tuple(told["virt-what"].split()),
        capture="".join(told.get("capture", "").split()),
    )
