"""The question of a run answered in a sentence, what belongs to it, and what its figures mean."""

from collections.abc import Callable, Mapping
from functools import partial

from envbench.records.phases import Experiment
from envreport.claims.conditions import run_conditions
from envreport.document.answer.figure import FIGURES, density_answer, figure_answer
from envreport.document.answer.meaning import meaning
from envreport.document.answer.pair import Answer, Pair
from envreport.document.answer.seen import (
    isolation_answer,
    kernel_answer,
    release_answer,
    resize_answer,
    speed_answer,
)
from envreport.results import Results

__all__ = ["Answer", "answer_notes", "answer_of", "meaning"]

EMULATED = "The VM was emulated in software (QEMU's TCG): this says nothing about a VM on KVM"
ANSWERS: Mapping[Experiment, Callable[[Results], Answer | None]] = {
    **{each: partial(figure_answer, experiment=each) for each in FIGURES},
    Experiment.DENSITY: density_answer,
    Experiment.SPEED: speed_answer,
    Experiment.KERNEL: kernel_answer,
    Experiment.ISOLATION: isolation_answer,
    Experiment.RELEASE: release_answer,
    Experiment.RESIZE: resize_answer,
}
"""In the order in which they answer for a run that was asked for several experiments."""


def answer_of(results: Results, asked: Experiment | None) -> Answer:
    """Return the answer of the experiment that the run was asked for; of several, the first that there is."""
    wanted = [asked] if asked else list(ANSWERS)
    found = next(filter(None, (ANSWERS[each](results) for each in wanted)), None)
    return found or Answer(_nothing(results, asked), Pair(None, None))


def _nothing(results: Results, asked: Experiment | None) -> str:
    measured = dict.fromkeys(key.experiment for key, each in results.series.items() if each.values)
    if asked in measured:
        return f"What {asked} measured here gives no answer in one sentence: its figures stand below."
    others = f", only of {', '.join(measured)}" if measured else ""
    return f"No figure of {asked or 'any experiment'} was measured in this run{others}."


def answer_notes(results: Results, found: Answer) -> tuple[str, ...]:
    """Return what belongs to the answer: intervals, and the conditions of the whole run."""
    first = (EMULATED,) if found.is_emulated else ()
    return (*first, *found.notes, *(each.words for each in run_conditions(results)))
