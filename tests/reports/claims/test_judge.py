"""What a run could not measure, in the words of its own notes, stands beside the claims that needed it."""

from typing import Any

from envbench.phases import Experiment
from envreport.claims.judge import explain_missing
from envreport.claims.model import Need


class Notes:
    """As much of a run's results as an explanation reads: no rows, and these notes."""

    series: dict[Any, Any] = {}  # noqa: RUF012

    def __init__(self, **note: str) -> None:
        self._notes = [note] if note else []

    def records(self, *path: str) -> list[dict[str, str]]:
        return self._notes if path == ("skips",) else []


NEED = Need(Experiment.WSL, "own_kernel", "WSL")


def test_an_experiment_that_could_not_be_done_gives_its_own_reason_and_remedy():
    notes = Notes(experiment="wsl", what="all", reason="this is not WSL", remedy="run it inside WSL")
    assert explain_missing((NEED,), notes) == (
        "The wsl experiment could not be done: this is not WSL",
        "run it inside WSL",
    )


def test_without_a_note_the_command_is_named():
    other = Notes(experiment="speed", what="disk", reason="no disk", remedy="give it one")
    for notes in (Notes(), other, Notes(experiment="wsl", what="half a note")):
        reason, remedy = explain_missing((NEED,), notes)
        assert reason == "The wsl experiment was not part of this run"
        assert remedy == "`envbench wsl`"
