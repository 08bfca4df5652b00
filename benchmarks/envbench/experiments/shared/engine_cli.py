"""The engines' own command lines, for what their users do by hand: load, save, stats, update."""

from dataclasses import dataclass
from pathlib import Path

from envbench.backend import EngineProgram
from envbench.backends.shared.child import run_command
from envbench.errors import BackendError, one_line
from envbench.run.bench import Prepared


@dataclass(frozen=True, slots=True)
class EngineCli:
    """An engine's program on this machine, with options for the backend's own engine."""

    engine: EngineProgram

    @property
    def program(self) -> str:
        """The program's name."""
        return Path(self.engine.argv[0]).name

    def run(self, run_id: str, *words: str | Path, deadline_s: float = 60.0) -> str:
        """Return what a command prints. Raises BackendError with the engine's own words where it fails."""
        return run_command((*self.engine.argv, *words), run_id, f"{self.program} {words[0]}", deadline_s)

    def attempt(self, run_id: str, *words: str | Path) -> tuple[bool, str]:
        """Return whether a command worked, and its words either way."""
        try:
            return True, self.run(run_id, *words).strip()
        except BackendError as error:
            return False, one_line(error)


def engine_cli(prepared: Prepared) -> EngineCli | None:
    """Return the command line of this backend's engine, None where it has none (or it is not installed)."""
    engine = prepared.backend.engine_program(prepared.configuration.variant)
    return None if engine is None else EngineCli(engine)
