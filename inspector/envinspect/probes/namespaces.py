"""The namespaces of this process: initial ones are the host's; others are somebody's, not always a container's."""

from __future__ import annotations

from envinspect.model import Found, Record
from envinspect.model.facts import Facts
from envinspect.sources.process import INITIAL, NUMBERED, namespace_number, numbers_all

_KINDS = ("pid", "uts", "ipc", "mnt", "net", "cgroup", "user")


class Namespaces(Record):
    """Which namespaces are the initial ones, which are others; a kind in neither set is not known."""

    initial: frozenset[str]
    others: frozenset[str]

    @property
    def on_host(self) -> bool:
        """True where the host's processes are seen and nothing that containers have of their own is other."""
        return "pid" in self.initial and not self.others & {"uts", "ipc", "mnt"}

    def spell(self) -> str:
        """Return the sets in words."""
        return f"not the initial {', '.join(kind for kind in _KINDS if kind in self.others)}"


def namespaces(facts: Facts) -> Namespaces:
    """Return what the links of /proc/self/ns and the kernel's own threads tell.

    OpenVZ and gVisor number namespaces their own way, so there the links say nothing.
    """
    initial: set[str] = set()
    others: set[str] = set()
    if not isinstance(facts.stat("/proc/vz"), Found):
        for kind in _KINDS:
            link = facts.link(f"/proc/self/ns/{kind}")
            number = namespace_number(link.value) if isinstance(link, Found) else None
            if number is None or number < 0xE0000000:
                continue
            if number in INITIAL[kind]:
                initial.add(kind)
            elif kind in NUMBERED or numbers_all(facts.uname.release):
                others.add(kind)
    if "pid" not in others and facts.str_or("/proc/2/comm") == "kthreadd":
        initial.add("pid")  # where both speak, /proc is somebody else's
    _against_first_process(facts, "net", initial, others)
    return Namespaces(frozenset(initial), frozenset(others))


def _against_first_process(facts: Facts, kind: str, initial: set[str], others: set[str]) -> None:
    """Compare with the host's first process where it is seen: older kernels number this as it comes."""
    if kind in initial | others or "pid" not in initial:
        return
    own, first = facts.link(f"/proc/self/ns/{kind}"), facts.link(f"/proc/1/ns/{kind}")
    if isinstance(own, Found) and isinstance(first, Found):
        (initial if own.value == first.value else others).add(kind)
