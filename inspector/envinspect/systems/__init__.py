"""The doors to a system, and the choice of the one that is asked about. Only here is a machine touched."""

from __future__ import annotations

from envinspect.model import Record
from envinspect.model.errors import UsageError
from envinspect.model.facts import Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Place(Record):
    """The system that is asked about, by the option that names it; where none does it is this machine."""

    capture: str | None = None
    root: str | None = None
    via: str | None = None
    pid: int | None = None

    @property
    def named(self) -> bool:
        """Whether an option names a system."""
        return self != Place()

    def facts(self, ask: Callable[[Facts], None]) -> Facts:
        """Return the questions to the system; `ask` asks all that may be wanted, of one that can be asked only once.

        Raises UsageError where two systems are named or what is named is not there, CaptureError for a capture that
        cannot be read, UnreachableError where a place or a process cannot be asked.
        """
        if sum(value is not None for value in (self.capture, self.root, self.via, self.pid)) > 1:
            raise UsageError("--from, --root, --via and --pid each name a system to inspect", remedy="one of them")
        if self.via is not None:
            from envinspect.systems.remote import remote_facts  # noqa: PLC0415 - only the one that is meant is loaded

            return remote_facts(_words(self.via), ask)
        if self.pid is not None:
            from envinspect.systems.process import process_facts  # noqa: PLC0415

            return process_facts(self.pid, ask)
        if self.capture is not None:
            from envinspect.systems.captured import read_capture  # noqa: PLC0415 - only the one that is meant is loaded

            return read_capture(self.capture)
        if self.root is not None:
            from envinspect.systems.mounted import mounted_facts  # noqa: PLC0415

            return mounted_facts(self.root)
        from envinspect.systems.live import live_facts  # noqa: PLC0415

        return live_facts()


def _words(command: str) -> list[str]:
    import shlex  # noqa: PLC0415 - only --via pays for it

    try:
        return shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--via: {error}", remedy="quotes as for a shell: --via 'ssh web1'") from error
