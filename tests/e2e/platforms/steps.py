"""What is done in a lab, as data: commands with their user and deadline, and what came of each."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

STAGE = "/srv/stage"
"""Where a lab finds the project: `site` (the wheel, unpacked), `bin` (its two commands), `inside.py` and the plan."""

PYTHON = "/opt/envbench/bin/python"
"""The lab's own Python, in a virtual environment that holds what the project needs."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A command. With `ready`, a daemon that stays: the next step begins as soon as `ready` succeeds."""

    name: str
    argv: tuple[str, ...]
    user: str = ""
    deadline_s: float = 60
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)
    ready: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a step. `exit` is None at the deadline, a text where the command could not be started."""

    name: str
    exit: int | str | None
    seconds: float
    stdout: str
    stderr: str

    def json(self) -> object:
        """Return what the command printed as JSON; AssertionError with all that it said where it is none."""
        try:
            return json.loads(self.stdout)
        except ValueError:
            raise AssertionError(f"{self.name} printed no JSON: {self}") from None

    def __str__(self) -> str:
        return f"{self.name}: exit {self.exit} after {self.seconds} s\n{self.stdout[-3000:]}\n{self.stderr[-3000:]}"


def sh(name: str, script: str, *, user: str = "", deadline_s: float = 60, **env: str) -> Step:
    """Return a step that runs a shell script."""
    return Step(name=name, argv=("sh", "-c", script), user=user, deadline_s=deadline_s, env=env)


def write_plan(steps: Sequence[Step], path: Path) -> None:
    """Write what inside.py reads."""
    path.write_text(json.dumps([dataclasses.asdict(step) for step in steps]), encoding="utf-8")


def read_outcomes(path: Path) -> dict[str, Outcome]:
    """Return what inside.py has written so far, by the names of the steps."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    outcomes = [Outcome(**json.loads(line)) for line in lines if line.startswith("{") and line.endswith("}")]
    return {outcome.name: outcome for outcome in outcomes}
