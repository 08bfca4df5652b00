"""What a run could not measure, in the words of its own notes, stands beside the claims that needed it."""

from typing import Any

from envbench.phases import Experiment
from envreport.backends import Side
from envreport.claims.judge import Missing, explain_missing
from envreport.claims.model import Need

NEED = Need(Experiment.WSL, "own_kernel", (Side.WSL,))


def notes(rows: Any, **note: str) -> Any:
    return rows.results({"skips": [note]} if note else {})


def test_an_experiment_that_could_not_be_done_gives_its_own_reason_and_remedy(rows: Any) -> None:
    found = notes(rows, experiment="wsl", what="all", reason="this is not WSL", remedy="run it inside WSL")
    assert explain_missing((NEED,), found) == Missing(
        "The wsl experiment could not be done: this is not WSL", "run it inside WSL", measurable=False
    )


def test_without_a_note_the_command_is_named(rows: Any) -> None:
    speed = Need(Experiment.SIZE, "disk", (Side.VM,))
    other = notes(rows, experiment="speed", what="disk", reason="no disk", remedy="give it one")
    for found in (notes(rows), other):
        assert explain_missing((speed,), found) == Missing(
            "The size experiment was not part of this run", "`envbench size`", measurable=True
        )
