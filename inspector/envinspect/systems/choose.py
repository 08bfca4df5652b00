"""Which system is asked about: this machine, a capture (--from) or a mounted root filesystem (--root)."""

from __future__ import annotations

from envinspect.errors import UsageError
from envinspect.facts import Facts
from envinspect.model import Record


class Place(Record):
    """The system that is asked about, by the option that names it; where none does it is this machine."""

    capture: str | None = None
    root: str | None = None

    @property
    def named(self) -> bool:
        """Whether an option names a system."""
        return self != Place()

    def facts(self) -> Facts:
        """Return the questions to the system.

        Raises UsageError where two systems are named or what is named is not there, CaptureError for a capture that
        cannot be read.
        """
        if self.capture is not None and self.root is not None:
            raise UsageError("--from and --root both name a system to inspect", remedy="one of them")
        if self.capture is not None:
            from envinspect.systems.captured import read_capture  # noqa: PLC0415 - only the one that is meant is loaded

            return read_capture(self.capture)
        if self.root is not None:
            from envinspect.systems.mounted import mounted_facts  # noqa: PLC0415

            return mounted_facts(self.root)
        from envinspect.systems.live import live_facts  # noqa: PLC0415

        return live_facts()
