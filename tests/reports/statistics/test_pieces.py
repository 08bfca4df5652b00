"""Where a start's time goes: pieces that follow each other, overlap nowhere and add up to the whole."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbench.records.phases import Experiment, Phase
from envreport.statistics.pieces import PIECES, UNTIL_READY, pieces_by_start, pieces_of, pieces_of_middle


@pytest.mark.parametrize(
    ("spent", "pieces"),
    [
        ({Phase.START: 3, Phase.READY: 8, Phase.STOP: 2}, {"start": 3, UNTIL_READY: 5, "stop": 2}),
        # Docker's start call returns behind the payload's own first word.
        ({Phase.CREATE: 2, Phase.START: 9, Phase.READY: 10}, {"create": 2, "start": 8}),
        # libvirt's covers the VMM and the firmware.
        (
            {Phase.START: 5, Phase.VMM: 1, Phase.FIRMWARE: 6, Phase.KERNEL: 20, Phase.USERSPACE: 3, Phase.READY: 30},
            {"vmm": 1, "firmware": 6, "kernel": 20, "userspace": 3},
        ),
        # A disk of the user's own tells nothing before its ready pattern.
        ({Phase.START: 5, Phase.VMM: 1, Phase.READY: 30}, {"vmm": 1, UNTIL_READY: 29}),
        ({Phase.CREATE: 4, Phase.STOP: 1}, {}),
    ],
)
def test_pieces_of_a_start(spent: dict[Phase, float], pieces: dict[str, float]) -> None:
    assert pieces_of(spent) == pieces


@given(st.dictionaries(st.sampled_from(Phase), st.integers(0, 10**12)), st.integers(0, 10**12))
def test_what_comes_before_the_ready_line_adds_up_to_it(spent: dict[Phase, float], ready: int) -> None:
    pieces = pieces_of(spent | {Phase.READY: ready})
    assert sum(value for piece, value in pieces.items() if piece not in (Phase.STOP, Phase.REMOVE)) == ready
    assert list(pieces) == [piece for piece in PIECES if piece in pieces]


def test_starts_are_cut_one_by_one(rows: Any) -> None:
    rows.add(Experiment.STARTUP, "process", Phase.START, [1, 5])
    rows.add(Experiment.STARTUP, "process", Phase.READY, [10, 10])
    results = rows.results()
    (ready,) = results.find(Experiment.STARTUP, Phase.READY)
    assert sum(map(sum, pieces_by_start(results, ready).values())) == 20


def test_the_pieces_of_the_middle_start_add_up_to_its_own_time(rows: Any) -> None:
    for order, ready in enumerate((100, 300, 200)):
        for phase, value in ((Phase.CREATE, 30), (Phase.START, 50), (Phase.READY, ready), (Phase.STOP, 7)):
            rows.add(Experiment.STARTUP, "docker", phase, [value], orders=[order])
    (ready,) = rows.results().find(Experiment.STARTUP, Phase.READY)
    pieces = pieces_of_middle(rows.results(), ready)
    assert pieces == {"create": 30, "start": 50, "until ready": 120, "stop": 7}
    assert sum(pieces.values()) == 200 + 7
