"""Which system is asked about: the running machine, a capture (--from) or a mounted root filesystem (--root)."""

from __future__ import annotations

from envinspect.errors import UsageError
from envinspect.facts import Facts


def facts_of(capture: str | None, root: str | None) -> Facts:
    """Return the questions to that system. Raises UsageError where both are named, or what is named is not there."""
    if capture is not None and root is not None:
        raise UsageError("--from and --root both name a system to inspect: give one")
    if capture is not None:
        from envinspect.systems.captured import read_capture  # noqa: PLC0415 - only the one that is meant is loaded

        return read_capture(capture)
    if root is not None:
        from envinspect.systems.mounted import mounted_facts  # noqa: PLC0415

        return mounted_facts(root)
    from envinspect.systems.live import live_facts  # noqa: PLC0415

    return live_facts()
