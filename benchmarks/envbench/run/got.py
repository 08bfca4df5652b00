"""What a container got is what its label says: one start, looked at from outside, before anything is measured."""

import contextlib

from envbench.backend import Backend, Instance, Workload
from envbench.backends.shared.try_start import TRIAL_DEADLINE_S, try_start
from envbench.errors import BackendError
from envbench.settings import Configuration, Settings, ready_of
from envbench.traces.limits import differences, is_inside

CHECKED_KEYS = frozenset({"memory", "cpus", "readonly"})
"""Keys of a variant that an engine may accept and not follow; a bridge is the fourth."""
REMEDY = "leave the option out, run as root, or delegate the controllers (systemd: Delegate=yes)"


def require_as_asked(backend: Backend, configuration: Configuration, workload: Workload, settings: Settings) -> None:
    """Start one container of a variant that asks for limits or a network, and see that it has them.

    `workload` is that of a measured start; `settings` say what ready means. What does not get ready, or whose process
    cannot be seen here, is left to the measured starts. Raises BackendError.
    """
    variant = configuration.variant
    if not CHECKED_KEYS & set(variant) and variant.get("network") != "bridge":
        return
    found: list[str] = []

    def look(instance: Instance) -> None:
        pids = instance.processes()
        if pids:
            inside = next((pid for pid in pids if is_inside(pid)), None)
            found.extend(differences(variant, inside, instance.cgroup()))

    with contextlib.suppress(BackendError, OSError):
        ready, pattern = ready_of(settings, configuration.profile), settings.ready_pattern
        try_start(backend.start, variant, TRIAL_DEADLINE_S, ready, asked=workload, pattern=pattern, look=look)
    if found:
        warned = "".join(f"; the engine warned: {words}" for words in backend.warnings())
        raise BackendError(f"it got something else than was asked for: {'; '.join(found)}{warned}", remedy=REMEDY)
