"""Who asks may change how much is known, never what: root and anyone else do not contradict each other."""

from __future__ import annotations

from tests.inspector.captured_systems import answer_for, holds_for_all

from envinspect.inspection import inspect
from envinspect.model import Denied, Kind, Reading
from envinspect.model.facts import Facts, Root, Stat
from envinspect.probes.acpi import TABLES
from envinspect.signatures.catalogue import lineage

ROOT_ONLY = (
    *TABLES,
    "/sys/class/dmi/id/product_uuid",
    "/sys/class/dmi/id/product_serial",
    "/sys/firmware/dmi/entries/0-0/raw",
    "/sys/hypervisor/uuid",
    "/sys/hypervisor/properties/features",
    "/proc/1/environ",
)
"""Mode 0400 on a usual system."""


class Unprivileged:
    """A system's files as a user without privileges may read them."""

    live = False

    def __init__(self, root: Root) -> None:
        self._root = root

    def read(self, path: str) -> Reading[bytes]:
        return Denied("EACCES") if path in ROOT_ONLY else self._root.read(path)

    def link(self, path: str) -> Reading[str]:
        return Denied("EACCES") if path.startswith("/proc/1/") else self._root.link(path)

    def listing(self, path: str) -> Reading[tuple[str, ...]]:
        return self._root.listing(path)

    def stat(self, path: str) -> Reading[Stat]:
        return self._root.stat(path)


def test_a_user_gets_no_other_machine_than_root() -> None:
    holds_for_all(user_gets_no_other_machine)


def user_gets_no_other_machine(name: str) -> None:
    answer = answer_for(name)
    privileged, whole = answer.stack, answer.facts
    facts = Facts(
        Unprivileged(whole.root),
        whole._cpuid,
        uname=whole.uname,
        euid=65534,
        environ=whole._environ,
    )
    user = inspect(facts).stack
    for kind in (Kind.VM, Kind.WSL):
        known = {general for layer in privileged.layers if layer.kind is kind for general in lineage(kind, layer.id)}
        assert {layer.id for layer in user.layers if layer.kind is kind} <= known
    if user.bare_metal:
        # What only root may read can still name a VMM that hides from all else.
        assert privileged.bare_metal or any(item.source in ROOT_ONLY for item in user.unknown)
    if user.cloud and privileged.cloud:
        assert user.cloud.id == privileged.cloud.id
