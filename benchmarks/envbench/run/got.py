"""Checks that an instance got what its label says: one start is looked at before anything is measured."""

import contextlib

from envbench.backend import Backend, Instance, Workload
from envbench.backends.shared.try_start import TRIAL_DEADLINE_S, try_start
from envbench.errors import BackendError
from envbench.run.bench import CONTAINERS
from envbench.settings import Configuration, Settings, ready_of
from envbench.traces.limits import differences, is_inside

CHECKED_KEYS = frozenset({"memory", "cpus", "readonly", "init"})
"""Keys of a variant that an engine may accept and not follow; a bridge is the fourth."""
CONTAINER_REMEDY = "leave the option out, run as root, or delegate the controllers (systemd: Delegate=yes)"
GUEST_REMEDY = "leave the option out (a machine has whole CPUs), or a QEMU on the PATH that does as it is told"


def require_as_asked(backend: Backend, configuration: Configuration, workload: Workload, settings: Settings) -> None:
    """Start one instance of a variant and check that it got what was asked for. Raises BackendError where it did not.

    `workload` is that of a measured start; `settings` say what ready means. Of containers, those are started that ask
    for limits or a network. What does not start, or cannot be looked at, is left to the measured starts.
    """
    if backend.kind in CONTAINERS:
        found, remedy = _of_container(backend, configuration, workload, settings), CONTAINER_REMEDY
    else:
        found, remedy = (), GUEST_REMEDY
        with contextlib.suppress(BackendError, OSError):
            found = backend.differences(workload, configuration.variant)
    if found:
        warned = "".join(f"; the engine warned: {words}" for words in backend.warnings())
        raise BackendError(f"it got something else than was asked for: {'; '.join(found)}{warned}", remedy=remedy)


def _of_container(
    backend: Backend, configuration: Configuration, workload: Workload, settings: Settings
) -> tuple[str, ...]:
    variant = configuration.variant
    if not CHECKED_KEYS & set(variant) and variant.get("network") != "bridge":
        return ()
    found: list[str] = []

    def look(instance: Instance) -> None:
        pids = instance.processes()
        if pids:
            inside = next((pid for pid in pids if is_inside(pid)), None)
            found.extend(differences(variant, inside, instance.cgroup()))

    with contextlib.suppress(BackendError, OSError):
        ready = ready_of(settings, configuration.profile)
        try_start(backend.start, variant, TRIAL_DEADLINE_S, ready, asked=workload, look=look)
    return tuple(found)
